"""An incident that is open has its alarms, however long ago they were over."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from collector.service import Collector
from collector.tables import alarms
from contract.events import Priority
from tests.collector.incidents.making import WIDE, alarm, end, found, tell
from tests.collector.making import Clock, settings, standing

pytestmark = pytest.mark.usefixtures("both_engines")

LIMITS = "events_retention_days = 1\njournal_retention_days = 1"
LONG = "[incidents]\njoins_for_s = 864000\nclose_after_s = 864000\n" + WIDE
DAY_MS = 86_400_000


def alarm_ids(collector: Collector) -> list[str]:
    """Return the alarms that are there, in order."""
    query = select(alarms.c.id).order_by(alarms.c.row)
    return collector.state.read_now(lambda db: list(db.scalars(query)))


@pytest.mark.parametrize("dropped_before", [False, True])
def test_a_narrow_rule_takes_members_whose_companions_were_over_long_ago(
    tmp_path: Path, dropped_before: bool
) -> None:
    """What is left is counted anew, also where an older version has dropped the alarms that are left."""
    clock = Clock()
    with standing(settings(tmp_path, tables=LONG, limits=LIMITS), clock) as collector:
        low = {"priority": Priority.LOW, "problem": "other"}
        first, second = alarm(1, **low), alarm(2, **low)
        tell(collector, [first, second])
        tell(collector, [end(first, clock.now_ms)])
        clock.now_ms += 2 * DAY_MS
        asyncio.run(collector.housekeeping.round())
        assert alarm_ids(collector) == [first.id, second.id]
        if dropped_before:
            gone = delete(alarms).where(alarms.c.id == first.id)
            collector.state.write_now(lambda db: db.execute(gone))
        now = {"raised_ms": clock.now_ms, "received_ms": clock.now_ms, "priority": Priority.LOW}
        news = [alarm(each, id=f"{each:031x}a", **now) for each in (2, 5, 6)]
        tell(collector, [end(second, clock.now_ms), *news])
        wide, narrow = (next(each for each in found(collector) if each.rule == rule) for rule in NAMES)
        assert (wide.members, wide.sources, wide.priority) == (1, 1, "low")
        assert (narrow.members, narrow.sources) == (4, 3)


NAMES = ("wide", "neighbours")
