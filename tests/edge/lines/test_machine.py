"""The line machine on virtual time: exact on a sound wire, never wrong on a faulty one."""

import asyncio
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from device_profiles.schema import Table
from edge.drivers.modbus_pdu import read_answer, write_request
from edge.lines.crc import crc16, framed
from edge.lines.line import LineError, Outcome, Request
from edge.lines.machine import LineMachine
from edge.lines.steps import Action, Begin, Done, Event, Pause, ReadUntil, Received, Write, Wrote
from edge.lines.timing import Timing
from simulators.addressed import ADDRESSES, addressed_bus, value_at, values_at
from simulators.faults import (
    MS,
    Cut,
    Fault,
    Flipped,
    Garbage,
    Instead,
    Late,
    Silent,
    Stray,
    Twice,
)
from simulators.faulty_wire import FaultyWire
from simulators.virtual_loop import run_virtually
from simulators.wire import characters_ns, silence_ns
from tests.edge.support import loop_ns, read_request, registers, strict_wire, virtual_line

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
TIMEOUT_S = 0.1
LATE_ANSWER_NS = 200 * MS
ADDRESS_REFUSED = 0xFFF0
DEAD = 3


@pytest.mark.parametrize("baud", BAUDS)
def test_values_are_right_the_silence_is_kept_and_the_wire_is_full(baud: int) -> None:
    """Of the time that 200 transactions take, the wire itself needs all but half a percent."""
    turnaround_ns = 5 * MS

    async def play() -> None:
        wire = strict_wire(addressed_bus(1, 2), baud)
        line = virtual_line(wire, baud)
        needed_ns = 0
        for index in range(200):
            unit_id, address, count = 1 + index % 2, 7 * index, 1 + index % 12
            outcome = await line.transact(read_request(unit_id, address, count))
            assert registers(outcome) == values_at(unit_id, "holding_register", address, count)
            needed_ns += characters_ns(8 + 5 + 2 * count, baud, "N", 1) + turnaround_ns
            needed_ns += silence_ns(baud, "N", 1)
        assert (wire.silence_violations, wire.collisions, wire.requests) == (0, 0, 200)
        assert 0.995 <= needed_ns / loop_ns() <= 1

    run_virtually(play())


def test_callers_wait_for_each_other_and_keep_their_order() -> None:
    """Fifty callers at once are served one after the other, as they came, each with its own values."""

    async def play() -> None:
        wire = strict_wire(addressed_bus(1, 2, 3), 9600)
        line = virtual_line(wire, 9600)
        order: list[int] = []

        async def call(index: int) -> None:
            outcome = await line.transact(read_request(1 + index % 3, index, 5))
            assert registers(outcome) == values_at(1 + index % 3, "holding_register", index, 5)
            order.append(index)

        await asyncio.gather(*(call(index) for index in range(50)))
        assert order == list(range(50))
        assert (wire.silence_violations, wire.collisions) == (0, 0)

    run_virtually(play())


@pytest.mark.parametrize("parity", ["N", "E"])
def test_a_dead_unit_costs_its_timeout_and_not_more(parity: Literal["N", "E"]) -> None:
    """Request, timeout, five characters: then the error is there, and the next unit is asked at once."""
    character_ns = characters_ns(1, 9600, parity, 1)

    async def play() -> None:
        line = virtual_line(strict_wire(addressed_bus(1), 9600, parity), 9600, parity)
        await line.transact(read_request(1, 0, 1))
        began_ns = loop_ns()
        outcome = await line.transact(read_request(9, 0, 10, timeout_s=0.25))
        assert (outcome.pdu, outcome.error) == (None, LineError.TIMEOUT)
        spent_ns = loop_ns() - began_ns
        assert spent_ns == pytest.approx((7 / 2 + 8 + 5) * character_ns + 250 * MS, abs=10_000)

        began_ns = loop_ns()
        assert registers(await line.transact(read_request(1, 4, 1))) == [value_at(1, "holding_register", 4)]
        assert loop_ns() - began_ns == pytest.approx((8 + 7) * character_ns + 5 * MS, abs=10_000)

    run_virtually(play())


def test_an_exception_is_taken_at_its_fifth_byte() -> None:
    """It is an answer, and nobody waits for the longer frame that was hoped for."""
    character_ns = characters_ns(1, 9600, "N", 1)

    async def play() -> None:
        line = virtual_line(strict_wire(addressed_bus(1), 9600), 9600)
        outcome = await line.transact(read_request(1, 0xFFFF, 1))
        assert (outcome.pdu, outcome.error) == (b"\x83\x02", None)
        assert outcome.done_ns == pytest.approx((7 / 2 + 8 + 5) * character_ns + 5 * MS, abs=10_000)

    run_virtually(play())


