"""The interface of platforms: what they tell, what waits for a person, and what the person decides."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, func, select

from collector import queries
from collector.cases.outgoing import Posting
from collector.database import Database
from collector.people import audit
from collector.people.acting import OPEN, allowed
from collector.people.roles import Actor, Role
from collector.platforms import queue
from collector.platforms.callbacks import CallbackError, Called
from collector.platforms.hearing import Outcome
from collector.platforms.rest import BODY_BYTES_MAX
from collector.platforms.running import Platforms
from collector.platforms.stages import Stages
from collector.platforms.tables import platform_statuses
from collector.platforms.words import refusal, wants_chinese
from collector.tables import cases, outbox
from collector.views import Page, RefusalView, TitleView

Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")]
Cursor = Annotated[str, Query(pattern="^[0-9]{0,18}$", description="`next` of the page before.")]
Name = Annotated[str, Path(max_length=64)]
TEXT = r"^[^\x00]*$"
"""What a database can be asked for."""
Filter = Annotated[str, Query(max_length=100, pattern=TEXT, description="Only of this one; empty for all.")]
MESSAGES_MAX = 1000


class Decision(StrEnum):
    """What a person found: the platform has it, or it has not."""

    TAKEN = "taken"
    SEND_AGAIN = "send_again"


class ResolveRequest(BaseModel):
    """``number`` is what the platform calls the case, where it has it."""

    model_config = ConfigDict(extra="forbid")

    decision: Decision
    number: str = Field(default="", max_length=100, pattern=TEXT)
    note: str = Field(default="", max_length=500, pattern=TEXT)


class CapabilitiesView(BaseModel):
    """What the platform can."""

    has_key: bool
    can_look_up: bool
    has_callbacks: bool
    can_poll: bool


class PlatformView(BaseModel):
    """A platform; ``messages`` counts them by state, ``trouble`` is what it says while it takes none."""

    name: str
    kind: str
    capabilities: CapabilitiesView
    messages: dict[str, int]
    trouble: str


class MessageView(BaseModel):
    """A message of a case and where it stands; ``payload`` is what it says, before any mapping."""

    id: int
    case_id: str
    n: int
    kind: str
    key: str
    platform: str
    state: Posting
    attempts: int
    perhaps: bool
    next_ms: int
    reason: str
    at_ms: int
    payload: dict[str, Any]


class WaitingView(BaseModel):
    """A message that waits for a person, why, and of which case; ``perhaps``: the platform may have it."""

    id: int
    platform: str
    case_id: str
    case_number: str
    title: TitleView
    kind: str
    platform_number: str
    reason: str
    perhaps: bool
    attempts: int
    at_ms: int


class StatusView(BaseModel):
    """What a platform told of a case, how that was heard, and what became of it."""

    id: int
    platform: str
    event_id: str
    case_id: str
    stage: str
    code: str
    at_ms: int | None
    received_ms: int
    source: str
    outcome: Outcome
    reason: str


class CallbackView(BaseModel):
    """What became of each event of a callback."""

    model_config = ConfigDict(extra="allow")

    outcomes: list[Outcome] = []


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    platforms: Platforms
    stages: Stages
    now_ms: Callable[[], int]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/platforms")
    _add_reading(routes, sources)
    _add_deciding(routes, sources)
    _add_callbacks(routes, sources)
    return routes


def _add_reading(routes: APIRouter, sources: Sources) -> None:
    @routes.get("")
    async def get_platforms() -> Page[PlatformView]:
        """The platforms of this centre, in the order in which they are asked for a case."""
        counts = await sources.state.read(_counts)
        items = [
            PlatformView(
                name=name,
                kind=each.settings.kind,
                capabilities=CapabilitiesView.model_validate(
                    sources.platforms.outboxes[name].connector.capabilities, from_attributes=True
                ),
                messages=counts.get(name, {}),
                trouble=sources.platforms.outboxes[name].trouble,
            )
            for name, each in sources.platforms.loaded.items()
        ]
        return Page(items=items, next=None)

    @routes.get("/waiting")
    async def get_waiting(
        platform: Filter = "", limit: Limit = 100, cursor: Cursor = ""
    ) -> Page[WaitingView]:
        """Messages that a person has to decide on, the newest first."""
        before = int(cursor or 0)
        rows = await sources.state.read(lambda db: queue.waiting_page(db, platform, before, limit + 1))
        return queries.page([_waiting(row) for row in rows], limit, lambda item: str(item.id))

    @routes.get("/messages")
    async def get_messages(
        case: Annotated[str, Query(min_length=1, max_length=100, pattern=TEXT)],
    ) -> Page[MessageView]:
        """The messages of one case, by its id or number, in the order in which they go out."""
        rows = await sources.state.read(lambda db: _messages(db, case))
        return Page(items=[_message(row) for row in rows], next=None)

    @routes.get("/statuses")
    async def get_statuses(
        platform: Filter = "",
        case: Filter = "",
        outcome: Outcome | None = None,
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Page[StatusView]:
        """What platforms told of cases, the newest first; ``case`` is a case's id."""
        query = select(platform_statuses).order_by(platform_statuses.c.row.desc()).limit(limit + 1)
        for column, wanted in (("platform", platform), ("case_id", case), ("outcome", outcome)):
            if wanted:
                query = query.where(platform_statuses.c[column] == str(wanted))
        if cursor:
            query = query.where(platform_statuses.c.row < int(cursor))
        rows = await sources.state.read(lambda db: db.execute(query).mappings().all())
        items = [StatusView.model_validate({**row, "id": row["row"]}) for row in rows]
        return queries.page(items, limit, lambda item: str(item.id))


