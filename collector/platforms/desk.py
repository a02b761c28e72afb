"""The built-in desk, for a city without a platform: cases are filed and dispatched at the centre itself."""

from collector.platforms.protocol import (
    Answered,
    CannotSay,
    Capabilities,
    Found,
    LookedUp,
    Outgoing,
    Statuses,
    Taken,
    Untold,
)


class DeskConnector:
    """Takes every case; filed, it is dispatched by its class or by a person (``collector.cases``)."""

    @property
    def capabilities(self) -> Capabilities:
        """See Connector: it is in the same database, so nothing is ever ambiguous."""
        return Capabilities(has_key=True, can_look_up=True)

    async def send(self, message: Outgoing, key: str) -> Answered:  # noqa: ARG002
        """See Connector."""
        if message.kind != "opened":
            return Untold()
        return Taken()

    async def look_up(self, message: Outgoing, key: str) -> LookedUp:  # noqa: ARG002
        """See Connector: what it was sent it takes whenever that is looked at."""
        return Found("")

    async def statuses(self, cursor: str) -> Statuses | CannotSay:
        """See Connector: what happens at the desk happens in the case itself."""
        return Statuses((), cursor)

    async def close(self) -> None:
        """See Connector."""
