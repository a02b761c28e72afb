"""The dead and dark sections of `bench.line`: what silent units cost the others, with our real poller.

Everything is counted from good samples: when a whole device was read and its registers were right. The cycle
of some devices is the time in which each is read once: the mean of the intervals between a device's good
reads. A figure is None where what was waited for did not come.

One dead of ten. ``dead_cycle_ratio``: line time per good read of the nine, from when the tenth was asked in
vain often enough to count as dead, over that of all ten before and after; as fast as the line allows.
``deadlines_missed``: each device is due on a grid of its interval; an interval of one of the nine without a
finished good read is a missed deadline, from the death to the revival, the first timeouts included.
``revival_s``: from the revival to the first good read. It comes right after a vain request, when the back-off
begins, which is the worst moment; the longer of the two runs counts.

Thirty dark of forty. ``dark_cycle_ratio``: the cycle of the ten over that of the ten alone on the line, from
when each of the thirty was asked in vain and the first of them is asked again: until then the line only pays
for the first round. ``dark_recovery_s``: from the return of power until all thirty were read well; the longer
of two, after a short cut (power returns when each was asked in vain once, which is the worst moment) and
after the long one. ``dark_longest_wait_s``: the longest that one of the ten waited, the beginning included.
``dark_declared_*``: the same where the poller is told that the feeder is off.
"""

import asyncio
import math
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from bench.polled_line import BAUD, TIMEOUT_S, Grid, Journal, name, polled
from bench.slave_process import Slave, Wire, slave
from bench.strict_slave import Seen
from bench.telling import Figures, progress
from edge.health import DEAD_AFTER_FAILURES

INTERVAL_S = 0.01
"""Shorter than any transaction: the line is never idle."""
BUSY = 0.65
"""Where deadlines are counted: the part of the line's time that the healthy ten need."""
WINDOWS = 5
"""A window is so many times ``--seconds``."""
TEN = range(1, 11)
DEAD = 5
NINE = [unit for unit in TEN if unit != DEAD]
DARK = range(11, 41)
COUNTED = frozenset({"silence_violations", "silences_unsure", "malformed", "wrong"})
"""Figures that are sums over all sections."""


@dataclass
class Marks:
    """What one run with a dead unit brought; times are monotonic seconds."""

    journal: Journal = field(default_factory=Journal)
    began_s: float = 0.0
    healthy_s: list[tuple[float, float]] = field(default_factory=list)
    """From, to: before the death, and after the revival, so that what else the machine does weighs less."""
    died_s: float = 0.0
    steady_s: tuple[float, float] = (0.0, 0.0)
    revived_s: float = 0.0
    revival_s: float | None = None


def deadline_interval_s(wire: Wire) -> float:
    """Return how often each of ten is asked so that they need the ``BUSY`` part of the line's time."""
    return len(TEN) * wire.ideal_s(BAUD) / BUSY


def conditions(wire: Wire, seconds: float) -> dict[str, float]:
    """Return what the figures depend on."""
    return {
        "faults_baud": BAUD,
        "faults_window_s": WINDOWS * seconds,
        "faults_timeout_s": TIMEOUT_S,
        "deadline_interval_s": round(deadline_interval_s(wire), 3),
    }


def one_dead_of_ten(wire: Wire, seconds: float) -> Figures:
    """Measure, print, return figures."""
    window_s = WINDOWS * seconds
    with slave(wire, BAUD) as fast_slave:
        fast = asyncio.run(_death(wire, fast_slave, INTERVAL_S, window_s, "dead, as fast as the line allows"))
    interval_s = deadline_interval_s(wire)
    with slave(wire, BAUD) as slow_slave:
        timed = asyncio.run(_death(wire, slow_slave, interval_s, window_s, "dead, with deadlines"))
    healthy_ms = _mean([fast.journal.cycle_s(TEN, *each) for each in fast.healthy_s]) / len(TEN) * 1000
    dead_ms = fast.journal.cycle_s(NINE, *fast.steady_s) / len(NINE) * 1000
    figures: Figures = {
        "dead_cycle_ratio": dead_ms / healthy_ms,
        "revival_s": _longest([fast.revival_s, timed.revival_s]),
        **_counted([fast.journal, timed.journal], [fast_slave, slow_slave]),
    }
    _row("one dead of ten, ms a read: ten answer", healthy_ms)
    _row("  one is dead", dead_ms)
    _row("  over the healthy", figures["dead_cycle_ratio"], 1.15)
    _row("  revival, fast, s", fast.revival_s, 10)
    _row("  revival, with deadlines, s", timed.revival_s, 10)
    return _rounded(figures | _deadlines(timed, slow_slave.seen, Grid(timed.began_s, interval_s)))


