"""Writes to unit 0: all units take them, nobody answers, and the line rests until they have."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest

from edge.drivers.modbus_pdu import read_request as read_pdu
from edge.drivers.modbus_pdu import write_request
from edge.lines.ascii_mode import Ascii
from edge.lines.crc import framed
from edge.lines.framing import Framing
from edge.lines.line import BROADCAST, Line, LineError, Outcome, Request
from edge.lines.machine import LineMachine
from edge.lines.port import SerialSettings
from edge.lines.rtu import Rtu
from edge.lines.serial_port import SerialLine
from edge.lines.steps import Action, Begin, Done, Pause, Received, Write, Wrote
from edge.lines.stream import StreamLine
from edge.lines.tcp import TcpLine
from edge.lines.timing import BROADCAST_TURNAROUND_S, Timing
from edge.lines.virtual import VirtualLine
from simulators.addressed import addressed_bus, values_at
from simulators.bus import Bus, Exchange
from simulators.pty_line import PtyLine
from simulators.tcp_line import TcpLine as TcpSlaves
from simulators.virtual_loop import run_virtually
from simulators.wire import SimulatedWire, characters_ns, silence_ns
from tests.edge.support import loop_ns, read_request, registers, strict_wire, virtual_line

MS = 1_000_000
HOST = "127.0.0.1"
TIMING = Timing.of(9600, "N", 1)
TURNAROUND_NS = TIMING.broadcast_turnaround_ns
ADDRESS, VALUE = 30, 4711


def to_all(value: int = VALUE) -> Request:
    """Return a write of one register to all units."""
    pdu, answer_bytes = write_request("holding_register", ADDRESS, [value])
    return Request(BROADCAST, pdu, answer_bytes, 0.1)


async def held(line: Line, unit_id: int) -> list[int]:
    """Return what a unit holds where it was written."""
    return registers(await line.transact(read_request(unit_id, ADDRESS, 2, timeout_s=2)))


def written_at(unit_id: int) -> list[int]:
    """Return what a unit holds there after the write; its neighbour is as it was."""
    return [VALUE, values_at(unit_id, "holding_register", ADDRESS + 1, 1)[0]]


@pytest.mark.parametrize("turnaround_s", [0.1, 0.2])
def test_everybody_takes_it_and_the_next_request_waits_for_the_turnaround(turnaround_s: float) -> None:
    """To the microsecond: own frame, the delay, and then the next request needs no further silence."""

    async def play() -> None:
        wire = strict_wire(addressed_bus(1, 2, 3), 9600)
        line = VirtualLine("bus", Timing.of(9600, "N", 1, broadcast_turnaround_s=turnaround_s), wire)
        assert await held(line, 1) == values_at(1, "holding_register", ADDRESS, 2)
        began_ns = loop_ns()
        outcome = await line.transact(to_all())
        assert (outcome.pdu, outcome.error) == (b"", None)
        took_ns = outcome.done_ns - began_ns
        own_ns = silence_ns(9600, "N", 1) + characters_ns(8, 9600, "N", 1)
        assert took_ns == pytest.approx(own_ns + turnaround_s * 1e9, abs=10_000)
        assert outcome.done_ns - outcome.sent_ns == pytest.approx(turnaround_s * 1e9, abs=10_000)
        began_ns, asked = loop_ns(), await held(line, 2)
        assert asked == written_at(2)
        assert loop_ns() - began_ns == pytest.approx(characters_ns(17, 9600, "N", 1) + 5 * MS, abs=10_000)
        assert [await held(line, unit_id) for unit_id in (1, 3)] == [written_at(1), written_at(3)]
        assert (wire.silence_violations, wire.collisions) == (0, 0)
        assert (line.seen.stray_bytes, line.seen.echo) == (0, False)

    run_virtually(play())


def test_nothing_but_a_write_can_be_broadcast() -> None:
    """A read of unit 0 is a mistake of ours, told at once; the line is sound after it."""

    async def play() -> None:
        line = virtual_line(strict_wire(addressed_bus(1), 9600), 9600)
        for pdu, answer_bytes in (
            read_pdu("holding_register", 0, 1),
            (b"\x11", 10),
            (b"\x17" + bytes(11), 4),
        ):
            with pytest.raises(ValueError, match="cannot be broadcast"):
                await line.transact(Request(BROADCAST, pdu, answer_bytes, 0.1))
        assert await held(line, 1) == values_at(1, "holding_register", ADDRESS, 2)

    run_virtually(play())


def test_who_gives_up_waiting_leaves_the_units_their_time_all_the_same() -> None:
    """The next caller's request is not sent before the turnaround is over."""

    async def play() -> None:
        wire = strict_wire(addressed_bus(1), 9600)
        line = virtual_line(wire, 9600)
        await held(line, 1)
        began_ns = loop_ns()
        telling = asyncio.create_task(line.transact(to_all()))
        await asyncio.sleep(0.05)
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        outcome = await line.transact(read_request(1, ADDRESS, 1))
        assert registers(outcome) == [VALUE]
        assert outcome.sent_ns - began_ns >= TURNAROUND_NS + 2 * characters_ns(8, 9600, "N", 1)

    run_virtually(play())