def test_what_answered_well_is_awaited_whole_until_it_fails() -> None:
    """One wake-up a transaction; a harmed answer makes the machine look at the head of the next again."""
    machine = LineMachine(Timing.of(9600, "N", 1))
    request = read_request(1, 0, 10)
    answer = framed(1, bytes([3, 20]) + bytes(20))
    wanted, now_ns = [], 0
    for reply in (answer, answer, answer[:-1] + b"x", answer, answer):
        action = machine.step(Begin(request), now_ns)
        while isinstance(action, Pause):
            action = machine.step(Received(b""), action.until_ns)
            now_ns += 400 * MS
        action = machine.step(Wrote(), now_ns)
        assert isinstance(action, ReadUntil)
        wanted.append(action.count)
        now_ns += 50 * MS
        action = machine.step(Received(reply), now_ns)
        while isinstance(action, ReadUntil):
            now_ns = action.until_ns
            action = machine.step(Received(b""), now_ns)
    assert wanted == [2, 25, 25, 2, 25]


def test_a_runner_that_waited_for_the_silence_may_send_at_once() -> None:
    """Only if nothing came meanwhile and nothing more is to be waited for."""
    timing = Timing.of(9600, "N", 1)
    silence_ns = timing.silence_ns

    def begun(came: bytes | None, quiet_ns: int, *, pause_s: float = 0) -> Action:
        """Begin so long after an answer."""
        machine = LineMachine(timing)
        action = machine.step(Begin(read_request(1, 0, 1)), 0)
        assert isinstance(action, Pause)
        assert isinstance(machine.step(Received(b""), action.until_ns), Write)
        machine.step(Wrote(), 10 * MS)
        machine.step(Received(framed(1, b"\x03\x02\x00\x07")[:2]), 50 * MS)
        done = machine.step(Received(framed(1, b"\x03\x02\x00\x07")[2:]), 50 * MS)
        assert isinstance(done, Done)
        assert done.outcome.error is None
        assert machine.silent_from_ns == 50 * MS + silence_ns
        request = replace(read_request(1, 0, 1), pause_s=pause_s)
        return machine.step(Begin(request, came), 50 * MS + quiet_ns)

    assert isinstance(begun(b"", silence_ns), Write)
    assert begun(b"", silence_ns - 1) == Pause(50 * MS + silence_ns)
    assert begun(None, silence_ns) == Pause(50 * MS + silence_ns)
    assert begun(b"\x55", silence_ns) == Pause(50 * MS + 2 * silence_ns)
    assert begun(b"", silence_ns, pause_s=0.1) == Pause(150 * MS + silence_ns)


def test_an_answer_is_looked_for_just_before_it_is_whole() -> None:
    """Each device has its pace. One that has grown faster is followed soon; a hiccup changes little."""
    timing = Timing.of(9600, "N", 1)
    machine, now_ns = LineMachine(timing), 0
    request = read_request(1, 0, 10)
    answer = framed(1, bytes([3, 20]) + bytes(20))

    def asked(turnaround_ns: int, hiccup_ns: int = 0) -> int:
        """Return how long before the answer is whole it is looked for; negative: after it."""
        nonlocal now_ns
        action = machine.step(Begin(request), now_ns)
        while isinstance(action, Pause):
            now_ns = max(now_ns, action.until_ns)
            action = machine.step(Received(b""), now_ns)
        action = machine.step(Wrote(), now_ns)
        assert isinstance(action, ReadUntil)
        sent_ns = now_ns + 8 * timing.character_ns
        whole_ns = sent_ns + turnaround_ns + len(answer) * timing.character_ns
        early_ns = whole_ns - action.from_ns
        now_ns = max(whole_ns, action.from_ns) + hiccup_ns
        action = machine.step(Received(answer, waited=early_ns > 0), now_ns)
        assert isinstance(action, Done)
        assert action.outcome.pdu == answer[1:-2]
        return early_ns

    for turnaround_ns in (5 * MS, 20 * MS, 3 * MS):
        for _ in range(60):
            asked(turnaround_ns)
        found = [asked(turnaround_ns) for _ in range(60)]
        assert -timing.character_ns // 4 <= min(found)
        assert max(found) <= 3 * timing.character_ns
    asked(3 * MS, hiccup_ns=50 * MS)
    assert min(asked(3 * MS) for _ in range(5)) >= -timing.character_ns


