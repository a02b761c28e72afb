"""When gateways were connected, and the online rate: what is known counts, what nobody knows does not."""

import asyncio
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from random import Random

import pytest

from collector import connections
from collector.connections import Interval, Listening, shares
from collector.intake import Received
from collector.lamps.report import Online
from collector.service import Collector
from collector.tables import connections as table
from collector.tables import listening
from contract import messages, topics
from contract.messages import State
from tests.collector.lamps.making import HOUR_MS, ZONE, noon_ms
from tests.collector.making import BOOT, NOW_MS, Clock, given, rows, settings, standing

pytestmark = pytest.mark.usefixtures("both_engines")

NIGHT = "2026-11-05"
NOON_MS = noon_ms(NIGHT)


def state(online: bool, at_ms: int, *, gateway: str = "gw-1", retained: bool = False) -> Received:
    """Return a state as it comes from the broker."""
    data = messages.encode(State(1, online, BOOT))
    return Received(topics.state("north", gateway), data, at_ms, retained)


def intervals(collector: Collector) -> list[tuple[int, int | None]]:
    """Return from when to when somebody was connected."""
    return [(row[2], row[3]) for row in rows(collector.state, table)]


def test_states_begin_and_end_intervals(tmp_path: Path) -> None:
    """Whatever is told twice, retained or not, begins and ends nothing."""
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [state(False, NOW_MS)])
        assert intervals(collector) == []
        given(collector, [state(True, NOW_MS + 10), state(True, NOW_MS + 20)])
        given(collector, [state(True, NOW_MS + 30, retained=True)])
        assert intervals(collector) == [(NOW_MS + 10, None)]
        given(collector, [state(False, NOW_MS + 40), state(False, NOW_MS + 50, retained=True)])
        assert intervals(collector) == [(NOW_MS + 10, NOW_MS + 40)]
        given(collector, [state(True, NOW_MS + 60, retained=True), state(True, NOW_MS + 60, gateway="gw-2")])
        assert intervals(collector)[1:] == [(NOW_MS + 60, None), (NOW_MS + 60, None)]


def test_a_clock_that_was_set_back_makes_no_interval_that_ends_before_it_begins(tmp_path: Path) -> None:
    """It is empty."""
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [state(True, NOW_MS), state(False, NOW_MS - 5)])
        assert intervals(collector) == [(NOW_MS, NOW_MS)]


def listened(collector: Collector, clock: Clock, words: Sequence[tuple[float, bool]]) -> list[Interval]:
    """Note at these hours whether the centre is connected; return what stands there then."""
    heard = iter([word for _, word in words])
    note = Listening(collector.state, now_ms=lambda: clock.now_ms, connected=lambda: next(heard))
    for hour, _ in words:
        clock.now_ms = NOON_MS + round(hour * HOUR_MS)
        asyncio.run(note.note())
    return [Interval(row[1], row[2]) for row in rows(collector.state, listening)]


def test_the_centre_writes_down_when_it_hears(tmp_path: Path) -> None:
    """From the first look to the last one with a connection, and anew after a loss or a restart."""
    clock = Clock()
    with standing(settings(tmp_path), clock) as collector:
        found = listened(
            collector, clock, [(0, True), (1, True), (2, True), (3, False), (4, True), (5, True)]
        )
        assert found == [
            Interval(NOON_MS, NOON_MS + 2 * HOUR_MS),
            Interval(NOON_MS + 4 * HOUR_MS, NOON_MS + 5 * HOUR_MS),
        ]
        again = listened(collector, clock, [(6, True), (7, True)])
        assert again[2] == Interval(NOON_MS + 6 * HOUR_MS, NOON_MS + 7 * HOUR_MS)


def rate(
    collector: Collector, known: dict[str, str], *, until_ms: int, last: str = NIGHT
) -> dict[str, Online]:
    """Return the online rate from NIGHT on."""
    return collector.state.read_now(
        lambda db: connections.online(
            db, date.fromisoformat(NIGHT), date.fromisoformat(last), known, ZONE, until_ms
        )
    )


def test_of_two_gateways_one_was_connected_for_half_of_the_night(tmp_path: Path) -> None:
    """24 hours and 12 hours of 24: one and a half of two. A third one has no lamps."""
    clock = Clock()
    with standing(settings(tmp_path), clock) as collector:
        listened(collector, clock, [(0, True), (24, True)])
        given(collector, [state(True, NOON_MS - 5, gateway="gw-1"), state(True, NOON_MS - 5, gateway="gw-2")])
        given(collector, [state(True, NOON_MS, gateway="gw-3")])
        given(collector, [state(False, NOON_MS + 12 * HOUR_MS, gateway="gw-2")])
        known = {"gw-1": NIGHT, "gw-2": NIGHT}
        assert rate(collector, known, until_ms=NOON_MS + 30 * HOUR_MS) == {NIGHT: Online(1.5, 2)}


