"""Simulated devices change bits, write and read at once, and speak of themselves, as the standard says."""

import asyncio
from pathlib import Path

import pytest

from device_profiles.codec import Reading
from device_profiles.schema import Profile
from edge.drivers.identification import identify
from edge.lines.line import Line
from edge.lines.port import SerialSettings
from edge.lines.serial_port import SerialLine
from edge.lines.tcp import TcpLine as OurTcpLine
from edge.lines.timing import Timing
from simulators.bus import Bus
from simulators.devices import ProfileDevice
from simulators.identity import Identity
from simulators.modbus import Record, serve
from simulators.pty_line import PtyLine
from simulators.relay_board import RelayBoard
from simulators.tcp_line import TcpLine
from simulators.wire import SimulatedWire

TITLE = {"en": "x", "zh": "某"}
TIMEOUT_S = 5.0
OBJECTS = {0: b"Gengfu", 1: b"SIM-1", 2: b"1.0"}


def lamp(**modbus: bool) -> ProfileDevice:
    """Return a device with registers 0 to 9 writable, 10 to 15 not, and two writable bits in 20."""
    point = {"title": TITLE, "table": "holding_register"}
    bit = {**point, "address": 20, "type": "bool", "writable": modbus.get("mask_write", False)}
    plain = {
        "schema": 1,
        "id": "lamp",
        "title": TITLE,
        "vendor": "none",
        "models": ["none"],
        "document": "registers for a test",
        "modbus": modbus,
        "points": [
            {**point, "name": "w{n}", "address": 0, "writable": True, "repeat": {"count": 10, "first": 0}},
            {**point, "name": "r{n}", "address": 10, "repeat": {"count": 6, "first": 10}},
            {**bit, "name": "low", "bit": 0},
            {**bit, "name": "high", "bit": 15},
            {**bit, "name": "seen", "bit": 7, "writable": False},
        ],
    }
    values = {f"w{n}": 100 + n for n in range(10)} | {f"r{n}": 100 + n for n in range(10, 16)}
    return ProfileDevice("lamp", Profile.model_validate(plain), {**values, "seen": True, "high": True})


def served(device: ProfileDevice | RelayBoard, request_hex: str) -> str:
    """Return the answer's PDU in hexadecimal."""
    return serve(device, 1, bytes.fromhex(request_hex), 0)[0].hex(" ").upper()


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        ("16 00 04 00 F2 00 25", "16 00 04 00 F2 00 25"),
        ("16 00 14 FF FE 00 01", "16 00 14 FF FE 00 01"),
        ("16 00 14 FF 7F 00 00", "96 03"),  # a bit that is not to be changed
        ("16 00 0A FF FF 00 00", "96 02"),  # read only
        ("16 00 63 FF FF 00 00", "96 02"),
        ("16 00 04 00 F2 00", "96 03"),
        ("17 00 03 00 02 00 04 00 01 02 00 FF", "17 04 00 67 00 FF"),
        ("17 00 0A 00 01 00 04 00 01 02 00 FF", "17 02 00 6E"),
        ("17 00 63 00 01 00 04 00 01 02 00 FF", "97 02"),  # nothing to read
        ("17 00 03 00 01 00 0A 00 01 02 00 FF", "97 02"),  # nothing to write
        ("17 00 03 00 02 00 04 00 02 02 00 FF", "97 03"),
        ("17 00 03 00 7E 00 04 00 01 02 00 FF", "97 03"),
        ("17 00 03 00 02 00 04 00", "97 03"),
    ],
)
def test_bits_and_registers_change_as_the_standard_says(request_hex: str, answer_hex: str) -> None:
    """Functions 22 and 23, their answers and refusals; what is refused has changed nothing."""
    device = lamp(mask_write=True, read_write=True)
    before = device.read("holding_register", 0, 16, 0) + device.read("holding_register", 20, 1, 0)
    assert served(device, request_hex) == answer_hex
    after = device.read("holding_register", 0, 16, 0) + device.read("holding_register", 20, 1, 0)
    assert (before == after) == (answer_hex[0] == "9")


def test_a_mask_is_and_then_or() -> None:
    """The standard's own figures: 0x12 becomes 0x17."""
    device = lamp(mask_write=True)
    device.write("holding_register", 4, [0x12], 0)
    _, records = serve(device, 7, bytes.fromhex("16 00 04 00 F2 00 25"), 0)
    assert device.read("holding_register", 4, 1, 0) == [0x17]
    assert records == (Record("lamp", 7, "holding_register", 4, (0x17,), write=True),)