def test_an_exception_after_garbage_that_looks_like_a_beginning_costs_no_timeout() -> None:
    """The machine asks for as many bytes as the earliest possible frame needs."""

    async def play() -> None:
        wire = FaultyWire(addressed_bus(1), 9600)
        line = virtual_line(wire, 9600)
        wire.fault = Garbage(before=bytes.fromhex("01 03 14"))
        outcome = await line.transact(read_request(1, ADDRESS_REFUSED, 10, timeout_s=0.5))
        assert outcome.pdu == b"\x83\x02"
        assert outcome.done_ns < 100 * MS

    run_virtually(play())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Silent(), LineError.TIMEOUT),
        (Flipped(frozenset({50})), LineError.GARBLED),
        (Cut(4), LineError.GARBLED),
        (Cut(1, at_start=True), LineError.GARBLED),
        (Instead(unit_id=2), LineError.WRONG_UNIT),
        (Late(int(TIMEOUT_S * 1e9) + 60 * MS), LineError.TIMEOUT),
        (Garbage(before=b"\0"), None),
        (Garbage(before=bytes(range(30))), None),
        (Garbage(after=b"\xff\0\x01\x03"), None),
        (Twice(0), None),
        (Twice(2), None),
        (Late(60 * MS), None),
    ],
)
def test_a_fault_has_its_name_and_the_next_transaction_is_healthy(
    fault: Fault, error: LineError | None
) -> None:
    """The next request is the most confusable there is: same unit, function and count, another address."""

    async def play() -> None:
        wire = FaultyWire(addressed_bus(1), 9600)
        line = virtual_line(wire, 9600)
        wire.fault = fault
        outcome = await line.transact(read_request(1, 100, 10))
        assert outcome.error == error
        if error is None:
            assert registers(outcome) == values_at(1, "holding_register", 100, 10)
        following = await line.transact(read_request(1, 200, 10))
        assert registers(following) == values_at(1, "holding_register", 200, 10)
        assert (wire.silence_violations, wire.collisions) == (0, 0)

    run_virtually(play())


def _after_a_late_answer(late_answer_s: float, late_ns: int, *, between: bool = False) -> list[int]:
    """Return the registers at 200 that are read after the answer to a read of 100 was given up."""

    async def play() -> list[int]:
        wire = FaultyWire(addressed_bus(1, 2, turnaround_ms=30), 9600)
        line = virtual_line(wire, 9600, late_answer_s=late_answer_s)
        wire.fault = Late(int(TIMEOUT_S * 1e9) + late_ns)
        assert (await line.transact(read_request(1, 100, 4))).error is LineError.TIMEOUT
        if between:
            await line.transact(read_request(2, 0, 4))
        return registers(await line.transact(read_request(1, 200, 4, timeout_s=0.5)))

    return run_virtually(play())


@pytest.mark.parametrize(("between", "late_ms"), [(False, 15), (True, 72), (False, 150), (True, 150)])
def test_a_late_answer_is_not_taken_for_the_next_ones(between: bool, late_ms: int) -> None:
    """Nor is it when another unit is asked in between.

    15 and 72 ms are when it would come just after the second read, if that were not held back.
    """
    right = values_at(1, "holding_register", 200, 4)
    assert _after_a_late_answer(0.2, late_ms * MS, between=between) == right


def test_without_the_rest_for_late_answers_a_wrong_value_would_come_out() -> None:
    """This shows that the test above tests something, and what an answer later than the bound does."""
    wrong = values_at(1, "holding_register", 100, 4)
    # It begins when the next request is just out: five characters of the timeout, eight of the request.
    late_ns = characters_ns(14, 9600, "N", 1)
    assert _after_a_late_answer(0, late_ns) == wrong
    assert _after_a_late_answer(0.2, LATE_ANSWER_NS + late_ns) == wrong


def test_an_exception_that_comes_late_is_not_taken_for_another_reads() -> None:
    """Exceptions of one unit and function look alike, whatever the length of the read."""

    async def play() -> None:
        wire = FaultyWire(addressed_bus(1, turnaround_ms=30), 9600)
        line = virtual_line(wire, 9600)
        wire.fault = Late(int(TIMEOUT_S * 1e9) + 15 * MS)
        assert (await line.transact(read_request(1, ADDRESS_REFUSED, 10))).error is LineError.TIMEOUT
        assert registers(await line.transact(read_request(1, 3, 2))) == values_at(1, "holding_register", 3, 2)

    run_virtually(play())


