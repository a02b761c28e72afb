"""Echoing adapters, stale answers and other masters: what is an answer, and what only looks like one."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from edge.drivers.modbus_pdu import read_answer, write_request
from edge.lines.crc import framed
from edge.lines.line import LineError, Request
from edge.lines.listening import Listening, Seen
from edge.lines.rtu import Rtu
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from simulators.addressed import addressed_bus, values_at
from simulators.faults import MS, Fault, Garbage, Instead, Late, Silent
from simulators.faulty_wire import FaultyWire, Foreign
from simulators.virtual_loop import run_virtually
from simulators.wire import characters_ns
from tests.edge.support import loop_ns, read_request, registers, virtual_line

TIMEOUT_S = 0.1
Play = Callable[[VirtualLine, FaultyWire], Awaitable[None]]


def meet(play: Play, *, baud: int = 9600) -> None:
    """Let a line meet units 1 and 2 on a faulty wire."""

    async def main() -> None:
        wire = FaultyWire(addressed_bus(1, 2), baud)
        await play(virtual_line(wire, baud), wire)
        assert wire.silence_violations == 0

    run_virtually(main())


def echoes(line: VirtualLine) -> bool | None:
    """Return what the line knows of its adapter."""
    return line.seen.echo


def write_coil(unit_id: int, address: int, value: int = 1) -> Request:
    """Return a write whose answer equals it."""
    pdu, answer_bytes = write_request("coil", address, [value])
    return Request(unit_id, pdu, answer_bytes, TIMEOUT_S)


def write_register(unit_id: int, address: int, value: int) -> Request:
    """Return a write whose answer equals it."""
    pdu, answer_bytes = write_request("holding_register", address, [value])
    return Request(unit_id, pdu, answer_bytes, TIMEOUT_S)


@pytest.mark.parametrize("baud", [9600, 115200])
def test_reads_and_writes_are_right_behind_an_echoing_adapter(baud: int) -> None:
    """One read teaches the line; from then on nothing is lost, and the echo costs no time."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        wire.echo = True
        for address in range(20):
            outcome = await line.transact(read_request(1, address, 4))
            assert registers(outcome) == values_at(1, "holding_register", address, 4)
            assert echoes(line)
            outcome = await line.transact(write_register(2, address, 7))
            assert outcome.pdu is not None
            assert registers(await line.transact(read_request(2, address, 1))) == [7]
        began_ns = loop_ns()
        await line.transact(read_request(1, 0, 4))
        needed_ns = characters_ns(8 + 5 + 8, baud, "N", 1) + 5 * MS + line._machine._timing.silence_ns
        assert loop_ns() - began_ns <= needed_ns + MS

    meet(play, baud=baud)


@pytest.mark.parametrize("request_", [write_coil(3, 0), write_register(3, 5, 1)])
@pytest.mark.parametrize("learnt", [True, False])
def test_an_echo_is_never_taken_for_the_answer_of_a_dead_unit(request_: Request, learnt: bool) -> None:
    """Unit 3 does not exist. Whether the line knew of the echo or not, the write did not succeed."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        wire.echo = True
        if learnt:
            await line.transact(read_request(1, 0, 1))
        outcome = await line.transact(request_)
        assert outcome.pdu is None
        assert outcome.error is LineError.TIMEOUT

    meet(play)


def test_the_first_write_of_all_succeeds_behind_an_echoing_adapter() -> None:
    """Its echo comes sooner than an answer can; the second copy is the answer."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        wire.echo = True
        assert (await line.transact(write_coil(1, 9))).error is None
        assert echoes(line) is True

    meet(play)


