"""Open incidents and members in one transaction: read together, changed in memory, written together."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from collector.alarms.happening import Alarm
from collector.held import Held, HeldRows, Lookup
from collector.incidents import rows
from collector.incidents.labels import Seen
from collector.incidents.rows import Key
from collector.incidents.tables import incident_members as members
from collector.incidents.tables import incidents

EMPTY: Mapping[str, Any] = {
    "idle_ms": None,
    "closed_ms": None,
    "merged_into": None,
    "sources": 0,
    "members": 0,
    "active": 0,
    "west": None,
    "south": None,
    "east": None,
    "north": None,
    "acked_ms": None,
    "acked_by": "",
    "case_id": None,
    "revision": 1,
    "version": 1,
}

_MEMBERS = Lookup(select(members), members.c.gateway, members.c.alarm_id)
_BY_ID = Lookup(select(incidents), incidents.c.id)
_OPEN = Lookup(select(incidents).where(incidents.c.closed_ms.is_(None)), incidents.c.grouping)


class HeldIncidents:
    """What some alarms may join, or be members of already."""

    def __init__(self, connection: Connection, alarms: Sequence[Key], groupings: Iterable[str]) -> None:
        """Read the incidents of these alarms, and the open ones of these groupings."""
        self._connection, self._alarms, self._groupings = connection, alarms, list(groupings)
        self._read()

    def _read(self) -> None:
        self._incidents = HeldRows(self._connection, incidents, "id")
        self._members = HeldRows(self._connection, members, "gateway", "alarm_id")
        self._sources: set[tuple[str, str]] = set()
        self._open: dict[str, list[Held]] = {}
        theirs = self._members.load(_MEMBERS, self._alarms)
        self._incidents.load(_BY_ID, [each.incident_id for each in theirs if each.cleared_ms is None])
        self._read_open(self._groupings)

    def _read_open(self, groupings: Collection[str]) -> None:
        self._open |= {grouping: [] for grouping in groupings}
        found = self._incidents.load(_OPEN, groupings)
        for held in sorted(found, key=lambda each: each.row, reverse=True):
            self._open[held.grouping].append(held)

    def written(self) -> Connection:
        """Write what was changed, and return where it is: whoever asks SQL asks there."""
        self._incidents.write()
        self._members.write()
        return self._connection

    def changed_behind(self) -> None:
        """Read anew: SQL has changed what was written."""
        self._read()

    def incident_of(self, key: Key) -> str | None:
        """Return the incident of one of the alarms."""
        member = self._members.get(*key)
        return member.incident_id if member else None

    def open_of(self, grouping: str) -> Sequence[Held]:
        """Return the open incidents of a rule with some labels, the newest first."""
        if grouping not in self._open:
            self._read_open([grouping])
        return tuple(self._open[grouping])

    def open(self, values: Mapping[str, Any]) -> Held:
        """Begin an incident of one of the groupings; it has no members yet."""
        held = self._incidents.add({**EMPTY, **values})
        self._open[held.grouping].insert(0, held)
        return held

    def change(self, incident: Held, values: Mapping[str, Any]) -> None:
        """Change an incident."""
        self._incidents.change(incident, **values)

    def let_go(self, incident: Held) -> None:
        """Take an open incident's key away: it goes on, and nothing joins it any more."""
        self._open[incident.grouping].remove(incident)
        ended = f"{incident.key[:600]}#{incident.id}"
        self._incidents.change(incident, key=ended, grouping=ended[:600])

    def has_source(self, incident_id: str, source: str) -> bool:
        """Say whether an alarm of this source is a member already."""
        if (incident_id, source) not in self._sources:
            if not rows.has_source(self._connection, incident_id, source):
                return False
            self._sources.add((incident_id, source))
        return True

    def add_member(self, incident_id: str, seen: Seen) -> None:
        """Add a member that is active."""
        self._members.add(
            {
                "incident_id": incident_id,
                "gateway": seen.alarm.gateway,
                "alarm_id": seen.alarm.id,
                "source": seen.source,
                "at_ms": seen.at_ms,
                "cleared_ms": None,
            }
        )
        self._sources.add((incident_id, seen.source))

    def clear_member(self, alarm: Alarm, now_ms: int) -> None:
        """Note that a member is active no more; twice is as once."""
        member = self._members.get(alarm.gateway, alarm.id)
        if member is None or member.cleared_ms is not None:
            return
        self._members.change(member, cleared_ms=alarm.cleared_ms)
        incident = self._incidents.get(member.incident_id)
        if incident is not None:
            active = incident.active - 1
            idle = {"idle_ms": None} if active else {"idle_ms": now_ms, "revision": incident.revision + 1}
            self._incidents.change(incident, active=active, last_ms=now_ms, **idle)
