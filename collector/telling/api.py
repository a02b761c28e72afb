"""The interface to messages and on-call tables. No GET changes anything: mail programs follow links."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row

from collector import queries
from collector.database import Database
from collector.people import audit
from collector.people.acting import allowed
from collector.people.roles import Actor, Role
from collector.telling import on_call, reading
from collector.telling.book import TellingBook
from collector.telling.facts import Kind, State
from collector.telling.files import Files
from collector.telling.settings import Telling
from collector.views import Page, RefusalView
from contract.events import Priority
from contract.limits import TIME_MS_MAX

NOBODY = "nobody is told anything here: name people_file and channels_file in [telling] of the settings"
Filter = Annotated[str, Query(max_length=64, description="Only of this one; empty for all.")]


class MessageView(BaseModel):
    """A message to one person over one channel; ``incidents``: of so many it tells. Times are UTC ms.

    ``state`` perhaps_sent: the centre ended while it was being sent, and nobody knows.
    """

    id: str
    incident_id: str | None
    alarm: str | None
    incidents: int
    person: str
    channel: str
    kind: Kind
    highest: bool
    state: State
    attempts: int
    at_ms: int
    next_ms: int
    settled_ms: int | None
    reason: str
    subject: str
    body: str
    digest: str


class ReachedView(BaseModel):
    """Somebody who would be told, over which channels; ``quiet_until_ms``: they are in their quiet hours."""

    name: str
    title: str
    distance_km: float | None
    channels: list[str]
    quiet_until_ms: int | None


class StepView(BaseModel):
    """Who is told together, so long after the first message, unless somebody acknowledges."""

    level: int
    after_s: float
    people: list[ReachedView]


class PassedOverView(BaseModel):
    """A table that stands before the one that is for it, and why it is not."""

    table: str
    why: str


class OnCallView(BaseModel):
    """Who would be told. ``table`` is the first that fits, or "fallback"."""

    at_ms: int
    table: str
    passed_over: list[PassedOverView]
    steps: list[StepView]
    problem: str
    """Why the newest people file is not in force; empty: it is."""


class TestRequest(BaseModel):
    """Who is to get a test message."""

    model_config = ConfigDict(extra="forbid")

    person: str = Field(min_length=1, max_length=64)


class TestView(BaseModel):
    """The message; /messages tells what became of it."""

    id: str
    person: str
    channel: str


@dataclass(frozen=True)
class Sources:
    """What the interface works with; without ``files`` and ``book`` nobody is told anything."""

    state: Database
    settings: Telling
    files: Files | None
    book: TellingBook
    zone: tzinfo
    now_ms: Callable[[], int]
    new_id: Callable[[], str]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(responses={409: {"model": RefusalView}})
    _add_messages(routes, sources)
    _add_on_call(routes, sources)
    _add_test(routes, sources)
    return routes


def _add_messages(routes: APIRouter, sources: Sources) -> None:
    @routes.get("/messages")
    async def get_messages(
        person: Filter = "",
        channel: Filter = "",
        incident: Filter = "",
        kind: Kind | None = None,
        state: State | None = None,
        limit: Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")] = 100,
        cursor: Annotated[str, Query(pattern="^[0-9]{0,18}$", description="`next` of the page before.")] = "",
    ) -> Page[MessageView]:
        """Messages, the newest first; those of an incident with the summaries that tell of it."""
        wanted = {"person": person, "channel": channel, "incident": incident}
        wanted |= {"kind": kind or "", "state": state or ""}
        before = int(cursor) if cursor else None
        rows = await sources.state.read(lambda db: reading.newest(db, wanted, before, limit + 1))
        cursors = {row.id: str(row.row) for row in rows}
        return queries.page([_view(row) for row in rows], limit, lambda item: cursors[item.id])


def _add_on_call(routes: APIRouter, sources: Sources) -> None:
    @routes.get("/on-call")
    async def get_on_call(
        at_ms: Annotated[
            int | None, Query(alias="at", ge=0, le=TIME_MS_MAX, description="UTC ms; now if none is given.")
        ] = None,
        area: Annotated[str, Query(max_length=64, description="The code of an area or grid.")] = "",
        problem: Annotated[str, Query(alias="class", max_length=64, description="The problem class.")] = "",
        priority: Priority = Priority.HIGH,
        lon: Annotated[float | None, Query(ge=-180, le=180)] = None,
        lat: Annotated[float | None, Query(ge=-90, le=90)] = None,
    ) -> OnCallView:
        """Who would be told of such an incident at that time, in which order, and why by that table."""
        if sources.files is None:
            raise HTTPException(409, NOBODY)
        if (lon is None) != (lat is None):
            raise HTTPException(422, "lon and lat go together; give both or none")
        position = None if lon is None or lat is None else (lon, lat)
        asked = on_call.Asked(area, problem, priority, position)
        return _on_call(sources, sources.files, asked, sources.now_ms() if at_ms is None else at_ms)


def _add_test(routes: APIRouter, sources: Sources) -> None:
    @routes.post(
        "/on-call/test", responses={404: {"model": RefusalView}, 429: {"model": RefusalView}}, status_code=202
    )
    async def post_test(
        asked: TestRequest, actor: Annotated[Actor, Depends(allowed(Role.ADMINISTRATOR))]
    ) -> TestView:
        """Send somebody a test message over their first channel."""
        if sources.files is None:
            raise HTTPException(409, NOBODY)
        person = sources.files.standing.directory.person(asked.person)
        if person is None:
            raise HTTPException(404, f"{asked.person[:64]!r} is nobody; the people file names people")
        now_ms, message_id = sources.now_ms(), sources.new_id()

        def work(connection: Connection) -> bool:
            if reading.tests_in_the_last_hour(connection, now_ms) >= sources.settings.tests_per_hour_max:
                return False
            sources.book.test(connection, person, actor.name, now_ms, message_id)
            audit.note(connection, actor, now_ms, "on_call.test", person.name, {"message": message_id})
            return True

        if not await sources.state.write(work):
            told = f"{sources.settings.tests_per_hour_max} tests were sent in the last hour; try again later"
            raise HTTPException(429, told)
        return TestView(id=message_id, person=person.name, channel=person.channels[0].channel)


def _on_call(sources: Sources, files: Files, asked: on_call.Asked, at_ms: int) -> OnCallView:
    directory, settings = files.standing.directory, sources.settings
    picked = on_call.chosen(directory, asked, at_ms, sources.zone)
    after_s = picked.escalate_after_s or settings.escalate_after_s
    if asked.priority is Priority.HIGHEST:
        own_s = picked.escalate_after_s or settings.escalate_highest_after_s
        after_s = min(own_s, settings.escalate_highest_after_s)
    steps = []
    for number, step in enumerate(picked.steps):
        people = []
        for name, distance in zip(step.people, step.distances_km, strict=True):
            person = directory.by_name[name]
            quiet_ms = on_call.quiet_until_ms(person, at_ms, sources.zone)
            people.append(
                ReachedView(
                    name=name,
                    title=person.title,
                    distance_km=None if distance is None else round(distance, 2),
                    channels=[reach.channel for reach in person.channels],
                    quiet_until_ms=quiet_ms if quiet_ms > at_ms else None,
                )
            )
        steps.append(StepView(level=step.level, after_s=number * after_s, people=people))
    passed = [PassedOverView(table=table, why=why) for table, why in picked.passed_over]
    return OnCallView(at_ms=at_ms, table=picked.table, passed_over=passed, steps=steps, problem=files.problem)


def _view(row: Row[Any]) -> MessageView:
    told = dict(row._mapping)
    told |= {"incident_id": row.incident_id or None, "alarm": row.alarm or None}
    return MessageView.model_validate({name: told[name] for name in MessageView.model_fields})