def _deadlines(timed: Marks, seen: Seen, grid: Grid) -> Figures:
    """Count missed deadlines, print, return figures."""
    over_s, read_s = (timed.died_s, timed.revived_s), timed.journal.good
    answered_s = {unit: [end_ns / 1e9 for found, end_ns in seen.answers if found == unit] for unit in NINE}
    figures: Figures = {
        "deadlines_missed": sum(grid.missed(read_s[unit], *over_s) for unit in NINE),
        "deadlines_missed_by_slave": sum(grid.missed(answered_s[unit], *over_s) for unit in NINE),
        "deadlines_missed_known_dead": sum(
            grid.missed(read_s[unit], timed.steady_s[0], timed.revived_s) for unit in NINE
        ),
        "deadlines_missed_healthy": sum(
            grid.missed(read_s[unit], *each) for unit in TEN for each in timed.healthy_s
        ),
    }
    _row(f"  deadlines missed of {len(NINE) * grid.missed([], *over_s)}", figures["deadlines_missed"], 0)
    _row("    as the slave saw it", figures["deadlines_missed_by_slave"], 0)
    _row("    from when it was known as dead", figures["deadlines_missed_known_dead"], 0)
    _row("    while all ten answered", figures["deadlines_missed_healthy"], 0)
    return figures


async def _death(wire: Wire, target: Slave, interval_s: float, window_s: float, title: str) -> Marks:
    marks = Marks(began_s=time.monotonic())
    journal = marks.journal
    async with polled(wire, target.port, TEN, interval_s, journal):
        progress(f"{title}: all ten answer, {window_s / 2:.1f} s")
        await journal.learnt(TEN)
        marks.healthy_s.append(await _window(window_s / 2))
        marks.died_s = await target.let_be_dead([DEAD])
        progress(f"{title}: one is dead, {window_s:.0f} s and until it is known")
        await journal.failed([DEAD], DEAD_AFTER_FAILURES)
        marks.steady_s = await _window(window_s)
        await journal.failed([DEAD], 1)  # now its back-off begins
        marks.revived_s = await target.let_be_dead([])
        progress(f"{title}: revived, {window_s / 2:.1f} s from then on")
        marks.revival_s = await journal.back_s([DEAD], marks.revived_s)
        marks.healthy_s.append(await _window(window_s / 2))
    return marks


def thirty_dark_of_forty(wire: Wire, seconds: float) -> Figures:
    """Measure, print, return figures."""
    window_s = WINDOWS * seconds
    ten = [_alone(wire, window_s / 2)]
    with slave(wire, BAUD) as forty_slave:
        dark, cycles_s, figures = asyncio.run(_dark(wire, forty_slave, window_s))
    ten.append(_alone(wire, window_s / 2))
    alone_s = _mean([each.cycle_s for each in ten])
    figures |= {key: cycle_s / alone_s for key, cycle_s in cycles_s.items()}
    figures["dark_recovery_s"] = _longest([figures["dark_recovery_short_s"], figures["dark_recovery_long_s"]])
    figures |= _counted(
        [dark, *(each.journal for each in ten)], [forty_slave, *(each.target for each in ten)]
    )
    _row("thirty dark of forty, s a cycle of the ten: alone", alone_s)
    _row("  over that, thirty are silent", figures["dark_cycle_ratio"], 1.25)
    _row("  the longest that one of the ten waited, s", figures["dark_longest_wait_s"])
    _row("  all read well again after a short cut, s", figures["dark_recovery_short_s"], 60)
    _row("  after a long one, s", figures["dark_recovery_long_s"], 60)
    _row("  over the ten alone, the feeder declared off", figures["dark_declared_cycle_ratio"], 1.25)
    _row("  all read well again, s", figures["dark_declared_recovery_s"], 60)
    return _rounded(figures)


