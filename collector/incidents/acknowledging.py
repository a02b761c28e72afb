"""Acknowledging an incident acknowledges where its alarms' sources stand: the two rooms put together."""

from sqlalchemy import Connection, select

from collector.alarms.operating import Asked, ConflictError, Operators
from collector.alarms.tables import conditions
from collector.alarms.transitions import Happening
from collector.held import one_of, pieces
from collector.incidents.desk import Keys
from collector.people.roles import Actor

COMMENT = "with its incident"


class AlarmsOfIncidents:
    """Acknowledges the sources of alarms, as an operator does one by one."""

    def __init__(self, operators: Operators) -> None:
        """``operators`` do it."""
        self._operators = operators

    def acknowledge(self, connection: Connection, keys: Keys, actor: Actor, at_ms: int) -> None:
        """Acknowledge the sources whose newest alarm is one of these; what cannot be is left as it is."""
        columns = conditions.c.gateway, conditions.c.alarm_id
        for some in pieces(keys):
            query = select(conditions.c.row, conditions.c.version).where(
                one_of(connection, columns, some), ~conditions.c.acked
            )
            for row, version in connection.execute(query).all():
                asked = Asked(Happening.ACKNOWLEDGED, version, comment=COMMENT)
                try:
                    self._operators.act(connection, row, asked, actor, at_ms)
                except ConflictError:  # its life does not allow it now: then nobody is told of it either
                    continue