def test_a_long_hold_is_refused_and_leaves_the_line_to_others() -> None:
    """A device whose answers may be five seconds late costs nobody else those five seconds.

    When the late answer has come, nothing is held back any more.
    """

    async def play() -> None:
        wire = FaultyWire(addressed_bus(1, 2), 9600)
        line = virtual_line(wire, 9600, late_answer_s=5)
        wire.fault = Late(3000 * MS)
        assert (await line.transact(read_request(1, 100, 4))).error is LineError.TIMEOUT
        began_ns = loop_ns()
        assert (await line.transact(read_request(1, 200, 4))).error is LineError.HELD_BACK
        assert registers(await line.transact(read_request(2, 7, 4))) == values_at(2, "holding_register", 7, 4)
        assert loop_ns() - began_ns < 100 * MS
        await asyncio.sleep(3.2)
        outcome = await line.transact(read_request(1, 200, 4))
        assert registers(outcome) == values_at(1, "holding_register", 200, 4)
        assert line.seen.stray_frames == 1

    run_virtually(play())


def test_a_caller_that_gives_up_half_way_leaves_no_answer_for_the_next() -> None:
    """What was asked for it is treated like a late answer."""

    async def play() -> None:
        wire = FaultyWire(addressed_bus(1, turnaround_ms=30), 9600)
        line = virtual_line(wire, 9600)
        wire.fault = Late(40 * MS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.03):
                await line.transact(read_request(1, 100, 4))
        assert registers(await line.transact(read_request(1, 200, 4))) == values_at(
            1, "holding_register", 200, 4
        )

    run_virtually(play())


def test_a_caller_that_gives_up_has_no_longer_to_wait_than_from_the_timeout() -> None:
    """At 1200 baud an echo lets a long answer's end be awaited for long, but not its beginning."""

    async def play() -> None:
        wire = FaultyWire(addressed_bus(1), 1200)
        wire.echo = True
        line = virtual_line(wire, 1200)
        wire.fault = Silent()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.18):
                await line.transact(read_request(1, 100, 40))
        assert registers(await line.transact(read_request(1, 200, 4))) == values_at(
            1, "holding_register", 200, 4
        )

    run_virtually(play())


def test_a_slow_lines_longest_answer_is_no_noise_when_it_comes_late() -> None:
    """At 1200 baud it takes over two seconds; the next unit is asked after it."""

    async def play() -> None:
        wire = FaultyWire(addressed_bus(1, 2), 1200)
        line = virtual_line(wire, 1200)
        wire.fault = Late(int(TIMEOUT_S * 1e9) + 60 * MS)
        assert (await line.transact(read_request(1, 100, 125))).error is LineError.TIMEOUT
        await asyncio.sleep(0.05)
        assert registers(await line.transact(read_request(2, 200, 4))) == values_at(
            2, "holding_register", 200, 4
        )

    run_virtually(play())


def test_an_answer_that_trickles_cannot_hold_the_line() -> None:
    """Noise of a byte every 20 ms ends with the timeout, a whole answer's time and the slack."""
    machine = LineMachine(Timing.of(9600, "N", 1))
    action = machine.step(Begin(read_request(1, 0, 10)), 0)
    assert isinstance(action, Pause)
    action = machine.step(Received(b""), action.until_ns)
    assert isinstance(action, Write)
    sent_ns = now_ns = 10 * MS
    action = machine.step(Wrote(), now_ns)
    while isinstance(action, ReadUntil):
        now_ns = min(now_ns + 20 * MS, action.until_ns)
        action = machine.step(Received(b"\x55"), now_ns)
    assert isinstance(action, Done)
    assert (action.outcome.pdu, action.outcome.error) == (None, LineError.GARBLED)
    bound_ns = int(TIMEOUT_S * 1e9) + characters_ns(8 + 25, 9600, "N", 1) + 30 * MS
    assert now_ns - sent_ns <= bound_ns


def test_a_line_that_never_falls_silent_is_told_apart() -> None:
    """After half a second of noise nothing was sent, and the outcome says so."""
    machine = LineMachine(Timing.of(9600, "N", 1))
    action = machine.step(Begin(read_request(1, 0, 1)), 0)
    now_ns = 0
    while isinstance(action, Pause):
        now_ns = action.until_ns
        action = machine.step(Received(b"\x00\x55"), now_ns)
    assert action == Done(Outcome(None, LineError.NOISE, now_ns))
    assert 500 * MS <= now_ns <= 510 * MS
    assert machine.seen.stray_bytes > 100


