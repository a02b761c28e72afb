"""The interface to commands: one is given to one gateway, each is looked up with its answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row

from collector import queries, registry
from collector.commands import book as command_book
from collector.commands.book import CommandBook, CommandError, Order
from collector.commands.states import State
from collector.database import Database
from collector.desired.book import UNHEARD
from collector.people import audit
from collector.people.acting import NamedBy, allowed, named
from collector.people.roles import Actor, Role
from collector.views import Page, RefusalView
from contract.commands import TARGET_CHARACTERS_MAX, CommandKind, CommandRefusal
from contract.limits import (
    COMMAND_HOLD_MS_MAX,
    COMMAND_LIFE_MS_MAX,
    NAME_CHARACTERS_MAX,
    WHO_CHARACTERS_MAX,
)

VALID_S = 60.0
GIVERS = allowed(Role.COMMAND, Role.TECHNICIAN)

GatewayName = Annotated[str, Path(max_length=NAME_CHARACTERS_MAX)]
CommandId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


class CommandRequest(BaseModel):
    """What is to be done; ``value`` and ``for_s`` are of a switch, which needs both.

    ``target`` is an output (device/point) or an alarm; ``valid_s`` is how late the command may arrive. With
    an ``id`` of its own, the same that is sent again is the same command.
    """

    model_config = ConfigDict(extra="forbid")

    kind: CommandKind
    target: str = Field(pattern=r"^[a-z0-9][a-z0-9_/-]*$", max_length=TARGET_CHARACTERS_MAX)
    id: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    who: NamedBy | None = Field(default=None, max_length=WHO_CHARACTERS_MAX)
    value: bool | None = None
    for_s: float | None = Field(default=None, gt=0, le=COMMAND_HOLD_MS_MAX / 1000)
    valid_s: float = Field(default=VALID_S, ge=1, le=COMMAND_LIFE_MS_MAX / 1000)


class CommandView(BaseModel):
    """A command, where it stands and why. ``read_back`` is what the output read in the end.

    ``answered_ms`` is by the gateway's clock, the others by the centre's; null: it was not sent, or not
    answered.
    """

    id: str
    gateway: str
    sequence: int
    kind: CommandKind
    target: str
    value: bool | None
    until_ms: int | None
    who: str
    issued_ms: int
    expires_ms: int
    state: State
    refusal: CommandRefusal | None
    reason: str
    read_back: bool | int | float | str | None
    sent_ms: int | None
    answered_ms: int | None


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    book: CommandBook
    now_ms: Callable[[], int]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(
        prefix="/gateways/{gateway}/commands",
        responses={404: {"model": RefusalView}, 409: {"model": RefusalView}},
    )

    @routes.post("")
    async def post_command(
        gateway: GatewayName, asked: CommandRequest, actor: Annotated[Actor, Depends(GIVERS)]
    ) -> CommandView:
        """Give a gateway a command. It is executed once, in time, or not at all; the answer comes later."""
        who, now_ms = named(actor, asked.who), sources.now_ms()
        order = Order(
            gateway, asked.kind, asked.target, who, asked.valid_s, asked.value, asked.for_s, asked.id or ""
        )

        def work(connection: Connection) -> CommandView:
            if order.id and sources.book.given(connection, order):
                return _found(connection, gateway, order.id)
            command_id = sources.book.give(connection, order)
            detail = asked.model_dump(mode="json") | {"id": command_id, "who": who}
            audit.note(connection, actor, now_ms, "command.give", f"gateway/{gateway}", detail)
            return _found(connection, gateway, command_id)

        try:
            return await sources.state.write(work)
        except CommandError as error:
            raise HTTPException(409, str(error)) from error

    @routes.get("")
    async def get_commands(
        gateway: GatewayName,
        limit: Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")] = 100,
        cursor: Annotated[str, Query(pattern="^[0-9]{0,18}$", description="`next` of the page before.")] = "",
    ) -> Page[CommandView]:
        """The commands of a gateway, the newest first."""
        before = int(cursor) if cursor else None

        def work(connection: Connection) -> list[Row[Any]]:
            if not registry.is_known(connection, gateway):
                raise HTTPException(404, f"{gateway}: {UNHEARD}")
            return command_book.newest(connection, gateway, before, limit + 1)

        rows = await sources.state.read(work)
        return queries.page([_view(row) for row in rows], limit, lambda item: str(item.sequence))

    @routes.get("/{command_id}")
    async def get_command(gateway: GatewayName, command_id: CommandId) -> CommandView:
        """One command, and how it ended."""
        return await sources.state.read(lambda db: _found(db, gateway, command_id))

    return routes


def _found(connection: Connection, gateway: str, command_id: str) -> CommandView:
    row = command_book.one(connection, gateway, command_id)
    if row is None:
        raise HTTPException(404, f"{gateway} was given no command {command_id}, or that is too long ago")
    return _view(row)


def _view(row: Row[Any]) -> CommandView:
    told = dict(row._mapping)
    told |= {"refusal": row.refusal or None, "read_back": json.loads(row.read_back)}
    return CommandView.model_validate({name: told[name] for name in CommandView.model_fields})
