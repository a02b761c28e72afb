"""What the interface reads of cases: the list with its filters, one case's life."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import Connection, Row, Select, and_, func, or_, select

from collector.cases.desk import active_count
from collector.cases.life import LIFE, Stage, party_of
from collector.cases.tables import case_events, case_similar, case_stages
from collector.cases.views import (
    CaseAlarmView,
    CaseEventView,
    CaseLifeView,
    PersonStep,
    SimilarView,
    StageView,
)
from collector.cases.words import UnknownCaseError
from collector.people.roles import Actor
from collector.queries import page
from collector.tables import alarms, cases, outbox
from collector.views import CaseView, Page, PostingView, TitleView

ALARMS_PER_CASE_MAX = 100
EVENTS_MAX = 500
STAGES_MAX = 500
PEOPLES_STEPS = frozenset(get_args(PersonStep))


@dataclass(frozen=True, slots=True)
class Filters:
    """Which cases; empty and None leave all. ``area`` begins a grid, ``case_class`` is code or problem."""

    stage: str = ""
    case_class: str = ""
    area: str = ""
    department: str = ""
    part: str = ""
    number: str = ""
    incident: str = ""
    waits_for: str = ""
    overdue: bool | None = None
    open: bool | None = None


def case_page(
    connection: Connection, filters: Filters, before: int, limit: int, now_ms: int
) -> Page[CaseView]:
    """Return cases, the newest first; ``before`` 0 begins."""
    query = _filtered(_cases().order_by(cases.c.row.desc()), filters, now_ms)
    if before:
        query = query.where(cases.c.row < before)
    rows = list(connection.execute(query.limit(limit + 1)).mappings())
    attached = _alarms_of(connection, [row["id"] for row in rows])
    numbers = {row["id"]: row["row"] for row in rows}
    items = [CaseView.model_validate(_told(row, *attached.get(row["id"], ([], 0)), now_ms)) for row in rows]
    return page(items, limit, lambda item: str(numbers[item.id]))


def life(connection: Connection, case_id: str, actor: Actor, now_ms: int) -> CaseLifeView:
    """Return a case with its life; UnknownCaseError."""
    row = connection.execute(_cases().where(cases.c.id == case_id)).mappings().first()
    if row is None:
        raise UnknownCaseError("unknown", case_id=case_id)
    of_case = _alarms_of(connection, [case_id]).get(case_id, ([], 0))
    return CaseLifeView.model_validate(
        _told(row, *of_case, now_ms)
        | {
            "stages": _stages(connection, case_id, now_ms),
            "events": _events(connection, case_id),
            "case_alarms": _case_alarms(connection, case_id),
            "similar": _similar(connection, case_id),
            "active_alarms": active_count(connection, case_id),
            "steps": steps(Stage(row["stage"]), actor),
        }
    )


def steps(stage: Stage, actor: Actor) -> list[str]:
    """Return the steps that somebody may take with a case in this stage."""
    party = party_of(actor)
    fitting = [row for row in LIFE if stage in row.stages and party in row.parties]
    return [row.step.value for row in fitting if row.step in PEOPLES_STEPS]


def _cases() -> Select[Any]:
    """Select cases, each with its first message to the platform that is not done, else its last."""
    message = outbox.alias()
    of_case = select(func.max(message.c.n)).where(message.c.case_id == cases.c.id)
    open_ = select(func.min(message.c.n)).where(message.c.case_id == cases.c.id, message.c.state != "done")
    current = func.coalesce(
        open_.correlate(cases).scalar_subquery(), of_case.correlate(cases).scalar_subquery()
    )
    return (
        select(cases, outbox.c.state, outbox.c.attempts, outbox.c.next_ms, outbox.c.reason)
        .select_from(cases)
        .outerjoin(outbox, and_(outbox.c.case_id == cases.c.id, outbox.c.n == current))
    )


def _filtered(query: Select[Any], filters: Filters, now_ms: int) -> Select[Any]:
    equal = {
        cases.c.stage: filters.stage,
        cases.c.dispatched_to: filters.department,
        cases.c.part: filters.part,
        cases.c.incident_id: filters.incident,
        cases.c.waits_for: filters.waits_for,
    }
    for column, value in equal.items():
        if value:
            query = query.where(column == value)
    if filters.case_class:
        query = query.where(
            or_(cases.c.class_code == filters.case_class, cases.c.problem == filters.case_class)
        )
    if filters.number:
        query = query.where(or_(cases.c.number == filters.number, cases.c.platform_number == filters.number))
    if filters.area:
        query = query.where(cases.c.grid.startswith(filters.area, autoescape=True))
    if filters.open is not None:
        query = query.where(cases.c.closed_ms.is_(None) if filters.open else cases.c.closed_ms.is_not(None))
    if filters.overdue is not None:
        late = and_(cases.c.closed_ms.is_(None), cases.c.deadline_ms < now_ms)
        query = query.where(late if filters.overdue else ~late)
    return query


def _told(row: Any, alarm_ids: list[str], alarm_count: int, now_ms: int) -> dict[str, Any]:
    posting = None
    if row["state"]:
        posting = PostingView(
            state=row["state"], attempts=row["attempts"], next_ms=row["next_ms"], reason=row["reason"]
        )
    return dict(row) | {
        "posting": posting,
        "title": TitleView(en=row["title_en"], zh=row["title_zh"]),
        "alarms": alarm_ids,
        "alarm_count": alarm_count,
        "warnings": json.loads(row["warnings"]),
        "open": row["closed_ms"] is None,
        "overdue": row["closed_ms"] is None and row["deadline_ms"] < now_ms,
    }


def _stages(connection: Connection, case_id: str, now_ms: int) -> list[StageView]:
    query = select(case_stages).where(case_stages.c.case_id == case_id).order_by(case_stages.c.n.desc())
    rows = connection.execute(query.limit(STAGES_MAX)).all()[::-1]
    ends = [row.at_ms for row in rows[1:]] + [max(now_ms, rows[-1].at_ms) if rows else now_ms]
    return [
        StageView.model_validate(dict(row._mapping) | {"for_ms": end - row.at_ms})
        for row, end in zip(rows, ends, strict=True)
    ]


def _events(connection: Connection, case_id: str) -> list[CaseEventView]:
    query = select(case_events).where(case_events.c.case_id == case_id).order_by(case_events.c.row.desc())
    rows = connection.execute(query.limit(EVENTS_MAX)).all()[::-1]
    return [
        CaseEventView(at_ms=row.at_ms, kind=row.kind, who=row.who, detail=json.loads(row.detail))
        for row in rows
    ]


def _case_alarms(connection: Connection, case_id: str) -> list[CaseAlarmView]:
    query = select(alarms).where(alarms.c.case_id == case_id).order_by(alarms.c.row.desc())
    rows = connection.execute(query.limit(ALARMS_PER_CASE_MAX)).mappings()
    return [
        CaseAlarmView.model_validate(
            dict(row) | {"value": json.loads(row["value"]), "active": row["cleared_ms"] is None}
        )
        for row in rows
    ]


def _similar(connection: Connection, case_id: str) -> list[SimilarView]:
    """Return what was found similar when either of the two was opened, the nearest first."""
    ways = (case_similar.c.case_id, case_similar.c.other_id)
    found: list[Row[Any]] = []
    for own, other in (ways, ways[::-1]):
        query = (
            select(cases.c.id, cases.c.number, cases.c.stage, cases.c.part, case_similar)
            .join(case_similar, other == cases.c.id)
            .where(own == case_id)
            .order_by(case_similar.c.distance_m)
            .limit(ALARMS_PER_CASE_MAX)
        )
        found += connection.execute(query).all()
    return [SimilarView.model_validate(dict(row._mapping)) for row in sorted(found, key=_nearness)]


def _nearness(row: Row[Any]) -> tuple[float, int]:
    return row.distance_m, row.apart_ms


def _alarms_of(connection: Connection, case_ids: Sequence[str]) -> dict[str, tuple[list[str], int]]:
    """Return the newest alarm ids and the number of alarms of each case."""
    newest = func.row_number().over(partition_by=alarms.c.case_id, order_by=alarms.c.row.desc())
    count = func.count().over(partition_by=alarms.c.case_id)
    ranked = (
        select(alarms.c.case_id, alarms.c.id, newest.label("rank"), count.label("alarm_count"))
        .where(alarms.c.case_id.in_(case_ids))
        .subquery()
    )
    query = select(ranked).where(ranked.c.rank <= ALARMS_PER_CASE_MAX).order_by(ranked.c.rank)
    found: dict[str, tuple[list[str], int]] = {}
    row: Row[Any]
    for row in connection.execute(query):
        ids, _ = found.setdefault(row.case_id, ([], row.alarm_count))
        ids.append(row.id)
    return found