def heard(machine: LineMachine, came: bytes, now_ns: int = 0) -> tuple[Done, int]:
    """Broadcast; these bytes come in the turnaround. Its end, and when that was."""
    action: Action = machine.step(Begin(to_all()), now_ns)
    while isinstance(action, Pause):
        now_ns = action.until_ns
        action = machine.step(Received(b""), now_ns)
    assert action == Write(framed(BROADCAST, to_all().pdu))
    action = machine.step(Wrote(), now_ns)
    assert isinstance(action, Pause)
    done = machine.step(Received(came), action.until_ns)
    assert isinstance(done, Done)
    return done, action.until_ns


@pytest.mark.parametrize(
    ("came", "frames", "masters"),
    [
        (framed(BROADCAST, to_all().pdu), 0, 0),  # an adapter that hears itself
        (framed(7, to_all().pdu), 1, 0),  # a board that answers all the same
        (framed(BROADCAST, to_all().pdu) + framed(7, to_all().pdu), 1, 0),
        (framed(7, read_pdu("holding_register", 0, 1)[0]), 1, 1),  # somebody else asks meanwhile
        (b"\x00\xff", 0, 0),
    ],
)
def test_what_comes_meanwhile_is_an_echo_or_came_unasked(came: bytes, frames: int, masters: int) -> None:
    """It is done in any case, teaches no echo, and only a strange request shows another master."""
    machine = LineMachine(TIMING)
    done, at_ns = heard(machine, came)
    assert (done.outcome.pdu, done.outcome.error) == (b"", None)
    assert (machine.seen.stray_frames, machine.seen.foreign_requests) == (frames, masters)
    assert machine.seen.echo is None
    assert machine.silent_from_ns >= at_ns + TIMING.silence_ns, "bytes came: the silence begins anew"


def test_a_late_answer_is_not_taken_for_anything(tmp_path: Path) -> None:
    """A write that timed out, a broadcast of the same function, then the write again: held back as ever."""
    machine = LineMachine(TIMING)
    _, now_ns = heard(machine, b"")
    action = machine.step(Begin(Request(7, to_all().pdu, 5, 0.1)), now_ns)
    while not isinstance(action, Done):
        if isinstance(action, Write):
            action = machine.step(Wrote(), now_ns)
        else:
            now_ns = action.until_ns
            action = machine.step(Received(b""), now_ns)
    assert action.outcome.error is LineError.TIMEOUT
    timed_out_ns = now_ns
    _, now_ns = heard(machine, b"", now_ns)
    assert now_ns - timed_out_ns < TURNAROUND_NS + 30 * MS, "a broadcast does not wait for late answers"


