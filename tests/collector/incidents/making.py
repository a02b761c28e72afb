"""What the tests of incidents make: alarms, told to the book of a standing centre."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import select

from collector.alarms.book import Ended
from collector.alarms.happening import Alarm
from collector.incidents.tables import incident_members, incidents
from collector.service import Collector
from contract.events import AlarmCleared, Priority
from contract.samples import ClockState
from tests.collector.making import NOW_MS

RULES = """
[[incidents.rules]]
name = "neighbours"
title = { en = "{count} {rule}s", zh = "{rule}：{count} 处" }
matchers = ['problem=~"pipe_burst|pressure_low"']
group_by = ["rule"]
within_s = 60
members_min = 3
"""


WIDE = (
    RULES
    + """
[[incidents.rules]]
name = "wide"
title = { en = "{count} alarms at once", zh = "{count} 条告警" }
matchers = ['rule="burst"', 'priority=~"low|high"']
within_s = 60
members_min = 2
"""
)
"""The first takes from the second, which needs fewer."""


def alarm(number: int, **changes: Any) -> Alarm:
    """Return an alarm of a sensor of its own, by its number."""
    told: dict[str, Any] = {
        "gateway": f"gw-{number}",
        "id": f"{number:032x}",
        "rule": "burst",
        "device": "main-pressure",
        "point": "pressure",
        "condition": "low",
        "problem": "pipe_burst",
        "priority": Priority.HIGH,
        "message": "Pressure is too low",
        "part": "",
        "value": 96.5,
        "limit": 140.0,
        "clock": ClockState.SYNCHRONISED,
        "raised_ms": NOW_MS + number,
        "received_ms": NOW_MS + number + 5,
    }
    return Alarm(**told | changes)


def raise_(collector: Collector, *alarms: Alarm) -> None:
    """Tell the centre's book of them, each in a transaction of its own."""
    for each in alarms:
        collector.state.write_now(partial(collector.rooms.alarm_book.take, told=[each]))


def end(alarm: Alarm, at_ms: int) -> Ended:
    """Return an alarm's return to normal."""
    event = AlarmCleared(alarm.id, at_ms, alarm.rule, alarm.device, alarm.point)
    return Ended(alarm.gateway, event, at_ms)


def clear(collector: Collector, *alarms: Alarm, at_ms: int = NOW_MS + 60_000) -> None:
    """Tell the centre's book that they returned to normal."""
    for each in alarms:
        tell(collector, [end(each, at_ms)])


def tell(collector: Collector, told: Sequence[Alarm | Ended]) -> None:
    """Tell the centre's book of all that happened at once."""
    collector.state.write_now(partial(collector.rooms.alarm_book.take, told=told))


def found(collector: Collector) -> list[Any]:
    """Return all incidents, the oldest first."""
    query = select(incidents).order_by(incidents.c.row)
    return list(collector.state.read_now(lambda db: db.execute(query).all()))


def members_of(collector: Collector, incident_id: str) -> list[str]:
    """Return the ids of an incident's alarms, in order."""
    query = select(incident_members.c.alarm_id).where(incident_members.c.incident_id == incident_id)
    return list(collector.state.read_now(lambda db: db.scalars(query.order_by(incident_members.c.row)).all()))