def test_an_adapter_that_begins_to_echo_is_seen_at_the_very_write() -> None:
    """The line had learnt that it does not; an echo is there sooner than an answer can be."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        await line.transact(read_request(1, 0, 1))
        assert echoes(line) is False
        wire.echo = True
        assert (await line.transact(write_coil(3, 0))).error is LineError.TIMEOUT
        assert echoes(line) is True
        wire.echo = False
        assert registers(await line.transact(read_request(1, 9, 3))) == values_at(1, "holding_register", 9, 3)
        assert echoes(line) is False
        assert (await line.transact(write_coil(1, 9))).error is None

    meet(play)


def test_without_timing_a_single_copy_of_a_first_write_proves_nothing() -> None:
    """As on a pty or over TCP: until a read was answered, it may be the echo."""
    request = write_coil(1, 4)
    copy = framed(1, request.pdu)
    seen = Seen()
    listening = Listening(Rtu(), Timing.of(9600, "N", 1, paced=False), seen)
    listening.begin(copy, 0)
    assert listening.take(copy, request, 0) is None
    assert listening.diagnosed(request) is LineError.ECHO
    assert seen.echo is None
    assert listening.take(copy, request, 0) == request.pdu  # a second one is the answer, and shows the echo
    assert seen.echo is True


def test_the_echo_of_a_read_that_looks_like_its_answer_is_none() -> None:
    """24 coils from 0x0300: the request is a sound frame with the very length and head of its answer."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        request = read_request(1, 0x0300, 24, table="coil")
        assert any(Rtu().answers(framed(1, request.pdu), request))
        for echo in (False, True, True):
            wire.echo = echo
            outcome = await line.transact(request)
            assert outcome.pdu is not None
            assert list(read_answer("coil", 24, outcome.pdu)) == values_at(1, "coil", 0x0300, 24)
        wire.fault = Silent()
        assert (await line.transact(request)).error is LineError.TIMEOUT

    meet(play)


def test_an_answer_faster_than_its_wire_time_is_stale() -> None:
    """What is whole before the request was out cannot answer it."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        request = read_request(1, 100, 4)
        sent_ns = characters_ns(7, 9600, "N", 1) // 2
        stale = framed(1, bytes([3, 8]) + b"\x12\x34" * 4)
        wire.inject(sent_ns - 12 * MS, b"")
        await asyncio.sleep(0.02)
        task = asyncio.create_task(line.transact(request))
        await asyncio.sleep(sent_ns / 1e9 + 0.0001)
        wire.inject(loop_ns() - 10 * MS, stale)  # the end of it comes while the request goes out
        assert registers(await task) == values_at(1, "holding_register", 100, 4)
        assert line.seen.stale_frames == 1

    meet(play)


def test_two_answers_that_differ_are_none() -> None:
    """One of them answers something else, and nobody can say which."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        other = framed(1, bytes([3, 8]) + b"\x12\x34" * 4)
        timing = Timing.of(9600, "N", 1, paced=False)
        listening = Listening(Rtu(), timing, Seen())
        request = read_request(1, 100, 4)
        listening.begin(framed(1, request.pdu), 0)
        same = framed(1, bytes([3, 8]) + b"\x55\x55" * 4)
        assert listening.take(same + other, request, 0) is LineError.TWO_ANSWERS
        listening.begin(framed(1, request.pdu), 0)
        assert listening.take(same + same, request, 0) == same[1:-2]

    meet(play)


def test_another_masters_request_is_seen_and_its_answer_not_taken() -> None:
    """It asks the same unit for as many registers from elsewhere, while we are silent."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        await line.transact(read_request(1, 0, 4))
        await asyncio.sleep(0.05)
        asked = framed(1, read_request(1, 500, 4).pdu)
        answer = framed(1, bytes([3, 8]) + b"\x12\x34" * 4)
        wire.inject(loop_ns(), asked)
        wire.inject(loop_ns() + 60 * MS, answer)
        await asyncio.sleep(0.02)
        outcome = await line.transact(read_request(1, 100, 4))
        assert registers(outcome) == values_at(1, "holding_register", 100, 4)
        assert (line.seen.foreign_requests, line.seen.stray_frames) == (1, 2)

    meet(play)


def test_an_answer_that_follows_another_masters_question_is_refused() -> None:
    """Both come while we wait for ours: it may be theirs."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        asked = framed(1, read_request(1, 500, 4).pdu)
        wire.fault = Garbage(before=asked)
        outcome = await line.transact(read_request(1, 100, 4))
        assert outcome.error is LineError.OTHER_MASTER
        outcome = await line.transact(read_request(1, 100, 4))
        assert registers(outcome) == values_at(1, "holding_register", 100, 4)

    meet(play)


