"""What the API reads from the state: pages of rows, each function one statement or two.

Every function takes what a former page's cursor said, and looks at one item more than ``limit``, so that a
page knows whether another follows.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, select, tuple_

from collector.tables import alarms, devices, gaps, gateways
from collector.views import (
    AlarmView,
    DeviceView,
    GapView,
    GatewayView,
    Item,
    Page,
)


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


def gap_page(connection: Connection, before: int, limit: int) -> Page[GapView]:
    """Return gaps, the newest first; ``before`` 0 begins."""
    query = select(gaps).order_by(gaps.c.id.desc())
    if before:
        query = query.where(gaps.c.id < before)
    items = [GapView.model_validate(dict(row)) for row in _mappings(connection, query, limit)]
    return page(items, limit, lambda item: str(item.id))


def _mappings(connection: Connection, query: Select[Any], limit: int) -> list[Any]:
    return list(connection.execute(query.limit(limit + 1)).mappings())
