"""The strict slave judges its master: what came too early is counted and not answered."""

import asyncio
import os
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.slave_process import ANSWER_BYTES, Slave, Wire, slave
from bench.strict_slave import REGISTERS, Answer, Pace, StrictSlave
from edge.lines.crc import crc16, framed
from edge.lines.timing import Timing

PACE = Pace.of(9600, 10, 5_000_000)
ON_A_PORT = Pace.of(9600, 10, 5_000_000, self_paced=True)
ATTEMPTS_MAX = 50
ROOT = Path(__file__).parents[2]


def request(unit_id: int, count: int = REGISTERS) -> bytes:
    """Return a read of holding registers from 0."""
    return framed(unit_id, bytes([3, 0, 0, 0, count]))


def asked(strict: StrictSlave, data: bytes, at_ns: int, *, looked_ns: int | None = None) -> Answer | None:
    """Let bytes be found at a moment, by a slave that looked just before."""
    return strict.take(data, at_ns - 1 if looked_ns is None else looked_ns, at_ns)


def answered_at(strict: StrictSlave, pace: Pace, at_ns: int) -> int:
    """Ask unit 1 and let it answer to the clock; return when the answer's last bit left."""
    answer = asked(strict, request(1), at_ns)
    assert answer
    end_ns = answer.from_ns + ANSWER_BYTES * pace.character_ns
    strict.answered(answer, end_ns)
    return end_ns


def test_the_pace_is_the_masters() -> None:
    """Slave and line count the same nanoseconds for a character and for the silence, at every setting."""
    for baud in (1200, 9600, 19200, 38400, 115200):
        for parity, stop_bits in (("N", 1), ("E", 1), ("N", 2)):
            bits = Wire(parity=parity, stop_bits=stop_bits).bits  # type: ignore[arg-type]
            pace = Pace.of(baud, bits, 0)
            timing = Timing.of(baud, parity, stop_bits)  # type: ignore[arg-type]
            assert (pace.character_ns, pace.silence_ns) == (timing.character_ns, timing.silence_ns)


def test_a_request_after_the_silence_is_answered_with_what_the_unit_holds() -> None:
    """Its answer begins a turnaround after its last bit, and names unit and register in every value."""
    strict = StrictSlave(PACE)
    answer = asked(strict, request(40), 10**9)
    assert answer
    assert answer.from_ns == 10**9 + 8 * PACE.character_ns + PACE.turnaround_ns
    assert crc16(answer.frame) == 0
    values = [int.from_bytes(answer.frame[at : at + 2]) for at in range(3, ANSWER_BYTES - 2, 2)]
    assert values == [40 * 256 + register for register in range(REGISTERS)]


@pytest.mark.parametrize("pace", [PACE, ON_A_PORT])
def test_a_nanosecond_of_silence_too_little_is_a_violation_and_not_heard(pace: Pace) -> None:
    """There is no tolerance; the very same request a nanosecond later is answered."""
    for missing_ns in (0, 1):
        strict = StrictSlave(pace)
        end_ns = answered_at(strict, pace, 10**9)
        # On a port bytes are found when they have arrived whole, and they began that much earlier.
        taken_ns = 8 * pace.character_ns if pace.self_paced else 0
        again = asked(strict, request(2), end_ns + pace.silence_ns + taken_ns - missing_ns)
        assert strict.seen.silence_violations == missing_ns
        assert (again is None) == bool(missing_ns)
        assert strict.seen.shortest_gap_ns == pace.silence_ns - missing_ns


def test_a_request_into_an_answer_is_a_violation() -> None:
    """The end of the answer counts, as late as it really was."""
    strict = StrictSlave(PACE)
    answer = asked(strict, request(1), 10**9)
    assert answer
    late_ns = answer.from_ns + ANSWER_BYTES * PACE.character_ns + 3_000_000
    strict.answered(answer, late_ns)
    assert asked(strict, request(2), late_ns + PACE.silence_ns - 1_000_000) is None
    assert strict.seen.silence_violations == 1
    assert strict.seen.answers_late_ns == 3_000_000


def test_a_request_after_one_that_nobody_answers_needs_its_silence_too() -> None:
    """The dead unit's request itself was on the wire."""
    strict = StrictSlave(PACE)
    strict.dead = frozenset({7})
    assert asked(strict, request(7), 10**9) is None
    over_ns = 10**9 + 8 * PACE.character_ns
    assert asked(strict, request(8), over_ns + PACE.silence_ns - 1) is None
    assert (strict.seen.unanswered, strict.seen.silence_violations) == (1, 1)


