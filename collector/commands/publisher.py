"""Commands on their way: published once, and once more to a gateway that says hello, while they are valid."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, or_, select, update

from collector.commands import states as command_states
from collector.commands.states import OPEN, State
from collector.database import Database
from collector.metrics import Metrics
from collector.publishing import AT_ONCE_MAX, Outgoing, Publisher, expiry_s
from collector.tables import commands
from contract import topics


class CommandPublisher(Publisher):
    """Not retained, and with MQTT's expiry: what comes late is not even delivered."""

    def __init__(
        self, district: str, database: Database, metrics: Metrics, *, now_ms: Callable[[], int]
    ) -> None:
        """See Publisher."""
        super().__init__("commands", database, metrics.commands_sent, metrics.patiences, now_ms=now_ms)
        self._district = district

    def is_due(self, connection: Connection) -> bool:
        """See Publisher."""
        now_ms = self._now_ms()
        is_due = or_(commands.c.next_ms <= now_ms, commands.c.expires_ms <= now_ms)
        query = select(commands.c.row).where(commands.c.state.in_(OPEN), is_due).limit(1)
        return connection.execute(query).first() is not None

    def expire(self, connection: Connection) -> None:
        """See Publisher."""
        command_states.expire(connection, self._now_ms())

    def due(self, connection: Connection) -> list[Outgoing]:
        """See Publisher."""
        now_ms = self._now_ms()
        query = (
            select(commands)
            .where(commands.c.state.in_(OPEN), commands.c.next_ms <= now_ms, commands.c.expires_ms > now_ms)
            .order_by(commands.c.sequence)
            .limit(AT_ONCE_MAX)
        )
        return [
            Outgoing(
                topics.cmd(self._district, row.gateway, row.id),
                row.jws,
                expiry_s(row.expires_ms, now_ms),
                False,
                (row.id, row.next_ms),
            )
            for row in connection.execute(query)
        ]

    def note(self, connection: Connection, outgoing: Sequence[Outgoing]) -> None:
        """See Publisher; a gateway that has said hello meanwhile is sent it again."""
        now_ms = self._now_ms()
        for each in outgoing:
            command_id, taken_ms = each.key
            this = (commands.c.id == command_id, commands.c.state.in_(OPEN))
            connection.execute(
                update(commands).where(*this).values(state=State.PUBLISHED.value, sent_ms=now_ms)
            )
            connection.execute(
                update(commands).where(*this, commands.c.next_ms == taken_ms).values(next_ms=None)
            )
