"""Acknowledging an incident acknowledges where its alarms' sources stand: the two rooms put together."""

from sqlalchemy import Connection, select

from collector.alarms.operating import Asked, ConflictError, Operators
from collector.alarms.tables import conditions
from collector.alarms.transitions import Happening
from collector.held import Lookup
from collector.incidents.desk import Keys
from collector.people.roles import Actor

COMMENT = "with its incident"
_UNACKED = Lookup(
    select(conditions.c.row, conditions.c.version).where(~conditions.c.acked),
    conditions.c.gateway,
    conditions.c.alarm_id,
)


class AlarmsOfIncidents:
    """Acknowledges the sources of alarms, as an operator does one by one."""

    def __init__(self, operators: Operators) -> None:
        """``operators`` do it."""
        self._operators = operators

    def acknowledge(self, connection: Connection, keys: Keys, actor: Actor, at_ms: int) -> None:
        """Acknowledge the sources whose newest alarm is one of these; what cannot be is left as it is."""
        for found in list(_UNACKED.rows(connection, keys)):
            asked = Asked(Happening.ACKNOWLEDGED, found.version, comment=COMMENT)
            try:
                self._operators.act(connection, found.row, asked, actor, at_ms)
            except ConflictError:  # its life does not allow it now: then nobody is told of it either
                continue
