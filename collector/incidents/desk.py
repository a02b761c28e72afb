"""What people do with incidents; each change is noted on the audit trail, in the same transaction."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from collector.incidents import rows
from collector.people import audit
from collector.people.roles import Actor

Keys = Sequence[tuple[str, str]]
"""Alarms by gateway and id."""
AcknowledgeAlarms = Callable[[Connection, Keys, Actor, int], None]


def no_alarms(_connection: Connection, _keys: Keys, _actor: Actor, _at_ms: int) -> None:
    """Acknowledge nothing."""


class IncidentError(Exception):
    """A change contradicts how the incident stands; the text says how, and what to do."""


class UnknownIncidentError(LookupError):
    """There is no such incident."""


class IncidentDesk:
    """Acknowledges incidents."""

    def __init__(self, acknowledge_alarms: AcknowledgeAlarms = no_alarms) -> None:
        """``acknowledge_alarms`` acknowledges the conditions of these alarms, as far as they are not."""
        self._acknowledge_alarms = acknowledge_alarms

    def acknowledge(
        self, connection: Connection, incident_id: str, version: int, actor: Actor, at_ms: int
    ) -> None:
        """Acknowledge an incident as it was seen in ``version``, and its members' alarms with it.

        UnknownIncidentError where there is none; IncidentError where it is closed, acknowledged or another
        by now: then somebody has to look again.
        """
        row = _one(connection, incident_id)
        if row.merged_into:
            raise IncidentError(
                f"incident {incident_id} went over to {row.merged_into}; acknowledge that one"
            )
        if row.closed_ms is not None:
            raise IncidentError(f"incident {incident_id} is closed; there is nothing left to acknowledge")
        if row.acked_ms is not None:
            raise IncidentError(f"incident {incident_id} was acknowledged by {row.acked_by} already")
        if row.version != version:
            raise IncidentError(
                f"incident {incident_id} is at version {row.version}, not {version}: it has grown or become "
                "more severe; look at it again"
            )
        acked = {"acked_ms": at_ms, "acked_by": actor.name}
        rows.change(
            connection,
            incident_id,
            acked | {"version": row.version + 1, "revision": row.revision + 1},
        )
        self._acknowledge_alarms(connection, rows.keys_of(connection, incident_id), actor, at_ms)
        detail = {"title": row.title_en, "members": row.members}
        audit.note(connection, actor, at_ms, "incident.acknowledge", incident_id, detail)


def _one(connection: Connection, incident_id: str) -> Row[Any]:
    for row in rows.by_id(connection, [incident_id]):
        return row
    raise UnknownIncidentError(f"there is no incident {incident_id}, or it was too long ago")