async def _real(line: Line, read: Callable[[int], Awaitable[list[int]]]) -> Outcome:
    """Broadcast on a line in real time, and look at both units."""
    assert await read(1) == values_at(1, "holding_register", ADDRESS, 2)
    outcome = await line.transact(to_all())
    assert (outcome.pdu, outcome.error) == (b"", None)
    assert outcome.done_ns - outcome.sent_ns >= BROADCAST_TURNAROUND_S * 1e9
    assert [await read(1), await read(2)] == [written_at(1), written_at(2)]
    return outcome


def test_over_a_pty(tmp_path: Path) -> None:
    """The thread that owns the port keeps the delay; both units have it, and nothing came back."""

    async def play() -> None:
        line = SerialLine("bus", SerialSettings(str(tmp_path / "port"), 115_200), Timing.of(115_200, "N", 1))
        await _real(line, lambda unit_id: held(line, unit_id))
        assert (line.seen.stray_bytes, wire.collisions) == (0, 0)
        await line.close()

    wire = SimulatedWire(addressed_bus(1, 2), 115_200)
    pty = PtyLine(wire, tmp_path / "port")
    pty.start()
    try:
        asyncio.run(play())
    finally:
        pty.stop()


@pytest.mark.parametrize("framing", [Rtu(), Ascii()])
def test_over_a_converter(framing: Framing) -> None:
    """RTU and ASCII over TCP."""

    async def play() -> None:
        bus, requests = addressed_bus(1, 2), 0

        ended = asyncio.Event()
        mode: Literal["rtu", "ascii"] = "ascii" if isinstance(framing, Ascii) else "rtu"

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal requests
            with suppress(ConnectionError):
                while data := await reader.read(100):
                    requests += 1
                    exchange = bus.exchange(data, 0, mode)
                    assert isinstance(exchange, Exchange)
                    writer.write(exchange.frame(mode))
            writer.close()
            ended.set()

        server = await asyncio.start_server(accept, HOST, 0)
        timing = Timing.of(115_200, "N", 1, paced=False, slack_s=0.2)
        line = StreamLine("bus", HOST, server.sockets[0].getsockname()[1], timing, framing)
        await _real(line, lambda unit_id: held(line, unit_id))
        assert (line.seen.stray_bytes, requests) == (0, 4)
        await line.close()
        await ended.wait()
        server.close()
        await server.wait_closed()

    asyncio.run(play())


def test_over_modbus_tcp() -> None:
    """The endpoint passes it on; nobody answers, time after time, and the connection is kept."""

    async def play(bus: Bus, port: int) -> None:
        line = TcpLine("tcp", HOST, port)
        await _real(line, lambda unit_id: held(line, unit_id))
        for value in range(6):
            assert (await line.transact(to_all(value))).error is None
        assert (await held(line, 2))[0] == 5
        await line.close()

    bus = addressed_bus(1, 2)
    slaves = TcpSlaves(bus, 0)
    slaves.start()
    try:
        asyncio.run(play(bus, slaves.port))
    finally:
        slaves.stop()


def test_an_endpoint_that_answers_for_its_units_does_not_shorten_their_time() -> None:
    """Some do at once, with the request itself."""

    async def play() -> None:
        ended = asyncio.Event()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await reader.read(100):
                    writer.write(data)
            writer.close()
            ended.set()

        server = await asyncio.start_server(accept, HOST, 0)
        port = server.sockets[0].getsockname()[1]
        line = TcpLine("tcp", HOST, port, broadcast_turnaround_s=0.15)
        outcome = await line.transact(to_all())
        assert (outcome.pdu, outcome.error) == (b"", None)
        assert outcome.done_ns - outcome.sent_ns >= 0.15e9
        await line.close()
        await ended.wait()
        server.close()
        await server.wait_closed()

    asyncio.run(play())
