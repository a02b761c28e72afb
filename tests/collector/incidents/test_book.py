"""Every alarm that followers hear of belongs to exactly one incident."""

from pathlib import Path
from typing import Any

from sqlalchemy import select

from collector.alarms.happening import Alarm
from collector.incidents.book import IncidentBook
from collector.incidents.tables import incident_members, incidents
from collector.service import Collector
from contract.events import AlarmCleared, Priority
from contract.samples import ClockState
from tests.collector.making import NOW_MS, Clock, settings, standing


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
        collector.state.write_now(lambda db, each=each: collector.alarm_book.raised(db, each))


def clear(collector: Collector, *alarms: Alarm, at_ms: int = NOW_MS + 60_000) -> None:
    """Tell the centre's book that they returned to normal."""
    for each in alarms:
        event = AlarmCleared(each.id, at_ms, each.rule, each.device, each.point)
        collector.state.write_now(
            lambda db, each=each, event=event: collector.alarm_book.cleared(
                db, each.gateway, event, at_ms, backfill=False
            )
        )


def found(collector: Collector) -> list[Any]:
    """Return all incidents, the oldest first."""
    query = select(incidents).order_by(incidents.c.row)
    return list(collector.state.read_now(lambda db: db.execute(query).all()))


def test_each_alarm_is_an_incident_of_its_own(tmp_path: Path) -> None:
    """As long as no rule brings them together."""
    with standing(settings(tmp_path), Clock()) as collector:
        raise_(collector, alarm(1), alarm(2))
        one, other = found(collector)
        assert (one.rule, one.members, one.active, one.sources) == ("single", 1, 1, 1)
        assert one.title_en == "Water main burst: gw-1/main-pressure"
        assert one.title_zh == "自来水管破裂：gw-1/main-pressure"
        of_alarm = collector.state.read_now(lambda db: IncidentBook.of_alarm(db, "gw-2", alarm(2).id))
        assert of_alarm == other.id


def test_what_comes_again_from_the_same_source_joins_the_open_incident(tmp_path: Path) -> None:
    """Until it is closed: then a new one is made, and the old one stays closed."""
    clock = Clock()
    with standing(settings(tmp_path), clock) as collector:
        first, again = alarm(1), alarm(1, id="a" * 32)
        raise_(collector, first)
        clear(collector, first)
        raise_(collector, again)
        [incident] = found(collector)
        assert (incident.members, incident.active, incident.sources, incident.idle_ms) == (2, 1, 1, None)
        clear(collector, again)
        clock.now_ms += 600_000
        assert (
            collector.state.write_now(lambda db: collector.incident_book.close_idle(db, clock.now_ms, 9)) == 1
        )
        raise_(collector, alarm(1, id="b" * 32, received_ms=clock.now_ms))
        closed, opened = found(collector)
        assert (closed.closed_ms, closed.active) == (clock.now_ms, 0)
        assert (opened.closed_ms, opened.members) == (None, 1)


def test_telling_the_same_again_changes_nothing(tmp_path: Path) -> None:
    """A journal may be projected anew."""
    with standing(settings(tmp_path), Clock()) as collector:
        for _ in range(2):
            raise_(collector, alarm(1), alarm(2))
            clear(collector, alarm(1))
        assert [(each.members, each.active) for each in found(collector)] == [(1, 0), (1, 1)]
        query = select(incident_members)
        assert len(collector.state.read_now(lambda db: db.execute(query).all())) == 2
