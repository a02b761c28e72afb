"""A device is asked about itself: some tell everything, others refuse, are silent, or talk nonsense."""

import asyncio
from collections.abc import Callable

import pytest

from contract.samples import Quality
from device_profiles.codec import Reading
from edge.drivers.identification import PARTS_MAX, Identification, identify
from edge.lines.line import LineError, Outcome, Request
from edge.lines.tcp import COST
from simulators.addressed import AddressedDevice
from simulators.bus import Bus
from simulators.identity import Identity
from simulators.relay_board import RelayBoard
from tests.edge.support import BusLine

BASIC = {0: b"Dengguang", 1: b"LC-8", 2: b"V2.11"}
REGULAR = BASIC | {3: b"http://example.invalid", 4: "路灯控制器".encode(), 6: b"west side"}
EXTENDED = REGULAR | {0x80: b"\x00\x01\x02", 0x81: bytes(200), 0x82: b"x" * 200, 0xFF: b"last"}
"""Three answers' worth of objects."""
FULL = Identity(EXTENDED, b"\x42", running=True)
COUNTERS = ("bus_messages", "bus_communication_errors", "bus_exception_errors", "server_no_responses")


class ScriptedLine:
    """A line that answers each question as told, for devices that no sound one resembles."""

    name = "scripted"
    cost = COST

    def __init__(self, answer: Callable[[bytes], bytes | LineError]) -> None:
        """Keep what answers."""
        self._answer = answer
        self.asked: list[bytes] = []

    async def transact(self, request: Request) -> Outcome:
        """See Line."""
        self.asked.append(request.pdu)
        answer = self._answer(request.pdu)
        return Outcome(None, answer, 0) if isinstance(answer, LineError) else Outcome(answer, None, 0)

    async def close(self) -> None:
        """See Line."""


def board(identity: Identity | None) -> Bus:
    """Return a bus with a relay board that says this of itself."""
    bus = Bus()
    relays = RelayBoard("board")
    relays.identity = identity
    bus.add(relays, 1)
    return bus


def identified(line: BusLine | ScriptedLine, unit_id: int = 1) -> Identification:
    """Ask a unit."""
    return asyncio.run(identify(line, unit_id, 0.3))


def bad(error: str) -> Reading:
    """Return the reading of a refusal."""
    return Reading(None, Quality.BAD, error)


def test_a_device_tells_everything_of_itself() -> None:
    """All objects over as many answers as they take, the server id, the echo, the counters."""
    bus = board(FULL)
    bus.add(AddressedDevice(2), 2)
    bus.serve(2, b"\x03\0\0\0\1", 0)
    bus.serve(1, b"\x03\0\0\0\1", 0)  # an exception: the board has no registers
    bus.serve(0, b"\x05\0\0\xff\0", 0)
    bus.exchange(b"\x01\x03\0\0\0\1\0\0", 0)  # wrong checksum
    line = BusLine(bus)
    found = identified(line)
    assert (found.vendor, found.product) == (Reading("Dengguang"), Reading("LC-8"))
    assert found.revision == Reading("V2.11")
    assert (found.objects, found.objects_error) == (EXTENDED, "")
    assert (found.server_id, found.running) == (Reading("42 FF"), Reading(True))
    assert found.echo == Reading(True)
    asked_before_the_counter = line.asked.index(b"\x08\0\x0b\0\0")
    assert found.counters == {
        "bus_messages": Reading(3 + asked_before_the_counter + 1),
        "bus_communication_errors": Reading(1),
        "bus_exception_errors": Reading(1),
        "server_no_responses": Reading(1),
    }
    assert len([pdu for pdu in line.asked if pdu[:3] == b"\x2b\x0e\x03"]) == 3


@pytest.mark.parametrize(("objects", "code"), [(BASIC, None), (REGULAR, 2), (EXTENDED, 3)])
def test_no_more_is_asked_for_than_the_device_says_it_has(
    objects: dict[int, bytes], code: int | None
) -> None:
    """The basic stream names the level; the fuller stream is read where there is one."""
    line = BusLine(board(Identity(objects, individual=False)))
    assert identified(line).objects == objects
    assert {pdu[2] for pdu in line.asked if pdu[0] == 0x2B} == {1, code} - {None}


def test_a_device_that_stands_still_says_so() -> None:
    """Its run indicator is 0."""
    assert identified(BusLine(board(Identity(BASIC, b"\x07", running=False)))).running == Reading(False)


def test_a_device_that_knows_nothing_of_this_gives_reasons() -> None:
    """Three questions, three refusals; nothing is asked one by one after that."""
    line = BusLine(board(None))
    found = identified(line)
    refused = bad("illegal_function")
    assert (found.vendor, found.product, found.revision) == (refused, refused, refused)
    assert (found.objects, found.objects_error) == ({}, "illegal_function")
    assert (found.server_id, found.running, found.echo) == (refused, refused, refused)
    assert found.counters == dict.fromkeys(COUNTERS, refused)
    assert line.asked == [b"\x2b\x0e\x01\x00", b"\x11", b"\x08\x00\x00\xa5\x37"]