def test_the_length_in_an_answer_must_be_the_one_asked_for() -> None:
    """The echo of a read of 24 bits is a sound frame as long as its answer, and is not taken for it."""

    async def play() -> None:
        wire = FaultyWire(addressed_bus(1), 9600)
        line = virtual_line(wire, 9600)
        request = read_request(1, 8, 24, table="coil")
        wire.fault = Garbage(before=framed(1, request.pdu))
        outcome = await line.transact(request)
        assert outcome.pdu is not None
        assert list(read_answer("coil", 24, outcome.pdu)) == values_at(1, "coil", 8, 24)

    run_virtually(play())


def test_writes_arrive_and_read_back() -> None:
    """Single and multiple registers, and a coil."""

    async def play() -> None:
        line = virtual_line(strict_wire(addressed_bus(1), 9600), 9600)
        writes: list[tuple[Table, list[int]]] = [
            ("holding_register", [7]),
            ("holding_register", [8, 9, 10]),
            ("coil", [1 - value_at(1, "coil", 30)]),
        ]
        await line.transact(read_request(1, 30, 1))  # shows that the adapter does not echo
        for table, words in writes:
            pdu, answer_bytes = write_request(table, 30, words)
            outcome = await line.transact(Request(1, pdu, answer_bytes, TIMEOUT_S))
            assert outcome.pdu == pdu[:5]
            back = await line.transact(read_request(1, 30, len(words), table=table))
            assert back.pdu is not None
            assert list(read_answer(table, len(words), back.pdu)) == words

    run_virtually(play())


def test_a_closed_line_is_unavailable() -> None:
    """Closing waits for the transaction under way, and nothing is sent after it."""

    async def play() -> None:
        wire = strict_wire(addressed_bus(1), 9600)
        line = virtual_line(wire, 9600)
        under_way = asyncio.create_task(line.transact(read_request(1, 0, 1)))
        await asyncio.sleep(0.006)
        await line.close()
        assert under_way.done()
        assert registers(under_way.result()) == [value_at(1, "holding_register", 0)]
        assert (await line.transact(read_request(1, 0, 1))).error is LineError.UNAVAILABLE
        assert wire.requests == 1

    run_virtually(play())


# --- campaigns ---------------------------------------------------------------------------------------

garbage = st.binary(max_size=12) | st.sampled_from(
    [b"\0", b"\xff", b"\x01", b"\x01\x03", b"\x01\x83", b"\x02\x03\x14"]
)
harmless = (
    st.just(Fault())
    | st.builds(Garbage, before=garbage, after=garbage)
    | st.builds(Twice, st.integers(0, 2))
    | st.builds(Late, st.integers(1, 95).map(lambda ms: ms * MS))
    | st.builds(Stray, st.integers(10 * MS, 60 * MS))
)
harmful = (
    st.just(Silent())
    | st.builds(Flipped, st.frozensets(st.integers(0, 2_000), min_size=1, max_size=3))
    | st.builds(Cut, st.integers(1, 30), st.booleans())
    | st.builds(Instead, unit_id=st.sampled_from([1, 2, 3, 200]))
)
late = st.builds(Late, st.integers(101 * MS, 300 * MS))
faults = st.one_of(st.just(Fault()), harmless, harmful, late)
tables = st.sampled_from(["holding_register", "holding_register", "input_register", "coil"])
reads = st.tuples(
    st.sampled_from([1, 1, 2, 3]), tables, st.integers(0, 2_005), st.sampled_from([1, 2, 2, 10]), faults
)