@dataclass(frozen=True)
class Alone:
    """The ten alone on the line."""

    target: Slave
    journal: Journal
    cycle_s: float


def _alone(wire: Wire, window_s: float) -> Alone:
    journal = Journal()

    async def play(target: Slave) -> float:
        async with polled(wire, target.port, TEN, INTERVAL_S, journal):
            progress(f"dark: the ten alone, {window_s:.1f} s")
            await journal.learnt(TEN)
            window = await _window(window_s)
        return journal.cycle_s(TEN, *window)

    with slave(wire, BAUD) as target:
        cycle_s = asyncio.run(play(target))
    return Alone(target, journal, cycle_s)


async def _dark(wire: Wire, target: Slave, window_s: float) -> tuple[Journal, dict[str, float], Figures]:
    """Return the journal, the cycles of the ten in seconds by their ratio's name, and the other figures."""
    journal, cycles_s, figures = Journal(), dict[str, float](), Figures()
    async with polled(wire, target.port, [*TEN, *DARK], INTERVAL_S, journal) as poller:
        progress("dark: all forty answer, until their pace is learnt")
        await journal.learnt([*TEN, *DARK])
        progress("dark: a short cut, until each of the thirty was asked in vain")
        dark_s = await target.let_be_dead(DARK)
        await journal.failed(DARK, 1)
        figures["dark_recovery_short_s"] = await _lit(target, journal)
        progress("dark: a long cut, until the first of the thirty is asked again")
        await target.let_be_dead(DARK)
        before = {unit: len(journal.bad[unit]) for unit in DARK}
        await journal.failed(DARK, 1)
        await journal.must(
            lambda: any(len(journal.bad[unit]) > before[unit] + 1 for unit in DARK),
            "for a second request to one of the silent",
        )
        progress(f"dark: thirty are silent, {window_s:.0f} s")
        window = await _window(window_s)
        cycles_s["dark_cycle_ratio"] = journal.cycle_s(TEN, *window)
        figures["dark_longest_wait_s"] = journal.longest_s(TEN, dark_s, window[1])
        figures["dark_recovery_long_s"] = await _lit(target, journal)
        poller.fed(map(name, DARK), powered=False)
        await target.let_be_dead(DARK)
        progress(f"dark: the feeder is declared off, {window_s / 2:.0f} s")
        window = await _window(window_s / 2)
        cycles_s["dark_declared_cycle_ratio"] = journal.cycle_s(TEN, *window)
        poller.fed(map(name, DARK), powered=True)
        figures["dark_declared_recovery_s"] = await _lit(target, journal)
    return journal, cycles_s, figures


async def _lit(target: Slave, journal: Journal) -> float | None:
    """Let power return; return how long it took until all thirty were read well."""
    lit_s = await target.let_be_dead([])
    progress("dark: power returns")
    return await journal.back_s(DARK, lit_s)


def _mean(values: Collection[float]) -> float:
    return sum(values) / len(values)


async def _window(seconds: float) -> tuple[float, float]:
    from_s = time.monotonic()
    await asyncio.sleep(seconds)
    return from_s, time.monotonic()


def _longest(times_s: Collection[float | None]) -> float | None:
    """Return the longest, or None where one never ended."""
    known = [each for each in times_s if each is not None]
    return max(known) if len(known) == len(times_s) else None


def _counted(journals: Collection[Journal], slaves: Collection[Slave]) -> Figures:
    return {
        "silence_violations": sum(each.seen.silence_violations for each in slaves),
        "silences_unsure": sum(each.seen.silences_unsure for each in slaves),
        "malformed": sum(each.seen.malformed for each in slaves),
        "wrong": sum(each.wrong for each in journals),
    }


def _row(what: str, value: float | None, target: float | None = None) -> None:
    shown = "never" if value is None else f"{value:.3f}".removesuffix(".000")
    print(f"{what:<52} {shown:>10} {'' if target is None else f'<= {target:g}':>9}".rstrip(), flush=True)


def _rounded(figures: Figures) -> Figures:
    """Return them to three decimals; None stands for what never came."""
    return {
        key: round(value, 3) if value is not None and math.isfinite(value) else None
        for key, value in figures.items()
    }
