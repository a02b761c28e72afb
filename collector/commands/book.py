"""Commands of people to gateways: signed, numbered, and in the state before they are published."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy import insert as plain_insert

from collector import registry
from collector.commands.states import OPEN, State
from collector.desired.book import NO_KEY, UNHEARD
from collector.tables import commands
from contract import batches
from contract.commands import Command, CommandKind, encode
from contract.errors import ContractError
from contract.limits import VERSION
from contract.signing import COMMAND_TYPE, SigningKey

OPEN_PER_GATEWAY_MAX = 100
"""So many commands of a gateway may wait for their answer."""


class CommandError(ValueError):
    """The command cannot be given; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a person wants; ``valid_s`` is how late it may come, ``for_s`` how long a switch holds.

    ``id`` is given by whoever may have to ask again: the same order under it is the same command.
    """

    gateway: str
    kind: CommandKind
    target: str
    who: str
    valid_s: float
    value: bool | None = None
    for_s: float | None = None
    id: str = ""


class CommandBook:
    """Writes the commands; ``key`` is None where the centre has none and can give none."""

    def __init__(
        self,
        district: str,
        key: SigningKey | None,
        *,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        """``new_id`` gives 32 hexadecimal digits that nobody can guess."""
        self._district, self._key = district, key
        self._now_ms, self._new_id = now_ms, new_id

    def given(self, connection: Connection, order: Order) -> bool:
        """Say whether this very order was given under its id; CommandError where another was."""
        row = connection.execute(select(commands).where(commands.c.id == order.id)).first()
        if row is None:
            return False
        wanted = (order.gateway, order.kind, order.target, order.who, order.value)
        ends = (row.issued_ms + _ms(order.valid_s), order.for_s and row.issued_ms + _ms(order.for_s))
        if (row.gateway, row.kind, row.target, row.who, row.value, row.expires_ms, row.until_ms) != (
            *wanted,
            *ends,
        ):
            raise CommandError(f"{order.id} is the id of another command; give this one another")
        return True

    def give(self, connection: Connection, order: Order) -> str:
        """Write a command that is to be published at once, and return its id; CommandError where not.

        Sequences follow the time of issue, so that a centre that was put back to a backup numbers on.
        """
        if self._key is None:
            raise CommandError(NO_KEY)
        if not registry.is_known(connection, order.gateway):
            raise CommandError(UNHEARD)
        waiting = select(func.count()).where(commands.c.gateway == order.gateway, commands.c.state.in_(OPEN))
        if connection.execute(waiting).scalar_one() >= OPEN_PER_GATEWAY_MAX:
            raise CommandError(f"{OPEN_PER_GATEWAY_MAX} commands of {order.gateway} wait for their answer")
        now_ms = self._now_ms()
        last = select(func.max(commands.c.sequence)).where(commands.c.gateway == order.gateway)
        command = Command(
            VERSION,
            self._district,
            order.gateway,
            order.id or self._new_id(),
            max(now_ms, (connection.execute(last).scalar() or 0) + 1),
            now_ms,
            now_ms + _ms(order.valid_s),
            order.kind,
            order.target,
            order.who,
            order.value,
            None if order.for_s is None else now_ms + _ms(order.for_s),
        )
        try:
            jws = self._key.sign(encode(command), COMMAND_TYPE)
        except ContractError as error:
            raise CommandError(str(error)) from error
        self._write(connection, command, jws)
        return command.id

    def _write(self, connection: Connection, command: Command, jws: bytes) -> None:
        connection.execute(
            plain_insert(commands).values(
                id=command.id,
                gateway=command.gateway,
                sequence=command.sequence,
                jws=jws,
                digest=batches.digest(jws),
                kind=str(command.kind),
                target=command.target,
                value=command.value,
                until_ms=command.until_ms,
                who=command.who,
                issued_ms=command.issued_ms,
                expires_ms=command.expires_ms,
                state=State.WAITING.value,
                refusal="",
                reason="",
                read_back="null",
                answered_ms=None,
                sent_ms=None,
                next_ms=command.issued_ms,
            )
        )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def one(connection: Connection, gateway: str, command_id: str) -> Row[Any] | None:
    """Return a gateway's command by its id."""
    this = (commands.c.gateway == gateway, commands.c.id == command_id)
    return connection.execute(select(commands).where(*this)).first()


def newest(connection: Connection, gateway: str, before: int | None, limit: int) -> list[Row[Any]]:
    """Return a gateway's commands, the newest first, of those numbered before a sequence."""
    query = select(commands).where(commands.c.gateway == gateway)
    if before is not None:
        query = query.where(commands.c.sequence < before)
    return list(connection.execute(query.order_by(commands.c.sequence.desc()).limit(limit)))