def test_a_lenient_slave_counts_and_answers_all_the_same() -> None:
    """So that a master without silences can be measured at all."""
    lenient = StrictSlave(PACE, strict=False)
    end_ns = answered_at(lenient, PACE, 10**9)
    assert asked(lenient, request(2), end_ns + 1)
    assert lenient.seen.silence_violations == 1


def test_a_slave_that_was_kept_from_looking_is_not_sure() -> None:
    """A request that may have come during its absence is heard, and counted apart."""
    strict = StrictSlave(PACE)
    end_ns = answered_at(strict, PACE, 10**9)
    found_ns = end_ns + PACE.silence_ns + 500_000
    assert asked(strict, request(2), found_ns, looked_ns=end_ns + PACE.silence_ns - 1)
    assert (strict.seen.silence_violations, strict.seen.silences_unsure) == (0, 1)


def test_a_request_may_come_in_parts() -> None:
    """An adapter hands on what it has; a beginning whose rest never came is dropped with the next silence."""
    strict = StrictSlave(ON_A_PORT)
    assert asked(strict, request(3)[:5], 10**9) is None
    last_ns = 10**9 + 3 * ON_A_PORT.character_ns
    answer = asked(strict, request(3)[5:], last_ns)
    assert answer
    assert answer.from_ns == last_ns + ON_A_PORT.turnaround_ns
    strict.answered(answer, answer.from_ns + ANSWER_BYTES * ON_A_PORT.character_ns)
    assert asked(strict, request(4)[:5], 2 * 10**9) is None
    assert asked(strict, request(4), 3 * 10**9)
    assert (strict.seen.malformed, strict.seen.requests) == (1, 3)


def test_what_is_no_request_is_not_answered() -> None:
    """A wrong checksum, a unit that is not there, too many registers."""
    strict = StrictSlave(PACE)
    strangers = [request(1)[:-1] + b"\x00", request(41), request(1, REGISTERS + 1), request(1) * 2]
    for number, data in enumerate(strangers, start=1):
        assert asked(strict, data, number * 10**9) is None
        assert strict.seen.malformed == number


def exchanged(descriptor: int, unit_id: int) -> bytes:
    """Ask and return what came within a second, up to a whole answer."""
    os.write(descriptor, request(unit_id))
    data, until_s = b"", time.monotonic() + 1
    while len(data) < ANSWER_BYTES and time.monotonic() < until_s:
        try:
            data += os.read(descriptor, 256)
        except BlockingIOError:
            time.sleep(0.001)
    return data


@contextmanager
def opened(path: str) -> Iterator[int]:
    """Open a pty's end, raw and without blocking."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        tty.setraw(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def test_the_process_answers_the_patient_and_not_the_hasty() -> None:
    """On a pty, in its own process: with silences nothing is violated; without, violations are counted."""
    with slave(Wire(), 9600) as patient, opened(patient.port) as descriptor:
        for unit_id in (1, 40):
            assert exchanged(descriptor, unit_id)[:2] == bytes([unit_id, 3])
            time.sleep(0.02)  # longer than the silence, however much longer
    assert (patient.seen.answered, patient.seen.silence_violations) == (2, 0)
    with slave(Wire(), 9600) as hasty, opened(hasty.port) as descriptor:
        # A busy machine may make even the hasty late, but not always.
        all(len(exchanged(descriptor, 1)) == ANSWER_BYTES for _ in range(ATTEMPTS_MAX))
    assert hasty.seen.silence_violations >= 1
    assert hasty.seen.answered + hasty.seen.silence_violations == hasty.seen.requests


def test_units_die_and_come_back_on_order() -> None:
    """From the order on, and others answer all the while."""

    async def play(target: Slave, descriptor: int) -> None:
        for dead in ([5, 6], [], [5]):
            before_s = time.monotonic()
            at_s = await target.let_be_dead(dead)
            assert before_s <= at_s <= time.monotonic()
            for unit_id in (5, 7):
                await asyncio.sleep(0.02)
                assert bool(exchanged(descriptor, unit_id)) == (unit_id not in dead)

    with slave(Wire(), 115200) as target, opened(target.port) as descriptor:
        asyncio.run(play(target, descriptor))
    assert target.seen.unanswered == 2
    assert [unit_id for unit_id, _ in target.seen.answers] == [7, 5, 7, 7]


def test_the_process_ends_with_its_standard_input() -> None:
    """It spins: it must not outlive whoever started it."""
    command = [sys.executable, "-m", "bench.strict_slave", "--baud", "9600"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, cwd=ROOT, check=True)
    assert '"requests": 0' in done.stdout.splitlines()[-1]