def test_a_silent_device_is_asked_three_times_only() -> None:
    """It may be silent at one question and answer another, so each kind is tried."""
    line = BusLine(board(FULL))
    found = identified(line, unit_id=9)
    assert (found.vendor, found.running, found.echo) == (bad("timeout"), bad("timeout"), bad("timeout"))
    assert len(line.asked) == 3


def test_a_line_that_is_gone_is_asked_once() -> None:
    """And everything has that reason."""
    line = ScriptedLine(lambda pdu: LineError.UNAVAILABLE)
    found = identified(line)
    assert {found.vendor, found.server_id, found.running, found.echo, *found.counters.values()} == {
        bad("line_unavailable")
    }
    assert len(line.asked) == 1


def test_single_objects_are_asked_for_where_the_stream_is_refused() -> None:
    """Some devices know the individual access only."""

    def answer(pdu: bytes) -> bytes:
        if pdu[:3] == b"\x2b\x0e\x04" and pdu[3] < 2:
            data = BASIC[pdu[3]]
            return b"\x2b\x0e\x04\x81\x00\x00\x01" + bytes([pdu[3], len(data)]) + data
        return bytes([pdu[0] | 0x80, 3])

    found = identified(ScriptedLine(answer))
    assert (found.vendor, found.product) == (Reading("Dengguang"), Reading("LC-8"))
    assert (found.revision, found.objects_error) == (bad("illegal_data_value"), "illegal_data_value")


@pytest.mark.parametrize(
    ("next_object", "error", "asked_max"), [(0, "stream_goes_back", 1), (None, "too_many_parts", PARTS_MAX)]
)
def test_a_stream_without_an_end_is_left(next_object: int | None, error: str, asked_max: int) -> None:
    """More follows, says the device, for ever: from the beginning again, or in ever new parts."""
    asked = 0

    def answer(pdu: bytes) -> bytes:
        nonlocal asked
        if pdu[:3] != b"\x2b\x0e\x01":
            return bytes([pdu[0] | 0x80, 1])
        asked += 1
        following = asked if next_object is None else next_object
        return b"\x2b\x0e\x01\x01\xff" + bytes([following, 1, following, 1, 0x41])

    found = identified(ScriptedLine(answer))
    assert (found.objects_error, asked) == (error, asked_max)
    assert len(found.objects) == asked_max


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("2B 0E 02 01 00 00 00", "wrong_echo"),
        ("2B 0D 01 01 00 00 00", "wrong_echo"),
        ("2B 0E 01 01 00 00", "wrong_length"),
        ("2B 0E 01 01 00 00 01", "wrong_length"),
        ("2B 0E 01 01 00 00 01 00 05 41", "wrong_length"),
        ("2B 0E 01 01 00 00 01 00 01 41 42", "wrong_length"),
        ("11 03 01 FF", "wrong_length"),
        ("11", "wrong_length"),
        ("08 00 01 A5 37", "wrong_echo"),
        ("08 00 00 A5", "wrong_length"),
    ],
)
def test_an_answer_that_contradicts_itself_is_named(said: str, error: str) -> None:
    """Whatever else the device answers well."""
    wrong = bytes.fromhex(said)

    def answer(pdu: bytes) -> bytes:
        return wrong if wrong[0] == pdu[0] else bytes([pdu[0] | 0x80, 1])

    found = identified(ScriptedLine(answer))
    reading = {0x2B: found.vendor, 0x11: found.server_id, 0x08: found.echo}[wrong[0]]
    assert reading == bad(error)


@pytest.mark.parametrize(
    ("said", "running"),
    [
        ("11 02 42 FF", True),
        ("11 02 42 00", False),
        ("11 08 B4 FF 4C 4D 42 33 2E 31", True),  # an addition behind the indicator
        ("11 05 41 42 43 44 00", False),  # a longer id before it
        ("11 01 42", None),
        ("11 02 42 43", None),
        ("11 00", None),
    ],
)
def test_the_run_indicator_is_found_where_makers_put_it(said: str, running: bool | None) -> None:
    """Second, or last; anything else is not told."""
    answer = bytes.fromhex(said)
    found = identified(ScriptedLine(lambda pdu: answer if pdu[0] == 0x11 else bytes([pdu[0] | 0x80, 1])))
    assert found.running == (bad("not_told") if running is None else Reading(running))
    assert found.server_id == Reading(answer[2:].hex(" ").upper())


def test_query_data_that_comes_back_changed_is_told() -> None:
    """The line or the device spoils what goes through it."""
    found = identified(
        ScriptedLine(lambda pdu: b"\x08\0\0\xa5\x36" if pdu[:3] == b"\x08\0\0" else bytes([pdu[0] | 0x80, 1]))
    )
    assert found.echo == Reading(False)
    assert found.counters == dict.fromkeys(COUNTERS, bad("illegal_function"))
