"""Where commands stand, and what gateways' answers make of that. Runs inside its caller's transaction.

An answer is believed late as well: a command whose time was over before anybody heard of it may have been
executed all the same. How a command was executed is never changed by what comes after.
"""

from enum import StrEnum

import msgspec
from sqlalchemy import Connection, or_, update

from collector.tables import commands
from contract.events import CommandOutcome, CommandResult


class State(StrEnum):
    """Where a command stands."""

    WAITING = "waiting"  # the broker has not had it yet
    PUBLISHED = "published"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"  # the gateway was interrupted: nobody knows
    EXPIRED = "expired"  # no answer by its time


OPEN = (State.WAITING, State.PUBLISHED)
REPLACED = {
    CommandOutcome.DONE: (*OPEN, State.EXPIRED, State.REFUSED, State.INDETERMINATE),
    CommandOutcome.FAILED: (*OPEN, State.EXPIRED, State.REFUSED, State.INDETERMINATE),
    CommandOutcome.REFUSED: (*OPEN, State.EXPIRED),
    CommandOutcome.INDETERMINATE: (*OPEN, State.EXPIRED, State.REFUSED),
}
"""Which states an answer may end. One message of a command may be refused, and another be executed."""


def answered(connection: Connection, gateway: str, result: CommandResult) -> None:
    """Take what a gateway says of one of its commands; of what is no command of ours, nothing is noted."""
    named = [commands.c.id == result.command_id] if result.command_id else []
    named += [commands.c.digest == result.digest] if result.digest else []
    if not named:
        return
    connection.execute(
        update(commands)
        .where(commands.c.gateway == gateway, or_(*named))
        .where(commands.c.state.in_(REPLACED[result.outcome]))
        .values(
            state=str(result.outcome),
            refusal=str(result.refusal or "") if result.outcome is CommandOutcome.REFUSED else "",
            reason=result.reason,
            read_back=msgspec.json.encode(result.value).decode(),
            answered_ms=result.time_ms,
            next_ms=None,
        )
    )


def greeted(connection: Connection, gateway: str, now_ms: int) -> None:
    """A gateway that has just come did not hear what was published before: publish what is valid."""
    connection.execute(
        update(commands)
        .where(commands.c.gateway == gateway, commands.c.state.in_(OPEN), commands.c.expires_ms > now_ms)
        .values(next_ms=now_ms)
    )


def expire(connection: Connection, now_ms: int) -> None:
    """What is over without an answer is not published any more."""
    connection.execute(
        update(commands)
        .where(commands.c.state.in_(OPEN), commands.c.expires_ms <= now_ms)
        .values(state=State.EXPIRED.value, reason="no answer by its time", next_ms=None)
    )
