"""The built-in desk, for a city without a platform: cases are filed and dispatched at the centre itself."""

from collector.platforms.protocol import (
    Answered,
    CannotSay,
    Capabilities,
    Found,
    LookedUp,
    Outgoing,
    Status,
    Statuses,
    Taken,
    Untold,
)

_DEPARTMENTS = ("maintainer", "owner", "in_charge")
"""Who is to act, as far as the part register says: the first that it names."""


class DeskConnector:
    """Takes every case, under its own number, and dispatches it where the register names a department."""

    @property
    def capabilities(self) -> Capabilities:
        """See Connector: it is in the same database, so nothing is ever ambiguous."""
        return Capabilities(has_key=True, can_look_up=True)

    async def send(self, message: Outgoing, key: str) -> Answered:
        """See Connector."""
        if message.kind != "opened":
            return Untold()
        return Taken(str(message.payload.get("number", "")), _dispatched(message, key))

    async def look_up(self, message: Outgoing, key: str) -> LookedUp:
        """See Connector: what it was sent it takes whenever that is looked at."""
        return Found(str(message.payload.get("number", "")), _dispatched(message, key))

    async def statuses(self, cursor: str) -> Statuses | CannotSay:
        """See Connector: what happens at the desk happens in the case itself."""
        return Statuses((), cursor)

    async def close(self) -> None:
        """See Connector."""


def _dispatched(message: Outgoing, key: str) -> Status | None:
    departments = message.payload.get("departments") or {}
    department = next((departments[name] for name in _DEPARTMENTS if departments.get(name)), "")
    if not department:
        return None  # somebody has to choose one
    return Status(
        f"desk-{key}"[:64], "dispatched", "dispatched", case=message.case_id, department=str(department)[:200]
    )
