"""When to look for an answer: just after it from a steady device, before the soonest from any other."""

from collections.abc import Callable
from random import Random

from edge.lines.pace import LOOK_EARLY_EVERY, STEADY_WITHIN_NS, TIMES_KEPT, Pace

MS = 1_000_000
CHARACTER_NS = 1_041_666
WIRE_NS = 25 * CHARACTER_NS


def played(pace: Pace, answers_ns: Callable[[int], int], count: int) -> tuple[float, float]:
    """Play so many answers; return the part that was waited for, and how late the looks were, ns mean."""
    waits, late_ns = 0, 0
    for index in range(count):
        real_ns = answers_ns(index)
        waited = real_ns > pace.look_ns
        waits += waited
        late_ns += 0 if waited else pace.look_ns - real_ns
        pace.took(max(real_ns, pace.look_ns), waited=waited)
    return waits / count, late_ns / count


def test_it_listens_from_the_start_until_it_knows_the_device() -> None:
    """The first answers say how long it takes; one alone says nothing."""
    pace = Pace(WIRE_NS, CHARACTER_NS)
    assert pace.look_ns == 0
    pace.took(31 * MS, waited=True)
    assert pace.look_ns == 0
    pace.took(31 * MS, waited=True)
    pace.took(31 * MS, waited=True)
    assert pace.look_ns == 31 * MS


def test_a_steady_device_is_looked_at_once_and_hardly_late() -> None:
    """Its answers differ by what the machine adds; one in so many is looked at early."""
    chance = Random(1)
    pace = Pace(WIRE_NS, CHARACTER_NS)
    waits, late_ns = played(pace, lambda _: 31 * MS + chance.randrange(STEADY_WITHIN_NS), 2000)
    assert waits < 0.35
    assert late_ns < STEADY_WITHIN_NS
    exactly = Pace(WIRE_NS, CHARACTER_NS)
    waits, late_ns = played(exactly, lambda _: 31 * MS, 2000)
    assert waits < 1.5 / LOOK_EARLY_EVERY
    assert late_ns == 0


def test_an_unsteady_device_is_looked_at_before_its_soonest_answer() -> None:
    """To look late would cost line time, up to what its answers differ by."""
    chance = Random(2)
    pace = Pace(WIRE_NS, CHARACTER_NS)
    waits, late_ns = played(pace, lambda _: WIRE_NS + chance.randrange(20 * MS), 2000)
    assert waits > 0.8
    assert late_ns < 0.5 * MS


def test_one_slow_answer_changes_nothing() -> None:
    """A device that was busy once is as quick the next time."""
    pace = Pace(WIRE_NS, CHARACTER_NS)
    played(pace, lambda _: 31 * MS, 40)
    pace.took(90 * MS, waited=True)
    assert pace.look_ns in (31 * MS, 31 * MS - 2 * CHARACTER_NS)


def test_a_device_that_becomes_quicker_is_noticed() -> None:
    """A look that is to be too early shows it; then it is approached in a few answers."""
    pace = Pace(WIRE_NS, CHARACTER_NS)
    played(pace, lambda _: 80 * MS, 100)
    assert pace.look_ns >= 80 * MS - 2 * CHARACTER_NS
    played(pace, lambda _: 31 * MS, LOOK_EARLY_EVERY + 3 * TIMES_KEPT)
    _, late_ns = played(pace, lambda _: 31 * MS, 200)
    assert late_ns < CHARACTER_NS / 4


def test_a_device_that_becomes_slower_is_awaited_and_then_known() -> None:
    """Until it is known it costs wake-ups, never line time."""
    pace = Pace(WIRE_NS, CHARACTER_NS)
    played(pace, lambda _: 31 * MS, 100)
    _, late_ns = played(pace, lambda _: 80 * MS, TIMES_KEPT)
    assert late_ns == 0
    waits, late_ns = played(pace, lambda _: 80 * MS, 200)
    assert (waits < 1.5 / LOOK_EARLY_EVERY, late_ns) == (True, 0)
