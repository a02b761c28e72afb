"""Whatever comes in whatever order: every alarm is in one incident, and what incidents count is so."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, select

from collector.alarms.book import Ended
from collector.alarms.happening import Alarm
from collector.alarms.tables import conditions
from collector.incidents.tables import incident_candidates, incident_members, incidents
from collector.service import Collector
from collector.tables import alarms
from contract.events import Priority
from tests.collector.incidents.making import WIDE, alarm, end, raise_, tell
from tests.collector.making import NOW_MS, Clock, settings, standing

Step = tuple[str, int, Priority, int, bool]
"""The last: what follows is told with it."""
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["raise", "raise", "raise", "clear", "again", "close", "acknowledge"]),
        st.integers(1, 6),
        st.sampled_from([Priority.LOW, Priority.HIGH, Priority.HIGHEST]),
        st.integers(0, 40_000),
        st.booleans(),
    ),
    max_size=25,
)


def test_every_alarm_is_in_one_incident_whatever_comes() -> None:
    """Counts, priorities and open keys agree with the members, after each course and a replay of it."""
    with tempfile.TemporaryDirectory() as name:
        clock = Clock()
        with standing(settings(Path(name), tables=WIDE), clock) as collector:

            @tried(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
            @given(STEPS)
            def any_course(steps: list[Step]) -> None:
                check(collector, clock, steps)

            any_course()


def emptied(connection: Connection) -> None:
    """Begin with nothing."""
    for table in (incident_members, incident_candidates, incidents, conditions, alarms):
        connection.execute(delete(table))


def check(collector: Collector, clock: Clock, steps: Sequence[Step]) -> None:
    """Play a course from an empty table on, and compare."""
    collector.state.write_now(emptied)
    told: list[Alarm] = []
    active: dict[int, Alarm] = {}
    waiting: list[Alarm | Ended] = []
    clock.now_ms = NOW_MS
    for count, (what, number, priority, later_ms, goes_on) in enumerate(steps):
        clock.now_ms += later_ms
        if what in ("again", "close"):
            tell(collector, waiting)
            waiting = []
        if what == "raise":
            times = {"raised_ms": clock.now_ms, "received_ms": clock.now_ms}
            told.append(alarm(number, id=f"{count + 1:032x}", priority=priority, **times))
            waiting.append(told[-1])
            active[number] = told[-1]
        elif what == "clear" and number in active:
            waiting.append(end(active.pop(number), clock.now_ms))
        elif what == "again":
            raise_(collector, *told)
        elif what == "close":
            clock.now_ms += 600_000
            collector.state.write_now(
                lambda db: collector.rooms.incident_book.close_idle(db, now_ms=clock.now_ms, count_max=99)
            )
        if not goes_on:
            tell(collector, waiting)
            waiting = []
    tell(collector, waiting)
    compare(collector, [each.id for each in told])


def compare(collector: Collector, told: list[str]) -> None:
    """Count everything anew from the members."""
    ordered = select(incident_members).order_by(incident_members.c.alarm_id)
    members = collector.state.read_now(lambda db: db.execute(ordered).all())
    assert [row.alarm_id for row in members] == sorted(told)
    known = collector.state.read_now(lambda db: db.execute(select(alarms)).all())
    priorities = {row.id: row.priority for row in known}
    rows = collector.state.read_now(lambda db: db.execute(select(incidents)).all())
    keys = [row.key for row in rows if row.closed_ms is None]
    assert len(keys) == len(set(keys))
    for row in rows:
        own = [each for each in members if each.incident_id == row.id]
        counts = len({each.source for each in own}), len(own), sum(each.cleared_ms is None for each in own)
        if row.merged_into:
            assert (own, row.active, row.members) == ([], 0, 0)
            continue
        assert (row.sources, row.members, row.active) == counts
        assert (row.idle_ms is None) == (row.active > 0)
        assert row.active == 0 or row.closed_ms is None
        ranks = [list(Priority).index(Priority(priorities[each.alarm_id])) for each in own]
        assert list(Priority).index(Priority(row.priority)) == max(ranks)
        if row.priority == Priority.HIGHEST:
            assert len(own) == 1
