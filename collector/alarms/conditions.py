"""Alarm sources through their life: what gateways and rules tell of them, and of which nobody is told now."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, select

from collector import registry
from collector.alarms import silences
from collector.alarms.happening import Alarm
from collector.alarms.labels import LABELS, hold, labels_of
from collector.alarms.lifecycle import Standing, step
from collector.alarms.settings import AlarmSettings
from collector.alarms.sources import SOURCE, Sources
from collector.alarms.standings import Change, Standings, standing_of
from collector.alarms.tables import conditions
from collector.alarms.transitions import Happening
from collector.held import Held, Lookup
from collector.tables import alarms
from contract.events import Priority

PLANNED = "planned"
"""Why an alarm is suppressed that was raised while its device was under maintenance: its gateway says so."""

Key = tuple[str, str]
AreasOf = Callable[[Connection, Collection[str]], Mapping[str, str]]
_OF_ALARMS = Lookup(
    select(conditions, alarms.c.id).join(
        alarms, and_(*(alarms.c[name] == conditions.c[name] for name in SOURCE))
    ),
    alarms.c.gateway,
    alarms.c.id,
)


class Place(NamedTuple):
    """What is known of where an alarm comes from; empty where it is not."""

    line: str = ""
    part: str = ""
    area: str = ""


def _divisions(_connection: Connection, codes: Collection[str]) -> dict[str, str]:
    """Return the areas of parts without a register: their divisions."""
    return {code: code[:6] for code in codes}


class Conditions:
    """The follower of alarms that keeps ``conditions``; others decide by what it has written."""

    def __init__(
        self,
        settings: AlarmSettings,
        *,
        now_ms: Callable[[], int],
        areas_of: AreasOf = _divisions,
    ) -> None:
        """``areas_of`` returns the areas of parts by their codes, as far as they are known."""
        self._chatter, self._latched_by = settings.chatter, settings.latched_by
        self._now_ms, self._areas_of = now_ms, areas_of
        self.standings = Standings([rule.rule() for rule in settings.inhibit_rules], settings.flood)

    def follow(self, connection: Connection, alarms: Sequence[Alarm]) -> None:
        """See Follower."""
        now_ms = self._now_ms()
        with self.standings.sources(connection) as sources:
            sources.load(alarm.source for alarm in alarms)
            places = self._places(connection, [each for each in alarms if each.cleared_ms is None])
            for alarm in alarms:
                if alarm.cleared_ms is None:
                    self._raised(sources, alarm, places[alarm.gateway, alarm.id], now_ms)
                else:
                    self._cleared(sources, alarm, now_ms)

    def _raised(self, sources: Sources, alarm: Alarm, place: Place, now_ms: int) -> None:
        held = sources.of_source(alarm.source)
        before = standing_of(held) if held else Standing()
        remembered = json.loads(held.activations) if held else []
        activations, chatters = self._chatter.activated(remembered, alarm.raised_ms)
        after = step(before, Happening.RAISED, priority=alarm.priority)
        if alarm.planned is not (PLANNED in after.suppressed):
            turned = Happening.SUPPRESSED if alarm.planned else Happening.UNSUPPRESSED
            after = step(after, turned, reason=PLANNED)
        told = _told(alarm, place) | {
            "activations": json.dumps(activations),
            "activated_ms": now_ms,
            "occurrences": held.occurrences + 1 if held else 1,
        }
        if chatters and not before.chattering:
            after = step(after, Happening.CHATTERING_BEGAN)
            told |= {"chattering_since_ms": now_ms, "chattering_alarm_id": alarm.id}
        after = self.standings.inhibited(sources, {name: told.get(name, "") for name in LABELS}, after)
        change = Change(Happening.RAISED, alarm.gateway, now_ms)
        if held is None:
            self.standings.begin(sources, told, after, change)
        else:
            self.standings.put(sources, held, after, change, **told)

    def _cleared(self, sources: Sources, alarm: Alarm, now_ms: int) -> None:
        """The end of an earlier occurrence is not that of the current one."""
        held = sources.of_source(alarm.source)
        if held is None or held.alarm_id != alarm.id:
            return
        after = step(standing_of(held), Happening.CLEARED, latching=self.latches(held))
        if PLANNED in after.suppressed:
            after = step(after, Happening.UNSUPPRESSED, reason=PLANNED)
        after = self.standings.inhibited(sources, labels_of(held), after)
        change = Change(Happening.CLEARED, alarm.gateway, now_ms)
        self.standings.put(sources, held, after, change, cleared_ms=alarm.cleared_ms)

    def latches(self, row: Row[Any] | Held) -> bool:
        """Say whether a source that returns to normal waits for a reset."""
        labels = labels_of(row)
        return any(hold([each], labels) for each in self._latched_by)

    def quiet(self, connection: Connection, keys: Collection[Key]) -> dict[Key, str]:
        """Return of which of these alarms, (gateway, id), nobody is to be told now, and why."""
        return quiet(connection, keys, self._now_ms())

    def _places(self, connection: Connection, alarms: Sequence[Alarm]) -> dict[Key, Place]:
        """Return where alarms come from."""
        known = registry.devices_named(connection, [(each.gateway, each.device) for each in alarms])
        found = {}
        for each in alarms:
            device = known.get((each.gateway, each.device))
            part = each.part or (device.part if device else "")
            found[each.gateway, each.id] = Place(device.line if device else "", part)
        areas = self._areas_of(connection, {place.part for place in found.values() if place.part})
        return {key: place._replace(area=areas.get(place.part, "")) for key, place in found.items()}


def _told(alarm: Alarm, place: Place) -> dict[str, Any]:
    """Return what the newest occurrence says of its source."""
    return {
        "gateway": alarm.gateway,
        "rule": alarm.rule,
        "device": alarm.device,
        "point": alarm.point,
        "condition": alarm.condition,
        "alarm_id": alarm.id,
        "problem": alarm.problem,
        "part": place.part,
        "line": place.line,
        "area": place.area,
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
    rows = _OF_ALARMS.rows(connection, keys)
    found = {(row.gateway, row.id): _reason(row, row.id, silenced) for row in rows}
    return {key: reason for key, reason in found.items() if reason}


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
