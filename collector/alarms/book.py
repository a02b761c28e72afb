"""The book of alarms: every occurrence once, by its id; whoever follows alarms hears of it from here."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, select, update
from sqlalchemy import insert as plain_insert

from collector.alarms.happening import Alarm, Follower
from collector.tables import alarms
from contract.events import AlarmCleared, Priority
from contract.samples import ClockState

TOLD_AT_ONCE_MAX = 500
"""Of what was backfilled, so many alarms a transaction: commits of what arrives wait for the same thread."""


_KEY = alarms.c.gateway == bindparam("of_gateway"), alarms.c.id == bindparam("of_id")
_FIND = select(alarms).where(*_KEY)
_INSERT = plain_insert(alarms)
_CLEAR = update(alarms).where(*_KEY, alarms.c.cleared_ms.is_(None)).values(cleared_ms=bindparam("at_ms"))
"""Made once: to put a statement together costs more than to execute it, and a storm executes thousands."""


class AlarmBook:
    """Writes alarms down, in the caller's transaction; telling the same twice changes nothing."""

    def __init__(self, followers: Sequence[Follower]) -> None:
        """``followers`` hear of each alarm in this order."""
        self._followers = tuple(followers)

    def raised(self, connection: Connection, alarm: Alarm) -> None:
        """Take an alarm; what is backfilled waits for ``tell_waiting``."""
        where = [alarms.c.gateway == alarm.gateway, alarms.c.id == alarm.id]
        known = connection.execute(_FIND, {"of_gateway": alarm.gateway, "of_id": alarm.id}).first()
        if known is None:
            row = _row(alarm) | {"waits": alarm.backfill, "cleared_ms": None, "case_id": None}
            connection.execute(_INSERT, row)
            if not alarm.backfill:
                self._tell(connection, alarm)
        elif (
            known.raised_ms is None
        ):  # its return to normal came first: it is over, and nobody needs to hear of it
            row = _row(alarm)
            del row["received_ms"]
            connection.execute(update(alarms).where(*where).values(row))

    def cleared(
        self, connection: Connection, gateway: str, event: AlarmCleared, received_ms: int, *, backfill: bool
    ) -> None:
        """Take an alarm's return to normal, whether it was known or not."""
        key = {"of_gateway": gateway, "of_id": event.id}
        changed = connection.execute(_CLEAR, key | {"at_ms": event.time_ms})
        found = connection.execute(_FIND, key).first()
        if found is None:
            connection.execute(_INSERT, _unknown(gateway, event, received_ms, backfill))
        elif changed.rowcount and not found.waits:
            for follower in self._followers:
                follower.cleared(connection, replace(of_row(found), cleared_value=event.value))

    def tell_waiting(self, connection: Connection, count_max: int) -> bool:
        """At the end of what was backfilled: tell of what is still active. Return whether more waits."""
        found = waiting(connection, count_max)
        for row in found:
            connection.execute(update(alarms).where(alarms.c.row == row.row).values(waits=False))
            if row.cleared_ms is None:
                self._tell(connection, of_row(row))
        return len(found) == count_max

    def _tell(self, connection: Connection, alarm: Alarm) -> None:
        for follower in self._followers:
            follower.raised(connection, alarm)


def waiting(connection: Connection, count_max: int) -> Sequence[Row[Any]]:
    """Return the first alarms that nobody was told of yet."""
    return connection.execute(
        select(alarms).where(alarms.c.waits).order_by(alarms.c.row).limit(count_max)
    ).all()


def of_row(row: Row[Any]) -> Alarm:
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


def _unknown(gateway: str, event: AlarmCleared, received_ms: int, backfill: bool) -> dict[str, Any]:
    """Return the row of an alarm of which only the end is known."""
    return {
        "gateway": gateway,
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
        "received_ms": received_ms,
        "backfill": backfill,
        "condition": "",
        "planned": False,
        "waits": False,
        "case_id": None,
    }


def _json(value: bool | float | str | None) -> str:
    return msgspec.json.encode(value).decode()
