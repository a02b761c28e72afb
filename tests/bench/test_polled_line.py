"""How cycles and deadlines are counted from what was read when."""

import math

from bench.polled_line import Grid, Journal
from bench.strict_slave import REGISTERS
from contract.samples import ClockState, Quality, Sample
from edge.clock import Moment

GRID = Grid(100, 10)


def samples(unit_id: int, quality: Quality, *, shift: int = 0) -> list[Sample]:
    """Return what the poller brings of one device."""
    values = [unit_id * 256 + register + shift for register in range(REGISTERS)]
    return [
        Sample(0, f"unit-{unit_id:02}", f"register_{register}", value, quality, "", ClockState.SYNCHRONISED)
        for register, value in enumerate(values)
    ]


def read(journal: Journal, unit_id: int, *times_s: float, quality: Quality = Quality.GOOD) -> None:
    """Let a unit be read at these times."""
    for at_s in times_s:
        journal.take(samples(unit_id, quality), Moment(round(at_s * 1e9), 0))


def test_a_read_in_every_interval_misses_no_deadline() -> None:
    """Early in one, late in the next: only the deadline counts."""
    assert GRID.missed([100.5, 119.9, 120.1, 139.9], 100, 140) == 0


def test_a_read_after_its_deadline_is_a_miss() -> None:
    """It counts for the interval in which it came; the one before stays without."""
    assert GRID.missed([100.5, 120.01, 129, 139], 100, 140) == 1


def test_only_whole_intervals_count() -> None:
    """What began before, or ends after, is nobody's fault."""
    assert GRID.missed([], 101, 139) == 2
    assert GRID.missed([], 101, 109) == 0


def test_the_cycle_is_the_mean_interval_between_good_reads() -> None:
    """Vain requests and reads outside the time do not count; a device read once has no cycle."""
    journal = Journal()
    read(journal, 1, 1, 2, 3, 5, 90)
    read(journal, 1, 4, quality=Quality.BAD)
    read(journal, 2, 1, 5)
    read(journal, 3, 1)
    assert math.isclose(journal.cycle_s([1], 0, 10), 4 / 3)
    assert math.isclose(journal.cycle_s([1, 2], 0, 10), (4 / 3 + 4) / 2)
    assert math.isinf(journal.cycle_s([1, 3], 0, 10))
    assert journal.bad[1] == [4]
    assert journal.longest_s([1, 2], 0, 10) == 85


def test_a_good_read_of_wrong_values_is_counted_as_wrong() -> None:
    """The slave's registers name unit and register."""
    journal = Journal()
    read(journal, 1, 1)
    assert journal.wrong == 0
    journal.take(samples(1, Quality.GOOD, shift=1), Moment(2, 0))
    assert journal.wrong == 1