def test_another_masters_question_to_another_unit_costs_nothing() -> None:
    """Nothing there can be confused with our answer."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        wire.fault = Garbage(before=framed(2, read_request(2, 500, 4).pdu))
        outcome = await line.transact(read_request(1, 100, 4))
        assert registers(outcome) == values_at(1, "holding_register", 100, 4)

    meet(play)


def test_another_master_is_heeded_after_a_late_answer_was_awaited_in_vain() -> None:
    """It asks what we were denied once, long after that can still be answered."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        wire.fault = Silent()
        assert (await line.transact(read_request(1, 0, 4))).error is LineError.TIMEOUT
        await asyncio.sleep(0.5)
        wire.ask(loop_ns(), framed(1, read_request(1, 500, 4).pdu))
        await asyncio.sleep(0.001)
        outcome = await line.transact(read_request(1, 100, 4))
        assert registers(outcome) == values_at(1, "holding_register", 100, 4)
        assert line.seen.foreign_requests == 1

    meet(play, baud=115_200)


@pytest.mark.parametrize("lost", [True, False])
def test_another_masters_question_to_a_third_holds_back_ours_to_it(lost: bool) -> None:
    """It is heard while we wait for unit 1, and unit 2 answers it when our own question to 2 is just out."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        await line.transact(read_request(1, 0, 4))
        wire.foreign = Foreign((98 if lost else 2) * MS, framed(2, read_request(2, 500, 4).pdu))
        wire.fault = Silent() if lost else Fault()
        assert (await line.transact(read_request(1, 100, 4))).error == (
            LineError.WRONG_UNIT if lost else None
        )
        outcome = await line.transact(read_request(2, 100, 4))
        assert registers(outcome) == values_at(2, "holding_register", 100, 4)
        assert line.seen.foreign_requests == 1

    meet(play, baud=115_200)


def test_another_masters_write_is_not_taken_for_the_answer_to_ours() -> None:
    """It looks like an answer; ours, a refusal, comes after it, and must not be the next write's."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        await line.transact(read_request(1, 0, 4))
        wire.foreign = Foreign(MS, framed(1, write_register(1, 500, 7).pdu), "after")
        outcome = await line.transact(write_register(1, 0xFFF0, 8))
        assert outcome.error is LineError.OTHER_MASTER
        assert (await line.transact(write_register(1, 100, 9))).error is None
        assert registers(await line.transact(read_request(1, 100, 1))) == [9]

    meet(play, baud=115_200)


@pytest.mark.parametrize(("echo", "learnt"), [(False, True), (True, True), (False, False)])
def test_another_master_may_ask_the_very_same(echo: bool, learnt: bool) -> None:
    """It looks like an echo; the device answers both, and the second answer is not the next read's."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        wire.echo = echo
        if learnt:
            await line.transact(read_request(1, 0, 4))
        wire.foreign = Foreign(MS, framed(1, read_request(1, 100, 4).pdu), "after")
        outcome = await line.transact(read_request(1, 100, 4))
        assert registers(outcome) == values_at(1, "holding_register", 100, 4)
        outcome = await line.transact(read_request(1, 200, 4))
        assert registers(outcome) == values_at(1, "holding_register", 200, 4)

    meet(play, baud=115_200)


def test_a_write_whose_echo_is_wrong_is_not_done() -> None:
    """The device repeats another value than was written."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        await line.transact(read_request(1, 0, 4))
        wire.fault = Instead(added=1)
        assert (await line.transact(write_register(1, 100, 9))).error is LineError.WRONG_ECHO

    meet(play)


def test_a_reopened_port_forgets_its_adapter_and_not_its_late_answers() -> None:
    """Whatever was asked before the unplugging may still be answered after it."""

    async def play(line: VirtualLine, wire: FaultyWire) -> None:
        wire.echo = True
        await line.transact(read_request(1, 0, 4))
        wire.fault = Late(int(TIMEOUT_S * 1e9) + 72 * MS)
        assert (await line.transact(read_request(1, 100, 4))).error is LineError.TIMEOUT
        line._machine.reopened(line._machine._timing)
        assert echoes(line) is None
        outcome = await line.transact(read_request(1, 200, 4))
        assert registers(outcome) == values_at(1, "holding_register", 200, 4)

    meet(play)


def test_a_frame_of_a_unit_that_cannot_be_is_noise() -> None:
    """Unit ids end at 247."""
    request = read_request(9, 500, 4).pdu
    assert [frame.unit_id for frame in Rtu().frames(framed(247, request))] == [247]
    assert list(Rtu().frames(framed(248, request))) == []
