"""What is exchanged: parts of the city, cases, what was sensed; each as plain bodies in the order of keys."""

from collections import defaultdict
from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from collector.cases.tables import case_stages
from collector.parts.tables import parts
from collector.tables import alarms, cases

Bodies = dict[str, dict[str, Any]]
Source = Callable[[Connection, str, int], Bodies]
"""Return at most so many bodies whose keys follow a key, by key, in order."""


class Feed(StrEnum):
    """What can be asked for."""

    PARTS = "parts"
    CASES = "cases"
    SENSING = "sensing"


_OF_PARTS = tuple(column.name for column in parts.columns if column.name not in {"code", "digest"})
_OF_CASES = (
    *("number", "stage", "problem", "class_code", "title_en", "title_zh", "part", "part_name", "lon", "lat"),
    *("grid", "area", "street", "in_charge", "owner", "maintainer", "dispatched_to", "description", "urgent"),
    *("opened_ms", "filed_ms", "deadline_ms", "closed_ms", "closed_how", "platform_number"),
    *("rework_count", "redispatch_count", "extension_count", "repeat_of", "merged_into"),
)
STAGES_MAX = 200
"""Of a case, the newest: a line has an end."""
_BETWEEN = " "
"""Sorts before all that a name may hold, so keys are in the order of gateways."""
_OF_STAGES = ("n", "stage", "step", "at_ms", "role", "department")
_OF_ALARMS = (
    *("device", "point", "rule", "condition", "problem", "priority", "message", "part", "value", "limit"),
    *("clock", "raised_ms", "cleared_ms", "received_ms", "backfill", "planned", "case_id"),
)


def of_parts(connection: Connection, after: str, most: int) -> Bodies:
    """Return parts by code."""
    query = select(parts).where(parts.c.code > after).order_by(parts.c.code).limit(most)
    return {
        row["code"]: {name: row[name] for name in _OF_PARTS} for row in connection.execute(query).mappings()
    }


def of_cases(connection: Connection, after: str, most: int) -> Bodies:
    """Return cases by id, each with its stages; who took a step is not told, but in which role."""
    query = select(cases).where(cases.c.id > after).order_by(cases.c.id).limit(most)
    bodies = {
        row["id"]: {name: row[name] for name in _OF_CASES} for row in connection.execute(query).mappings()
    }
    stages = _stages(connection, list(bodies))
    for case_id, body in bodies.items():
        body["stages"] = stages[case_id][-STAGES_MAX:]
    return bodies


def of_sensing(connection: Connection, after: str, most: int) -> Bodies:
    """Return what was sensed, alarm by alarm, with its value, by gateway and alarm."""
    gateway, _, alarm_id = after.partition(_BETWEEN)
    later = (alarms.c.gateway > gateway) | ((alarms.c.gateway == gateway) & (alarms.c.id > alarm_id))
    query = select(alarms).where(later).order_by(alarms.c.gateway, alarms.c.id).limit(most)
    return {
        f"{row['gateway']}{_BETWEEN}{row['id']}": {name: row[name] for name in _OF_ALARMS}
        for row in connection.execute(query).mappings()
    }


def _stages(connection: Connection, case_ids: Collection[str]) -> defaultdict[str, list[dict[str, Any]]]:
    columns = case_stages.c
    query = select(columns.case_id, *(columns[name] for name in _OF_STAGES))
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(
        query.where(columns.case_id.in_(case_ids)).order_by(columns.case_id, columns.n)
    ).mappings():
        found[row["case_id"]].append({name: row[name] for name in _OF_STAGES})
    return found


SOURCES: dict[Feed, Source] = {Feed.PARTS: of_parts, Feed.CASES: of_cases, Feed.SENSING: of_sensing}