def test_time_in_which_the_centre_was_away_counts_for_nobody(tmp_path: Path) -> None:
    """From the sixth hour to the eighteenth nobody knows; the will of the one came while it was away."""
    clock = Clock()
    with standing(settings(tmp_path), clock) as collector:
        listened(collector, clock, [(0, True), (6, True), (6.5, False), (18, True), (24, True)])
        given(collector, [state(True, NOON_MS, gateway="gw-1"), state(True, NOON_MS, gateway="gw-2")])
        given(collector, [state(False, NOON_MS + 18 * HOUR_MS, gateway="gw-2")])
        known = {"gw-1": NIGHT, "gw-2": NIGHT}
        assert rate(collector, known, until_ms=NOON_MS + 30 * HOUR_MS) == {NIGHT: Online(1.5, 2)}


def test_a_night_that_the_centre_heard_nothing_of_is_not_known(tmp_path: Path) -> None:
    """It is neither 0 nor 1; nor is one that has not begun."""
    clock = Clock()
    with standing(settings(tmp_path), clock) as collector:
        listened(collector, clock, [(25, True), (30, True)])
        given(collector, [state(True, NOON_MS, gateway="gw-1")])
        found = rate(collector, {"gw-1": NIGHT}, until_ms=NOON_MS + 30 * HOUR_MS, last="2026-11-08")
        assert found == {"2026-11-06": Online(1.0, 1)}


def test_a_gateway_counts_from_its_first_connection_and_a_silent_one_not_for_ever(tmp_path: Path) -> None:
    """One is new in the second night; the will of the other never came, and it was heard once."""
    clock = Clock()
    with standing(settings(tmp_path), clock) as collector:
        listened(collector, clock, [(0, True), (72, True)])
        given(
            collector,
            [state(True, NOON_MS, gateway="old"), state(True, NOON_MS + 36 * HOUR_MS, gateway="new")],
        )
        found = rate(
            collector, {"old": NIGHT, "new": NIGHT}, until_ms=NOON_MS + 72 * HOUR_MS, last="2026-11-07"
        )
        assert found == {
            "2026-11-05": Online(1.0, 1),
            "2026-11-06": Online(0.5 + 0.5, 2),
            "2026-11-07": Online(1.0, 2),
        }
        assert rate(collector, {"dark": NIGHT}, until_ms=NOON_MS + 72 * HOUR_MS) == {NIGHT: Online(0.0, 1)}


def test_shares_equal_a_count_second_by_second() -> None:
    """Drawn intervals of three gateways and a centre that was away at times."""
    random = Random(5)
    for _ in range(50):
        heard = _drawn(random, 3)
        spans = {"a": Interval(0, 100), "b": Interval(100, 190)}
        own = {name: _drawn(random, 4) for name in ("x", "y", "z")}
        since_ms = {name: (runs[0].from_ms if runs else 150) for name, runs in own.items()}
        told = [(name, run) for name, runs in own.items() for run in runs]
        expected = {}
        for name, span in spans.items():
            known = [second for second in range(*span) if _within(second, heard)]
            if known:
                both = sum(_within(second, runs) for second in known for runs in own.values())
                expected[name] = (
                    both / len(known),
                    sum(since < span.until_ms for since in since_ms.values()),
                )
        assert shares(spans, heard, since_ms, told) == expected


def _drawn(random: Random, count: int) -> list[Interval]:
    ends = sorted(random.sample(range(200), 2 * count))
    return [Interval(*ends[index : index + 2]) for index in range(0, 2 * count, 2)]


def _within(second: int, runs: Sequence[Interval]) -> bool:
    return any(run.from_ms <= second < run.until_ms for run in runs)


def test_old_connections_go_and_so_does_what_is_too_much(tmp_path: Path) -> None:
    """What still lasts stays, however long it has."""
    clock = Clock(now_ms=NOON_MS)
    limits = "connections_retention_days = 10\nconnections_max = 4"
    with standing(settings(tmp_path, limits=limits), clock) as collector:
        old_ms = NOON_MS - 20 * 24 * HOUR_MS
        given(collector, [state(True, old_ms, gateway="still"), state(True, old_ms, gateway="gone")])
        given(collector, [state(False, old_ms + 5, gateway="gone")])
        for number in range(8):
            given(collector, [state(number % 2 == 0, NOON_MS - 100 + number, gateway="flaps")])
        asyncio.run(collector.housekeeping.round())
        assert [row[1] for row in rows(collector.state, table)] == ["still", *["flaps"] * 4]
        given(collector, [state(True, NOON_MS, gateway="flaps"), state(False, NOON_MS + 1, gateway="flaps")])
        asyncio.run(collector.housekeeping.round())
        assert [(row[1], row[2] - NOON_MS) for row in rows(collector.state, table)] == [
            ("still", old_ms - NOON_MS),
            ("flaps", -98),
            ("flaps", -96),
            ("flaps", -94),
            ("flaps", 0),
        ]