def test_what_was_written_and_read_at_once_is_recorded_twice() -> None:
    """A ledger then has both."""
    device = lamp(read_write=True)
    _, records = serve(device, 7, bytes.fromhex("17 00 03 00 02 00 04 00 01 02 00 FF"), 0)
    assert records == (
        Record("lamp", 7, "holding_register", 4, (0xFF,), write=True),
        Record("lamp", 7, "holding_register", 3, (0x67, 0xFF)),
    )


@pytest.mark.parametrize(
    "request_hex",
    ["16 00 04 00 F2 00 25", "17 00 03 00 02 00 04 00 01 02 00 FF", "11", "08 00 00 A5 37", "2B 0E 01 00"],
)
def test_who_does_not_know_a_function_refuses_it(request_hex: str) -> None:
    """Neither the profile nor an identity says that it does."""
    for device in (lamp(), RelayBoard("board")):
        assert served(device, request_hex) == f"{int(request_hex[:2], 16) | 0x80:02X} 01"


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        ("11", "11 02 2A FF"),
        ("11 00", "91 03"),
        ("08 00 00 A5 37", "08 00 00 A5 37"),
        ("08 00 00 A5 37 00 01", "08 00 00 A5 37 00 01"),
        ("08 00 0B 00 00", "08 00 0B 00 00"),
        ("08 00 0B 00 01", "88 03"),
        ("08 00 01 00 00", "88 01"),  # restart communications
        ("08 00 0A 00 00", "88 01"),  # clear counters
        ("08 00 0B", "88 03"),
        ("2B 0E 01 00", "2B 0E 01 81 00 00 03 00 06 47 65 6E 67 66 75 01 05 53 49 4D 2D 31 02 03 31 2E 30"),
        ("2B 0E 01 02", "2B 0E 01 81 00 00 01 02 03 31 2E 30"),
        ("2B 0E 04 01", "2B 0E 04 81 00 00 01 01 05 53 49 4D 2D 31"),
        ("2B 0E 04 03", "AB 02"),
        ("2B 0E 05 00", "AB 03"),
        ("2B 0E 00 00", "AB 03"),
        ("2B 0D 01 00", "AB 01"),
        ("2B 0E 01", "AB 03"),
    ],
)
def test_a_device_speaks_of_itself(request_hex: str, answer_hex: str) -> None:
    """Functions 17, 8 and 43/14, and what they refuse."""
    board = RelayBoard("board")
    board.identity = Identity(OBJECTS, b"\x2a")
    assert served(board, request_hex) == answer_hex


def test_a_stream_goes_on_only_where_it_can() -> None:
    """At an object that there is not it begins anew; a device without single access refuses it."""
    board = RelayBoard("board")
    board.identity = Identity(OBJECTS, individual=False)
    assert served(board, "2B 0E 01 77") == served(board, "2B 0E 01 00")
    assert served(board, "2B 0E 04 00") == "AB 03"


def test_an_object_that_no_answer_could_hold_is_refused() -> None:
    """When it is given."""
    with pytest.raises(ValueError, match="object 3 of 245 bytes"):
        Identity({3: bytes(245)})
    assert Identity({3: bytes(244)}).conformity == 0x82


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
def test_a_device_is_identified_over_a_real_line(kind: str, tmp_path: Path) -> None:
    """A paced pty, a TCP port: answers of a length that only they tell, in three parts."""
    board = RelayBoard("board")
    objects = OBJECTS | {number: bytes([number]) * 200 for number in (0x80, 0x81, 0x90)}
    board.identity = Identity(objects, b"\x2a", running=False)
    bus = Bus()
    bus.add(board, 5)
    line = PtyLine(SimulatedWire(bus, 115_200), tmp_path / "port") if kind == "rtu" else TcpLine(bus)
    line.start()

    async def main() -> None:
        ours: Line
        if isinstance(line, PtyLine):
            ours = SerialLine("bus", SerialSettings(str(line.path), 115_200), Timing.of(115_200, "N", 1))
        else:
            ours = OurTcpLine("tcp", "127.0.0.1", line.port)
        found = await identify(ours, 5, TIMEOUT_S)
        assert (found.objects, found.objects_error) == (objects, "")
        assert (found.vendor, found.running, found.echo) == (
            Reading("Gengfu"),
            Reading(False),
            Reading(True),
        )
        assert found.counters["bus_exception_errors"] == Reading(0)
        await ours.close()

    try:
        asyncio.run(main())
    finally:
        line.stop()
