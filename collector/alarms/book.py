"""The book of alarms: every occurrence once, by its id; whoever follows alarms hears of it from here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select, update

from collector.alarms.happening import Alarm, Follower
from collector.held import Held, HeldRows, Lookup
from collector.tables import alarms
from contract.events import AlarmCleared, Priority
from contract.samples import ClockState

TOLD_AT_ONCE_MAX = 500
"""So many alarms are looked up and told together; of what was backfilled, so many a transaction."""

_KNOWN = Lookup(select(alarms), alarms.c.gateway, alarms.c.id)


@dataclass(frozen=True, slots=True)
class Ended:
    """An alarm's return to normal, as its gateway told it."""

    gateway: str
    event: AlarmCleared
    received_ms: int
    backfill: bool = False

    @property
    def id(self) -> str:
        """Return the id of the occurrence."""
        return self.event.id


class AlarmBook:
    """Writes alarms down, in the caller's transaction; telling the same twice changes nothing."""

    def __init__(self, followers: Sequence[Follower]) -> None:
        """``followers`` hear of alarms in this order."""
        self._followers = tuple(followers)

    def take(self, connection: Connection, told: Sequence[Alarm | Ended]) -> None:
        """Take what happened, in order; what is backfilled waits for ``tell_waiting``.

        An end may come whether its beginning is known or not, and before it.
        """
        for begin in range(0, len(told), TOLD_AT_ONCE_MAX):
            some = told[begin : begin + TOLD_AT_ONCE_MAX]
            rows = HeldRows(connection, alarms, "gateway", "id")
            rows.load(_KNOWN, [(each.gateway, each.id) for each in some])
            happened: list[Alarm] = []
            for each in some:
                happened += _raised(rows, each) if isinstance(each, Alarm) else _ended(rows, each)
            rows.write()
            self._tell(connection, happened)

    def tell_waiting(self, connection: Connection, count_max: int) -> bool:
        """At the end of what was backfilled: tell of what is still active. Return whether more waits."""
        found = waiting(connection, count_max)
        if found:
            numbers = [row.row for row in found]
            connection.execute(update(alarms).where(alarms.c.row.in_(numbers)).values(waits=False))
            self._tell(connection, [of_row(row) for row in found if row.cleared_ms is None])
        return len(found) == count_max

    def _tell(self, connection: Connection, happened: Sequence[Alarm]) -> None:
        if happened:
            for follower in self._followers:
                follower.follow(connection, happened)


def _raised(rows: HeldRows, alarm: Alarm) -> Iterator[Alarm]:
    """Write an alarm down; yield it where it is to be told."""
    known = rows.get(alarm.gateway, alarm.id)
    if known is None:
        rows.add(_row(alarm) | {"waits": alarm.backfill, "cleared_ms": None, "case_id": None})
        if not alarm.backfill:
            yield alarm
    elif known.raised_ms is None:  # its return to normal came first: nobody needs to hear of it
        rows.change(known, **{**_row(alarm), "received_ms": known.received_ms})


def _ended(rows: HeldRows, ended: Ended) -> Iterator[Alarm]:
    """Write an alarm's end down; yield it where its beginning was told."""
    known = rows.get(ended.gateway, ended.event.id)
    if known is None:
        rows.add(_unknown(ended))
    elif known.cleared_ms is None:
        rows.change(known, cleared_ms=ended.event.time_ms)
        if not known.waits:
            yield replace(of_row(known), cleared_value=ended.event.value)


def waiting(connection: Connection, count_max: int) -> Sequence[Row[Any]]:
    """Return the first alarms that nobody was told of yet."""
    return connection.execute(
        select(alarms).where(alarms.c.waits).order_by(alarms.c.row).limit(count_max)
    ).all()


def of_row(row: Row[Any] | Held) -> Alarm:
    """Return the alarm of a row of which the beginning is known."""
    return Alarm(
        gateway=row.gateway,
        id=row.id,
        rule=row.rule,
        device=row.device,
        point=row.point,
        condition=row.condition,
        problem=row.problem,
        priority=Priority(row.priority),
        message=row.message,
        part=row.part,
        value=msgspec.json.decode(row.value),
        limit=row.limit,
        clock=ClockState(row.clock),
        raised_ms=row.raised_ms,
        received_ms=row.received_ms,
        backfill=row.backfill,
        planned=row.planned,
        cleared_ms=row.cleared_ms,
    )


def _row(alarm: Alarm) -> dict[str, Any]:
    return {
        "gateway": alarm.gateway,
        "id": alarm.id,
        "rule": alarm.rule,
        "device": alarm.device,
        "point": alarm.point,
        "problem": alarm.problem,
        "priority": str(alarm.priority),
        "message": alarm.message,
        "part": alarm.part,
        "value": _json(alarm.value),
        "limit": alarm.limit,
        "clock": str(alarm.clock),
        "raised_ms": alarm.raised_ms,
        "received_ms": alarm.received_ms,
        "backfill": alarm.backfill,
        "condition": alarm.condition,
        "planned": alarm.planned,
    }


def _unknown(ended: Ended) -> dict[str, Any]:
    """Return the row of an alarm of which only the end is known."""
    event = ended.event
    return {
        "gateway": ended.gateway,
        "id": event.id,
        "rule": event.rule,
        "device": event.device,
        "point": event.point,
        "problem": "",
        "priority": Priority.LOW.value,
        "message": "",
        "part": "",
        "value": _json(event.value),
        "limit": None,
        "clock": str(event.clock),
        "raised_ms": None,
        "cleared_ms": event.time_ms,
        "received_ms": ended.received_ms,
        "backfill": ended.backfill,
        "condition": "",
        "planned": False,
        "waits": False,
        "case_id": None,
    }


def _json(value: bool | float | str | None) -> str:
    return msgspec.json.encode(value).decode()