@settings(max_examples=120, deadline=None)
@example(
    9600, [(1, "holding_register", 0, 1, Late(113_542_658)), (2, "holding_register", 0, 1, Stray(10 * MS))]
)
@given(st.sampled_from([1200, 9600, 115200]), st.lists(reads, min_size=1, max_size=15))
def test_whatever_the_wire_does_no_wrong_value_comes_out(
    baud: int, steps: list[tuple[int, Table, int, int, Fault]]
) -> None:
    """Two units live, a third is dead; some addresses are refused.

    A read that suffers no harm is answered, whatever befell those before it; only where a late answer of
    another unit falls upon it, which nobody on a shared wire can prevent, may it fail.
    """

    async def play() -> None:
        wire = FaultyWire(addressed_bus(1, 2), baud)
        line = virtual_line(wire, baud)
        for unit_id, table, address, count, fault in steps:
            wire.fault = fault
            disturbances, began_ns = wire.collisions + wire.overlaps, loop_ns()
            request = read_request(unit_id, address, count, table=table, timeout_s=TIMEOUT_S)
            outcome = await line.transact(request)
            assert loop_ns() - began_ns <= _longest_ns(baud, request)
            disturbed = wire.collisions + wire.overlaps > disturbances
            if isinstance(fault, Stray) and disturbed:
                pass  # the answer was lost, and a foreign frame of its very form came in its place
            elif outcome.pdu is not None:
                _assert_right(outcome.pdu, unit_id, table, address, count)
            elif unit_id != DEAD and _harmless(fault):
                assert disturbed, outcome.error
            if isinstance(fault, Stray):
                await asyncio.sleep((fault.gap_ns + 3 * characters_ns(1, baud, "N", 1)) / 1e9)
        assert wire.silence_violations == 0

    run_virtually(play())


def _harmless(fault: Fault) -> bool:
    if isinstance(fault, Late):
        return fault.late_ns < TIMEOUT_S * 1e9
    return not isinstance(fault, Silent | Flipped | Cut | Instead)


def _longest_ns(baud: int, request: Request) -> float:
    """Return the rest for late answers, the wait for silence, and what ``test_..._trickles`` states."""
    timing = Timing.of(baud, "N", 1)
    characters = (len(request.pdu) + 3 + request.answer_bytes + 3) * timing.character_ns
    waits = timing.late_answer_ns + timing.settle_limit_ns + 2 * timing.silence_ns
    return waits + characters + request.timeout_s * 1e9 + timing.slack_ns + MS


def _assert_right(pdu: bytes, unit_id: int, table: Table, address: int, count: int) -> None:
    if address + count > ADDRESSES:
        assert pdu[0] & 0x80
        assert pdu[1] == 2
    else:
        assert list(read_answer(table, count, pdu)) == values_at(unit_id, table, address, count)


@settings(max_examples=300, deadline=None)
@given(
    st.data(),
    st.sampled_from([1200, 115200]),
    st.lists(st.binary(max_size=40) | st.sampled_from([b"\x01", b"\x01\x03\x04", b"\x01\x83"]), max_size=60),
    st.sampled_from([b"\x03\0\x10\0\x02", b"\x01\0\x10\0\x02", b"\x05\0\0\xff\0", b"\x2b\x0e\x01\0"]),
    st.integers(2, 253),
)
def test_any_bytes_at_any_time_end_in_an_outcome_within_bounded_steps(
    data: st.DataObject, baud: int, chunks: list[bytes], pdu: bytes, answer_bytes: int
) -> None:
    """The machine never raises; an answer that comes out is a sound frame of the unit and function."""
    machine = LineMachine(Timing.of(baud, "N", 1))
    event: Event = Begin(Request(1, pdu, answer_bytes, TIMEOUT_S))
    now_ns, heard = 0, b""
    for _ in range(STEPS_MAX):
        action = machine.step(event, now_ns)
        match action:
            case Done(outcome):
                break
            case Write():
                event, heard = Wrote(), b""
            case Pause(until_ns) | ReadUntil(_, until_ns):
                chunk = chunks.pop() if chunks else b""
                early = chunk and isinstance(action, ReadUntil)
                now_ns = data.draw(st.integers(min(now_ns, until_ns), until_ns)) if early else until_ns
                heard += chunk
                event = Received(chunk)
    assert isinstance(action, Done)
    assert (outcome.pdu is None) != (outcome.error is None)
    if outcome.pdu is not None:
        assert outcome.pdu[0] & 0x7F == pdu[0]
        assert framed(1, outcome.pdu) in heard


STEPS_MAX = 400


@given(st.binary(min_size=1, max_size=253), st.integers(1, 247))
def test_a_framed_pdu_has_the_right_checksum(pdu: bytes, unit_id: int) -> None:
    """The CRC over a whole frame is 0, and one flipped bit makes it something else."""
    frame = framed(unit_id, pdu)
    assert crc16(frame) == 0
    assert crc16(bytes([frame[0] ^ 1]) + frame[1:]) != 0


def test_the_checksum_is_the_vendors() -> None:
    """Frames as manuals print them."""
    for text in ("01 03 01 F4 00 0B 44 03", "01 05 02 00 00 07 8D B0", "50 03 00 3D 00 03 99 86"):
        frame = bytes.fromhex(text)
        assert framed(frame[0], frame[1:-2]) == frame