def _add_deciding(routes: APIRouter, sources: Sources) -> None:
    @routes.post(
        "/waiting/{message}/resolve", responses={404: {"model": RefusalView}, 409: {"model": RefusalView}}
    )
    async def post_resolve(
        message: Annotated[int, Path(ge=1, le=2**62)],
        asked: ResolveRequest,
        actor: Annotated[Actor, Depends(allowed(Role.COMMAND))],
        request: Request,
    ) -> MessageView:
        """Decide on a message that waits: the platform has it (under this number), or it is sent again."""
        chinese = wants_chinese(request)
        return await sources.state.write(
            lambda db: _resolve(db, sources, message, asked, actor, chinese=chinese)
        )


def _add_callbacks(routes: APIRouter, sources: Sources) -> None:
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": RefusalView} for status in (401, 404, 409, 413)
    }

    @routes.post("/{name}/callback", responses=refusals, dependencies=[Depends(OPEN)])
    async def post_callback(name: Name, request: Request) -> CallbackView:
        """A platform tells how its cases go on; it is known by its signature."""
        desk = sources.platforms.callbacks.get(name)
        if desk is None:
            raise refusal(404, "no_callbacks", chinese=wants_chinese(request), name=name)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise refusal(413, "too_long", chinese=wants_chinese(request), bytes_max=BODY_BYTES_MAX)
        query = request.scope.get("query_string", b"").decode("latin-1")
        path = request.scope.get("raw_path", b"").decode("latin-1") or request.url.path
        called = Called(request.method, f"{path}?{query}" if query else path, dict(request.headers), body)
        try:
            heard = await desk.take(called)
        except CallbackError as error:
            raise HTTPException(error.status, str(error)) from error
        return CallbackView.model_validate({"outcomes": [each.outcome for each in heard], **desk.answer})


def _resolve(
    connection: Connection,
    sources: Sources,
    message: int,
    asked: ResolveRequest,
    actor: Actor,
    *,
    chinese: bool,
) -> MessageView:
    row = connection.execute(select(outbox).where(outbox.c.row == message)).first()
    if row is None:
        raise refusal(404, "no_message", chinese=chinese, message=message)
    if row.state != Posting.NEEDS_PERSON:
        raise refusal(409, "waits_for_nobody", chinese=chinese, message=message, state=row.state)
    now_ms = sources.now_ms()
    if asked.decision is Decision.TAKEN:
        queue.note(connection, message, state=Posting.DONE, reason="", perhaps=False)
        if row.n == 1:
            sources.stages.file(connection, row.case_id, asked.number, actor, now_ms)
    else:
        queue.note(
            connection, message, state=Posting.WAITING, reason="", perhaps=False, attempts=0, next_ms=now_ms
        )
    detail = {
        "decision": str(asked.decision), "number": asked.number, "note": asked.note, "reason": row.reason,
        "platform": row.platform, "kind": row.kind,
    }  # fmt: skip
    audit.note(connection, actor, now_ms, "platform.resolve", row.case_id, detail)
    return _message(connection.execute(select(outbox).where(outbox.c.row == message)).one())


def _counts(connection: Connection) -> dict[str, dict[str, int]]:
    query = select(outbox.c.platform, outbox.c.state, func.count()).group_by(
        outbox.c.platform, outbox.c.state
    )
    found: dict[str, dict[str, int]] = {}
    for platform, state, count in connection.execute(query):
        found.setdefault(platform, {})[state] = count
    return found


def _messages(connection: Connection, case: str) -> list[Any]:
    query = (
        select(outbox)
        .join(cases, cases.c.id == outbox.c.case_id)
        .where((cases.c.id == case) | (cases.c.number == case))
        .order_by(outbox.c.n)
        .limit(MESSAGES_MAX)
    )
    return list(connection.execute(query))


def _message(row: Any) -> MessageView:
    told = dict(row._mapping)
    return MessageView.model_validate({**told, "id": told["row"], "payload": json.loads(told["payload"])})


def _waiting(row: Any) -> WaitingView:
    told = dict(row._mapping)
    title = TitleView(en=told["title_en"], zh=told["title_zh"])
    return WaitingView.model_validate(
        {**told, "id": told["row"], "case_number": told["number"], "title": title}
    )
