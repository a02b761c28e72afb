"""ASCII frames: the standard's example, any bytes, and a whole line of them."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.drivers.identification import identify
from edge.drivers.modbus_pdu import write_request
from edge.lines.ascii_mode import Ascii, lrc
from edge.lines.framing import Frame
from edge.lines.line import LineError, Request
from edge.lines.port import SerialSettings
from edge.lines.rtu import Rtu
from edge.lines.serial_port import SerialLine
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from simulators.addressed import addressed_bus, values_at
from simulators.bus import Bus, Mode
from simulators.faults import MS, Cut, Fault, Flipped, Garbage, Late, Silent
from simulators.faulty_wire import FaultyWire
from simulators.identity import Identity
from simulators.pty_line import PtyLine
from simulators.relay_board import RelayBoard
from simulators.virtual_loop import run_virtually
from simulators.wire import SimulatedWire, characters_ns
from tests.edge.support import loop_ns, read_request, registers

ASCII = Ascii()


def ascii_line(wire: FaultyWire | SimulatedWire, baud: int = 9600) -> VirtualLine:
    """Return a line in ASCII mode; the model's characters have eight bits."""
    return VirtualLine("bus", Timing.of(baud, "N", 1), wire, ASCII)


def test_a_frame_stands_in_hexadecimal_between_colon_and_line_end() -> None:
    """The longitudinal redundancy check is the two's complement of the sum of the bytes."""
    assert ASCII.framed(1, bytes.fromhex("03 0000 0001")) == b":010300000001FB\r\n"
    assert lrc(bytes.fromhex("01 03 0000 0001")) == 0xFB


@given(
    st.integers(0, 247), st.binary(min_size=1, max_size=250), st.binary(max_size=20), st.binary(max_size=20)
)
def test_a_frame_is_found_among_anything(unit_id: int, pdu: bytes, before: bytes, after: bytes) -> None:
    """Whatever stands before it or after it."""
    frame = ASCII.framed(unit_id, pdu)
    found = list(ASCII.frames(before + frame + after))
    assert Frame(len(before), len(before + frame), unit_id, pdu) in found


@given(st.binary(max_size=60) | st.text(":0123456789ABCDEFabcdef \r\n", max_size=60).map(str.encode))
def test_any_bytes_are_taken(data: bytes) -> None:
    """No exception, and always at least one byte more is wanted."""
    request = read_request(1, 0, 1)
    list(ASCII.frames(data))
    list(ASCII.answers(data, request))
    assert ASCII.missing(data, request) >= 1


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r"])
def test_blanks_between_characters_harm_a_frame(blank: str) -> None:
    """Nothing is passed over that the standard does not know."""
    assert list(ASCII.frames(f":0103{blank}00000001FB\r\n".encode())) == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(), None),
        (Silent(), LineError.TIMEOUT),
        (Garbage(before=b":01030800\x00\xff", after=b":"), None),
        (Late(60 * MS), None),
        (Late(160 * MS), LineError.TIMEOUT),
        (Cut(3), LineError.GARBLED),
        (Flipped(frozenset({40})), LineError.GARBLED),
    ],
)
def test_a_line_of_ascii_frames_recovers_from_faults(fault: Fault, error: LineError | None) -> None:
    """The next request is the most confusable there is, and is answered right."""

    async def play() -> None:
        wire = FaultyWire(addressed_bus(1, 2), 9600, "ascii")
        line = ascii_line(wire)
        wire.fault = fault
        outcome = await line.transact(read_request(1, 100, 4))
        assert outcome.error == error
        for address in (200, 204, 208):
            outcome = await line.transact(read_request(1, address, 4))
            assert registers(outcome) == values_at(1, "holding_register", address, 4)
        assert (await line.transact(read_request(1, 0xFFF0, 4))).pdu == b"\x83\x02"

    run_virtually(play())


def test_ascii_is_read_as_fast_as_the_wire_allows() -> None:
    """Exceptions and answers are taken with their last character."""

    async def play() -> None:
        line = ascii_line(SimulatedWire(addressed_bus(1), 9600, mode="ascii"))
        for _ in range(3):
            began_ns = loop_ns()
            await line.transact(read_request(1, 0, 10))
            needed_ns = characters_ns(17 + 51, 9600, "N", 1) + 5 * MS + line._machine._timing.silence_ns
            assert loop_ns() - began_ns <= needed_ns + MS

    run_virtually(play())


def test_an_echoed_ascii_write_to_nobody_is_no_success() -> None:
    """As in RTU."""

    async def play() -> None:
        wire = FaultyWire(addressed_bus(1), 9600, "ascii")
        wire.echo = True
        line = ascii_line(wire)
        pdu, answer_bytes = write_request("coil", 1, [1])
        assert registers(await line.transact(read_request(1, 0, 1)))
        assert (await line.transact(Request(3, pdu, answer_bytes, 0.1))).error is LineError.TIMEOUT
        assert (await line.transact(Request(1, pdu, answer_bytes, 0.1))).error is None

    run_virtually(play())


def test_ascii_works_on_a_port(tmp_path: Path) -> None:
    """A pty, our own simulator behind it."""

    async def play() -> None:
        pty = PtyLine(SimulatedWire(addressed_bus(1), 19200, mode="ascii"), tmp_path / "port")
        pty.start()
        settings = SerialSettings(str(tmp_path / "port"), 19200, data_bits=7)
        line = SerialLine("bus", settings, Timing.of(19200, "N", 1, data_bits=7), ASCII)
        for address in range(5):
            outcome = await line.transact(read_request(1, address, 4, timeout_s=2))
            assert registers(outcome) == values_at(1, "holding_register", address, 4)
        await line.close()
        pty.stop()

    asyncio.run(play())


@pytest.mark.parametrize("mode", ["rtu", "ascii"])
def test_answers_of_unknown_length_are_taken_with_their_last_character(mode: Mode) -> None:
    """Device identification and server id tell in themselves how long they are; nobody waits for more."""

    async def play() -> None:
        board = RelayBoard("board")
        board.identity = Identity({0: b"Gengfu", 1: b"SIM-1", 2: b"1.0"}, b"\x2a", running=True)
        bus = Bus()
        bus.add(board, 1)
        wire = SimulatedWire(bus, 9600, mode=mode)
        line = VirtualLine("bus", Timing.of(9600, "N", 1), wire, ASCII if mode == "ascii" else Rtu())
        for _ in range(2):
            began_ns = loop_ns()
            found = await identify(line, 1, 1.0)
            assert (found.vendor.value, found.revision.value) == ("Gengfu", "1.0")
            assert loop_ns() - began_ns < 900 * MS

    run_virtually(play())
