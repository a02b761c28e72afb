"""What the API reads from the state: pages of rows, each function one statement or two.

Every function takes what a former page's cursor said, and looks at one item more than ``limit``, so that a
page knows whether another follows.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, select, tuple_

from collector.tables import alarms, cases, devices, gaps, gateways, outbox
from collector.views import (
    AlarmView,
    CaseView,
    DeviceView,
    GapView,
    GatewayView,
    Item,
    Page,
    PostingView,
    TitleView,
)

ALARMS_PER_CASE_MAX = 100


def page(items: Sequence[Item], limit: int, cursor: Callable[[Item], str]) -> Page[Item]:
    """Make a page of up to ``limit`` of the items; where there are more, its last one gives the cursor."""
    if len(items) <= limit:
        return Page(items=list(items), next=None)
    return Page(items=list(items[:limit]), next=cursor(items[limit - 1]))


def gateway_page(connection: Connection, after: str, limit: int) -> Page[GatewayView]:
    """Return gateways by name."""
    query = select(gateways).where(gateways.c.gateway > after).order_by(gateways.c.gateway)
    items = [GatewayView.model_validate(dict(row)) for row in _mappings(connection, query, limit)]
    return page(items, limit, lambda item: item.gateway)


def device_page(connection: Connection, gateway: str, after: tuple[str, str], limit: int) -> Page[DeviceView]:
    """Return devices by gateway and name; empty ``gateway`` means all."""
    query = (
        select(devices)
        .where(tuple_(devices.c.gateway, devices.c.device) > tuple_(*after))
        .order_by(devices.c.gateway, devices.c.device)
    )
    if gateway:
        query = query.where(devices.c.gateway == gateway)
    items = [DeviceView.model_validate(dict(row)) for row in _mappings(connection, query, limit)]
    return page(items, limit, lambda item: f"{item.gateway}/{item.device}")


def profiles_of(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the profile of each (gateway, device) that is known."""
    names = {gateway for gateway, _ in keys}
    query = select(devices.c.gateway, devices.c.device, devices.c.profile)
    rows = connection.execute(query.where(devices.c.gateway.in_(names)))
    return {(row.gateway, row.device): row.profile for row in rows}


def alarm_page(connection: Connection, active: bool | None, before: int, limit: int) -> Page[AlarmView]:
    """Return alarms, the newest first; ``before`` 0 begins."""
    query = select(alarms).order_by(alarms.c.row.desc())
    if active is not None:
        query = query.where(alarms.c.cleared_ms.is_(None) if active else alarms.c.cleared_ms.is_not(None))
    if before:
        query = query.where(alarms.c.row < before)
    rows = _mappings(connection, query, limit)
    numbers = {(row["gateway"], row["id"]): row["row"] for row in rows}
    items = [
        AlarmView.model_validate(
            dict(row) | {"value": json.loads(row["value"]), "active": row["cleared_ms"] is None}
        )
        for row in rows
    ]
    return page(items, limit, lambda item: str(numbers[item.gateway, item.id]))


def case_page(connection: Connection, before: int, limit: int) -> Page[CaseView]:
    """Return cases, the newest first; ``before`` 0 begins."""
    message = outbox.alias()
    of_case = select(func.max(message.c.n)).where(message.c.case_id == cases.c.id)
    open_ = select(func.min(message.c.n)).where(message.c.case_id == cases.c.id, message.c.state != "done")
    current = func.coalesce(
        open_.correlate(cases).scalar_subquery(), of_case.correlate(cases).scalar_subquery()
    )
    query = (
        select(cases, outbox.c.state, outbox.c.attempts, outbox.c.next_ms, outbox.c.reason)
        .select_from(cases)
        .outerjoin(outbox, and_(outbox.c.case_id == cases.c.id, outbox.c.n == current))
        .order_by(cases.c.row.desc())
    )
    if before:
        query = query.where(cases.c.row < before)
    rows = _mappings(connection, query, limit)
    attached = _alarms_of(connection, [row["id"] for row in rows])
    numbers = {row["id"]: row["row"] for row in rows}
    items = [_case(row, *attached.get(row["id"], ([], 0))) for row in rows]
    return page(items, limit, lambda item: str(numbers[item.id]))


def gap_page(connection: Connection, before: int, limit: int) -> Page[GapView]:
    """Return gaps, the newest first; ``before`` 0 begins."""
    query = select(gaps).order_by(gaps.c.id.desc())
    if before:
        query = query.where(gaps.c.id < before)
    items = [GapView.model_validate(dict(row)) for row in _mappings(connection, query, limit)]
    return page(items, limit, lambda item: str(item.id))


def _mappings(connection: Connection, query: Select[Any], limit: int) -> list[Any]:
    return list(connection.execute(query.limit(limit + 1)).mappings())


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


def _case(row: Any, alarm_ids: list[str], alarm_count: int) -> CaseView:
    posting = None
    if row["state"]:
        posting = PostingView(
            state=row["state"], attempts=row["attempts"], next_ms=row["next_ms"], reason=row["reason"]
        )
    title = TitleView(en=row["title_en"], zh=row["title_zh"])
    return CaseView.model_validate(
        dict(row) | {"posting": posting, "title": title, "alarms": alarm_ids, "alarm_count": alarm_count}
    )
