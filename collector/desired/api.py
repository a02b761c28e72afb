"""The interface to desired documents: pushed to several gateways or to none, and where each one stands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, func, select

from collector import queries
from collector.database import Database
from collector.desired.book import DesiredBook, Push, PushError
from collector.desired.states import State
from collector.people import audit
from collector.people.acting import allowed, named
from collector.people.roles import Actor, Role
from collector.tables import desired, desired_heard, gateways
from collector.views import Page, RefusalView
from contract.desired import DesiredKind, Refusal
from contract.errors import ContractError
from contract.limits import BODY_BYTES_MAX, TIME_MS_MAX
from contract.names import checked_name

Validator = Callable[[str], Sequence[str]]
"""Takes a body and returns what is wrong with it, in sentences."""

PUSHERS = allowed(Role.LIGHTING, Role.TECHNICIAN)
PUSHER_OF = {DesiredKind.CONFIGURATION: Role.TECHNICIAN}
"""What is for the lighting team unless it stands here; an administrator may push all."""
GATEWAYS_PER_PUSH_MAX = 2_000
PROBLEMS_TOLD_MAX = 100

TimeMs = Annotated[int, Field(ge=0, le=TIME_MS_MAX)]


@dataclass(frozen=True)
class Desk:
    """What the interface works with; every kind has a validator."""

    state: Database
    book: DesiredBook
    validators: Mapping[DesiredKind, Validator]
    now_ms: Callable[[], int]


class PushRequest(BaseModel):
    """Bodies by gateway. ``effective_ms`` null means now, ``expires_ms`` null never.

    ``who`` is a person; once there are users, it is whoever is signed in, whatever it says.
    """

    model_config = ConfigDict(extra="forbid")

    documents: dict[str, str] = Field(min_length=1, max_length=GATEWAYS_PER_PUSH_MAX)
    who: str | None = Field(default=None, min_length=1, max_length=200)
    effective_ms: TimeMs | None = None
    expires_ms: TimeMs | None = None


class DesiredView(BaseModel):
    """The newest document of a gateway, where it stands and why, and what the gateway says it holds.

    ``in_force`` is the sequence that holds there, null for none; ``highest`` the highest it ever took. Times
    null: it was not sent, not answered, never expires, or needs not be sent again. ``reported_ms`` is by the
    gateway's clock, the others by the centre's.
    """

    gateway: str
    kind: DesiredKind
    sequence: int
    state: State
    refusal: Refusal | None
    reason: str
    who: str
    digest: str
    body_digest: str
    issued_ms: int
    effective_ms: int
    expires_ms: int | None
    attempts: int
    sent_ms: int | None
    next_ms: int | None
    reported_ms: int | None
    online: bool | None
    in_force: int | None
    highest: int


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/desired")

    @routes.put(
        "/{kind}",
        responses={409: {"model": RefusalView}},
    )
    async def put_desired(
        kind: DesiredKind, asked: PushRequest, actor: Annotated[Actor, Depends(PUSHERS)]
    ) -> Page[DesiredView]:
        """Push a document to each of the gateways, or to none of them if one is refused."""
        role = PUSHER_OF.get(kind, Role.LIGHTING)
        if not actor.may(role):
            raise HTTPException(
                403, f"{actor.name} is {actor.role}; this is for {role}, {Role.ADMINISTRATOR}"
            )
        if kind is DesiredKind.CONFIGURATION and asked.expires_ms is not None:
            raise HTTPException(422, "a configuration holds until the next one; leave expires_ms out")
        if problems := document_problems(asked.documents, desk.validators[kind]):
            raise refused(problems)
        who, now_ms = named(actor, asked.who), desk.now_ms()
        push = Push(kind, asked.documents, who, asked.effective_ms, asked.expires_ms)
        names = sorted(asked.documents)

        def work(connection: Connection) -> list[DesiredView]:
            desk.book.push(connection, push)
            detail = {"who": who, "gateways": len(names), "first": names[:20]}
            audit.note(connection, actor, now_ms, "desired.push", f"desired/{kind}", detail)
            return _views(connection, kind, names=names)

        try:
            items = await desk.state.write(work)
        except PushError as error:
            if not error.problems:
                raise HTTPException(409, str(error)) from error
            raise refused(error.problems) from error
        return Page(items=items, next=None)

    @routes.get("/{kind}")
    async def get_desired(
        kind: DesiredKind,
        gateway: Annotated[str, Query(max_length=64, description="Only of this one; empty for all.")] = "",
        limit: Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")] = 100,
        cursor: Annotated[str, Query(max_length=64, description="`next` of the page before.")] = "",
    ) -> Page[DesiredView]:
        """The newest document of each gateway, by gateway."""
        names = [gateway] if gateway else None
        items = await desk.state.read(lambda db: _views(db, kind, names=names, after=cursor, limit=limit + 1))
        return queries.page(items, limit, lambda item: item.gateway)

    return routes


def document_problems(documents: Mapping[str, str], validator: Validator) -> dict[str, str]:
    """Return what is wrong, by gateway; equal bodies are looked at once."""
    found: dict[str, str] = {}
    judged: dict[str, str] = {}
    for gateway, body in documents.items():
        try:
            checked_name(gateway, "gateway")
        except ContractError as error:
            found[gateway[:80].encode("ascii", "replace").decode()] = str(error)
            continue
        if body not in judged:
            octets = len(body.encode(errors="replace"))
            too_large = (
                [f"it takes {octets} bytes, {BODY_BYTES_MAX} at most"] if octets > BODY_BYTES_MAX else []
            )
            judged[body] = "; ".join(too_large or validator(body))
        if judged[body]:
            found[gateway] = judged[body]
    return found


def refused(problems: Mapping[str, str]) -> HTTPException:
    """Return a refusal in the form in which parameters out of bounds are told."""
    told: list[dict[str, Any]] = [
        {"type": "document", "loc": ["body", "documents", gateway], "msg": text}
        for gateway, text in sorted(problems.items())[:PROBLEMS_TOLD_MAX]
    ]
    return HTTPException(422, told)


def _views(
    connection: Connection,
    kind: DesiredKind,
    *,
    names: Sequence[str] | None = None,
    after: str = "",
    limit: int = GATEWAYS_PER_PUSH_MAX,
) -> list[DesiredView]:
    """Return the newest documents of gateways after this name, or of the named ones."""
    newest = (
        select(desired.c.gateway, func.max(desired.c.sequence).label("sequence"))
        .where(desired.c.kind == str(kind))
        .group_by(desired.c.gateway)
        .subquery()
    )
    is_heard = (desired_heard.c.gateway == desired.c.gateway) & (desired_heard.c.kind == desired.c.kind)
    columns = [column for column in desired.c if column.name != "jws"]
    query = (
        select(
            *columns, gateways.c.online, desired_heard.c.in_force, func.coalesce(desired_heard.c.highest, 0)
        )
        .join(newest, (newest.c.gateway == desired.c.gateway) & (newest.c.sequence == desired.c.sequence))
        .join(gateways, gateways.c.gateway == desired.c.gateway, isouter=True)
        .join(desired_heard, is_heard, isouter=True)
        .where(desired.c.kind == str(kind), desired.c.gateway > after)
        .order_by(desired.c.gateway)
        .limit(limit)
    )
    if names is not None:
        query = query.where(desired.c.gateway.in_(names))
    keys = [*(column.name for column in columns), "online", "in_force", "highest"]
    rows = [dict(zip(keys, row, strict=True)) for row in connection.execute(query)]
    return [DesiredView.model_validate(row | {"refusal": row["refusal"] or None}) for row in rows]
