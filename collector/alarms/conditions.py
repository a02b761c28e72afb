"""Alarm sources through their life: what gateways and rules tell of them, and of which nobody is told now."""

import json
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, select, tuple_

from collector.alarms import silences, standings
from collector.alarms.happening import Alarm
from collector.alarms.labels import LABELS, hold, labels_of
from collector.alarms.lifecycle import Standing, step
from collector.alarms.settings import AlarmSettings
from collector.alarms.standings import Change, Standings, standing_of
from collector.alarms.tables import conditions
from collector.alarms.transitions import Happening
from collector.tables import alarms, devices
from contract.events import Priority

PLANNED = "planned"
"""Why an alarm is suppressed that was raised while its device was under maintenance: its gateway says so."""
KEYS_AT_ONCE_MAX = 500
_DEVICE = select(devices.c.line, devices.c.part).where(
    devices.c.gateway == bindparam("gateway"), devices.c.device == bindparam("device")
)

Key = tuple[str, str]
AreaOf = Callable[[Connection, str], str]
_OF_ALARMS = (
    select(conditions, alarms.c.id)
    .join(alarms, and_(*(alarms.c[name] == conditions.c[name] for name in standings.SOURCE)))
    .where(tuple_(alarms.c.gateway, alarms.c.id).in_(bindparam("keys", expanding=True)))
)


class Conditions:
    """The follower of alarms that keeps ``conditions``; others decide by what it has written."""

    def __init__(
        self,
        settings: AlarmSettings,
        *,
        now_ms: Callable[[], int],
        area_of: AreaOf = lambda _connection, part: part[:6],
    ) -> None:
        """``area_of`` returns the area of a part by its code, or nothing."""
        self._chatter, self._latched_by = settings.chatter, settings.latched_by
        self._now_ms, self._area_of = now_ms, area_of
        self.standings = Standings([rule.rule() for rule in settings.inhibit_rules], settings.flood)

    def raised(self, connection: Connection, alarm: Alarm) -> None:
        """See Follower."""
        now_ms, row = self._now_ms(), standings.of_source(connection, alarm.source)
        before = standing_of(row) if row else Standing()
        remembered = json.loads(row.activations) if row else []
        activations, chatters = self._chatter.activated(remembered, alarm.raised_ms)
        after = step(before, Happening.RAISED, priority=alarm.priority)
        if alarm.planned is not (PLANNED in after.suppressed):
            turned = Happening.SUPPRESSED if alarm.planned else Happening.UNSUPPRESSED
            after = step(after, turned, reason=PLANNED)
        told = self._told(connection, alarm) | {
            "activations": json.dumps(activations),
            "activated_ms": now_ms,
            "occurrences": row.occurrences + 1 if row else 1,
        }
        if chatters and not before.chattering:
            after = step(after, Happening.CHATTERING_BEGAN)
            told |= {"chattering_since_ms": now_ms, "chattering_alarm_id": alarm.id}
        after = self.standings.inhibited(connection, {name: told.get(name, "") for name in LABELS}, after)
        change = Change(Happening.RAISED, alarm.gateway, now_ms)
        if row is None:
            self.standings.begin(connection, told, after, change)
        else:
            self.standings.put(connection, row, after, change, **told)

    def cleared(self, connection: Connection, alarm: Alarm) -> None:
        """See Follower; the end of an earlier occurrence is not that of the current one."""
        row = standings.of_source(connection, alarm.source)
        if row is None or row.alarm_id != alarm.id:
            return
        after = step(standing_of(row), Happening.CLEARED, latching=self.latches(row))
        if PLANNED in after.suppressed:
            after = step(after, Happening.UNSUPPRESSED, reason=PLANNED)
        after = self.standings.inhibited_row(connection, row, after)
        change = Change(Happening.CLEARED, alarm.gateway, self._now_ms())
        self.standings.put(connection, row, after, change, cleared_ms=alarm.cleared_ms)

    def latches(self, row: Row[Any]) -> bool:
        """Say whether a source that returns to normal waits for a reset."""
        labels = labels_of(row)
        return any(hold([each], labels) for each in self._latched_by)

    def quiet(self, connection: Connection, keys: Collection[Key]) -> dict[Key, str]:
        """Return of which of these alarms, (gateway, id), nobody is to be told now, and why."""
        return quiet(connection, keys, self._now_ms())

    def _told(self, connection: Connection, alarm: Alarm) -> dict[str, Any]:
        """Return what the newest occurrence says of its source."""
        known = connection.execute(_DEVICE, {"gateway": alarm.gateway, "device": alarm.device}).first()
        part = alarm.part or (known.part if known else "")
        return {
            "gateway": alarm.gateway,
            "rule": alarm.rule,
            "device": alarm.device,
            "point": alarm.point,
            "condition": alarm.condition,
            "alarm_id": alarm.id,
            "problem": alarm.problem,
            "part": part,
            "line": known.line if known else "",
            "area": self._area_of(connection, part) if part else "",
            "message": alarm.message,
            "raised_ms": alarm.raised_ms,
            "cleared_ms": None,
        }


def quiet(connection: Connection, keys: Collection[Key], now_ms: int) -> dict[Key, str]:
    """Return of which of these alarms, (gateway, id), nobody is to be told now, and why.

    The reasons are "out_of_service", those of suppression ("planned", "maintenance", "inhibited:<rule>" ...),
    "shelved", "silenced:<id>" and "chattering": a repetition of an alarm that stands. Shelving and silences
    do not hold of the highest priority.
    """
    silenced = silences.active(connection, now_ms)
    asked, found = list(keys), {}
    for begin in range(0, len(asked), KEYS_AT_ONCE_MAX):
        some = asked[begin : begin + KEYS_AT_ONCE_MAX]
        for row in connection.execute(_OF_ALARMS, {"keys": some}):
            if reason := _reason(row, row.id, silenced):
                found[row.gateway, row.id] = reason
    return found


def _reason(row: Row[Any], alarm_id: str, silenced: Collection[silences.Silence]) -> str:
    standing = standing_of(row)
    if standing.out_of_service:
        return "out_of_service"
    if standing.suppressed:
        return min(standing.suppressed)
    if standing.priority is not Priority.HIGHEST:
        if standing.shelving != "unshelved":
            return "shelved"
        if by := silences.silencing(silenced, labels_of(row)):
            return f"silenced:{by}"
    return "chattering" if standing.chattering and alarm_id != row.chattering_alarm_id else ""
