"""The interface to what decides on cases: the city's classes, and what is not collected."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from sqlalchemy import Connection, select

from collector.cases import classes, no_collection
from collector.cases.api import Cursor, Limit, refuse
from collector.cases.no_collection import Rule
from collector.cases.settings import Cases
from collector.cases.tables import case_class_versions, uncollected
from collector.cases.views import (
    CaseClassRequest,
    CaseClassView,
    ClassVersionView,
    NoCollectionRequest,
    NoCollectionView,
    UncollectedView,
)
from collector.cases.words import CaseError
from collector.database import Database
from collector.people.acting import allowed
from collector.people.roles import Actor, Role
from collector.queries import page
from collector.views import Page, RefusalView

Commanding = Annotated[Actor, Depends(allowed(Role.COMMAND))]
ProblemName = Annotated[str, Path(min_length=1, max_length=64)]
RuleId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Version = Annotated[int | None, Query(ge=0, le=2**31 - 1)]
NameCursor = Annotated[str, Query(max_length=64, description="`next` of the page before.")]


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    limits: Cases
    now_ms: Callable[[], int]
    new_id: Callable[[], str]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(responses={code: {"model": RefusalView} for code in (403, 404, 409)})
    _add_classes(routes, sources)
    _add_class_changes(routes, sources)
    _add_rules(routes, sources)
    _add_uncollected(routes, sources)
    return routes


def _add_classes(routes: APIRouter, sources: Sources) -> None:
    @routes.get("/case-classes")
    async def get_classes(
        version: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="As they were then.")] = None,
        limit: Limit = 100,
        cursor: NameCursor = "",
    ) -> Page[CaseClassView]:
        """The city's classes by problem: in force, or as they were in a version."""
        held = await sources.state.read(lambda db: classes.all_of(db, version))
        items = [
            CaseClassView(version=each.version, source=each.source, entry=each.entry)
            for each in held
            if each.entry.problem > cursor
        ]
        return page(items, limit, lambda item: item.entry.problem)

    @routes.get("/case-classes/versions")
    async def get_versions(limit: Limit = 100, cursor: Cursor = "") -> Page[ClassVersionView]:
        """Who changed the classes, the newest change first."""
        query = select(case_class_versions).order_by(case_class_versions.c.version.desc()).limit(limit + 1)
        if cursor:
            query = query.where(case_class_versions.c.version < int(cursor))
        rows = await sources.state.read(lambda db: db.execute(query).all())
        items = [ClassVersionView.model_validate(dict(row._mapping)) for row in rows]
        return page(items, limit, lambda item: str(item.version))


def _add_class_changes(routes: APIRouter, sources: Sources) -> None:
    most = sources.limits.class_versions_max

    @routes.put("/case-classes/{problem}")
    async def put_class(
        problem: ProblemName, told: CaseClassRequest, request: Request, actor: Commanding
    ) -> CaseClassView:
        """Make or change a class, from now on; open cases keep what they were opened with."""
        if told.entry.problem != problem:
            raise HTTPException(422, f"entry.problem is {told.entry.problem!r}, the address says {problem!r}")

        def work(connection: Connection) -> CaseClassView:
            classes.put(connection, told.entry, actor, sources.now_ms(), seen=told.version, most=most)
            return _class(connection, problem)

        try:
            return await sources.state.write(work)
        except CaseError as error:
            refuse(request, error)

    @routes.delete("/case-classes/{problem}")
    async def delete_class(
        problem: ProblemName, request: Request, actor: Commanding, version: Version = None
    ) -> ClassVersionView:
        """Have a problem make no case from now on."""

        def work(connection: Connection) -> ClassVersionView:
            number = classes.remove(connection, problem, actor, sources.now_ms(), seen=version, most=most)
            query = select(case_class_versions).where(case_class_versions.c.version == number)
            return ClassVersionView.model_validate(dict(connection.execute(query).one()._mapping))

        try:
            return await sources.state.write(work)
        except CaseError as error:
            refuse(request, error)


def _add_rules(routes: APIRouter, sources: Sources) -> None:
    @routes.get("/no-collection")
    async def get_rules(limit: Limit = 100, cursor: Cursor = "") -> Page[NoCollectionView]:
        """Times and areas of which nothing is collected, the newest first."""
        before = int(cursor or 0)
        rows = await sources.state.read(lambda db: no_collection.page(db, before, limit + 1))
        numbers = {row.id: row.row for row in rows}
        items = [NoCollectionView.model_validate(dict(row._mapping)) for row in rows]
        return page(items, limit, lambda item: str(numbers[item.id]))

    @routes.post("/no-collection")
    async def post_rule(told: NoCollectionRequest, request: Request, actor: Commanding) -> NoCollectionView:
        """Have alarms of an area and class make no case for a time; they are counted."""
        if told.until_ms is not None and told.until_ms <= told.from_ms:
            raise HTTPException(422, "until_ms is not after from_ms; nothing lies between")
        if (told.daily_from_min is None) != (told.daily_until_min is None):
            raise HTTPException(422, "daily_from_min needs daily_until_min, and the other way round")
        rule_id, most = sources.new_id(), sources.limits.no_collection_max

        def work(connection: Connection) -> NoCollectionView:
            rule = Rule(**told.model_dump())
            no_collection.add(connection, rule_id, rule, actor, sources.now_ms(), most=most)
            return _rule(connection, rule_id)

        try:
            return await sources.state.write(work)
        except CaseError as error:
            refuse(request, error)

    @routes.post("/no-collection/{rule_id}/end")
    async def post_end(rule_id: RuleId, request: Request, actor: Commanding) -> NoCollectionView:
        """End a rule: alarms that are still active make their cases now."""

        def work(connection: Connection) -> NoCollectionView:
            no_collection.end(connection, rule_id, actor, sources.now_ms())
            return _rule(connection, rule_id)

        try:
            return await sources.state.write(work)
        except CaseError as error:
            refuse(request, error)


def _add_uncollected(routes: APIRouter, sources: Sources) -> None:
    @routes.get("/no-collection/{rule_id}/alarms")
    async def get_uncollected(
        rule_id: RuleId, limit: Limit = 100, cursor: Cursor = ""
    ) -> Page[UncollectedView]:
        """Alarms that made no case because of a rule, the newest first."""
        query = select(uncollected).where(uncollected.c.rule_id == rule_id)
        query = query.order_by(uncollected.c.row.desc()).limit(limit + 1)
        if cursor:
            query = query.where(uncollected.c.row < int(cursor))
        rows = await sources.state.read(lambda db: db.execute(query).all())
        numbers = {(row.gateway, row.alarm_id): row.row for row in rows}
        items = [UncollectedView.model_validate(dict(row._mapping)) for row in rows]
        return page(items, limit, lambda item: str(numbers[item.gateway, item.alarm_id]))


def _class(connection: Connection, problem: str) -> CaseClassView:
    held = classes.of(connection, problem)
    if held is None:
        raise CaseError("unknown_class", problem=problem)
    return CaseClassView(version=held.version, source=held.source, entry=held.entry)


def _rule(connection: Connection, rule_id: str) -> NoCollectionView:
    return NoCollectionView.model_validate(dict(no_collection.one(connection, rule_id)._mapping))
