"""Facts of cases and sums of days, kept up with the raw stages and events, and made anew from them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy import insert as plain_insert

from collector.cases.tables import case_events, case_stages
from collector.database import Database, insert
from collector.evaluation.days import Cell, shares
from collector.evaluation.facts import ACCEPTED, EXTENDED, Entry, Happening, fact
from collector.evaluation.tables import ADDED, case_facts, evaluation_cursor, evaluation_days
from collector.patience import Patiences, repeated
from collector.tables import cases

POLL_INTERVAL_S = 2.0
ROWS_AT_ONCE_MAX = 2_000
CASES_AT_ONCE = 500
_ONLY = 1
_OF_CASES = ("id", "area", "street", "class_code", "urgent", "repeat_of", "deadline_ms")


class EvaluationProjection:
    """Reads raw rows in the order they were written; what it writes and its cursor are one transaction."""

    name = "evaluation"

    def __init__(self, state: Database, utc_offset_min: int) -> None:
        """Begin where the cursor stands; days are those of local time."""
        self._state, self._offset_min = state, utc_offset_min

    async def advance(self) -> bool:
        """Take some of what follows; False where nothing does."""
        if not await self._state.read(lambda connection: waiting(connection, self._offset_min)):
            return False
        return await self._state.write(lambda connection: advance(connection, self._offset_min))

    async def run(self, patiences: Patiences) -> None:
        """Keep up until cancelled; what fails is tried again."""
        await repeated(self.advance, POLL_INTERVAL_S, patiences.of("the evaluation"))

    async def behind(self) -> int:
        """Return how many raw rows are not taken yet."""
        return await self._state.read(lambda connection: waiting(connection, self._offset_min))


def waiting(connection: Connection, utc_offset_min: int) -> int:
    """Return how many raw rows follow the cursor."""
    stage_row, event_row = _cursor(connection, utc_offset_min) or (0, 0)
    stages = connection.scalar(select(func.count()).where(case_stages.c.row > stage_row)) or 0
    return stages + (connection.scalar(select(func.count()).where(case_events.c.row > event_row)) or 0)


def advance(connection: Connection, utc_offset_min: int) -> bool:
    """Bring facts and days up with the next raw rows; False where none follows."""
    cursor = _cursor(connection, utc_offset_min)
    if cursor is None:
        rebuild(connection, utc_offset_min)
    touched: set[str] = set()
    upto = []
    for table, after in zip((case_stages, case_events), cursor or (0, 0), strict=True):
        query = select(table.c.row, table.c.case_id).where(table.c.row > after).order_by(table.c.row)
        rows = connection.execute(query.limit(ROWS_AT_ONCE_MAX)).all()
        touched |= {row.case_id for row in rows}
        upto.append(rows[-1].row if rows else after)
    if not touched:
        return False
    former = held(connection, touched)
    present = made(connection, touched)
    cells = shares(former.values(), utc_offset_min, -1)
    for cell, added in shares(present, utc_offset_min).items():
        cells.setdefault(cell, Counter()).update(added)
    _put_facts(connection, [row for row in present if former.get(row["case_id"]) != row])
    _add(connection, cells)
    connection.execute(update(evaluation_cursor).values(stage_row=upto[0], event_row=upto[1]))
    return True


def rebuild(connection: Connection, utc_offset_min: int) -> None:
    """Forget facts and days; ``advance`` makes them anew from the raw rows."""
    for table in (case_facts, evaluation_days, evaluation_cursor):
        connection.execute(delete(table))
    row = {"only": _ONLY, "stage_row": 0, "event_row": 0, "utc_offset_min": utc_offset_min}
    connection.execute(plain_insert(evaluation_cursor).values(row))


def differing(connection: Connection, utc_offset_min: int) -> Iterator[str]:
    """Yield what is not as the raw rows have it: cases by id, then cells of days."""
    last, cells = "", dict[Cell, Counter[str]]()
    while True:
        page = select(cases.c.id).where(cases.c.id > last).order_by(cases.c.id).limit(CASES_AT_ONCE)
        ids = list(connection.scalars(page))
        if not ids:
            break
        there, rows = held(connection, ids), made(connection, ids)
        yield from (row["case_id"] for row in rows if there.pop(row["case_id"], None) != row)
        yield from there
        for cell, added in shares(rows, utc_offset_min).items():
            cells.setdefault(cell, Counter()).update(added)
        last = ids[-1]
    yield from connection.scalars(
        select(case_facts.c.case_id).where(case_facts.c.case_id.not_in(select(cases.c.id)))
    )
    for row in connection.execute(select(evaluation_days)).mappings():
        expected = cells.pop((row["by"], row["day"], row["key"]), Counter())
        if any(row[column.name] != expected[column.name] for column in ADDED):
            yield f"{row['by']} {row['key']!r} on day {row['day']}"
    for (by, day, key), added in cells.items():
        if any(added.values()):
            yield f"{by} {key!r} on day {day}"


def held(connection: Connection, case_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the facts of these cases as they are written, by id."""
    query = select(case_facts).where(case_facts.c.case_id.in_(case_ids))
    return {row["case_id"]: dict(row) for row in connection.execute(query).mappings()}


def made(connection: Connection, case_ids: Collection[str]) -> list[dict[str, Any]]:
    """Return the facts of these cases as their raw rows have them, in the order of their ids."""
    ids = sorted(case_ids)
    stages, events = case_stages.c, case_events.c
    entries: defaultdict[str, list[Entry]] = defaultdict(list)
    query = select(stages.case_id, stages.stage, stages.step, stages.at_ms, stages.department)
    for row in connection.execute(query.where(stages.case_id.in_(ids)).order_by(stages.case_id, stages.n)):
        entries[row.case_id].append(Entry(*row[1:]))
    happenings: defaultdict[str, list[Happening]] = defaultdict(list)
    told = events.kind.in_((ACCEPTED, EXTENDED))
    query_events = select(events.case_id, events.kind, events.at_ms).where(events.case_id.in_(ids), told)
    for event in connection.execute(query_events.order_by(events.row)):
        happenings[event.case_id].append(Happening(event.kind, event.at_ms))
    of_cases = select(*(cases.c[name] for name in _OF_CASES)).where(cases.c.id.in_(ids)).order_by(cases.c.id)
    return [
        fact(dict(row), entries[row["id"]], happenings[row["id"]])
        for row in connection.execute(of_cases).mappings()
        if row["id"] in entries
    ]


def _cursor(connection: Connection, utc_offset_min: int) -> tuple[int, int] | None:
    """Return the last rows taken; None where days are to be told apart otherwise than they were."""
    row = connection.execute(select(evaluation_cursor)).first()
    if row is None or row.utc_offset_min != utc_offset_min:
        return None
    return row.stage_row, row.event_row


def _put_facts(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = insert(connection, case_facts)
    names = [column.name for column in case_facts.columns if column.name != "case_id"]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["case_id"], set_={name: statement.excluded[name] for name in names}
        ),
        rows,
    )


def _add(connection: Connection, cells: Mapping[Cell, Mapping[str, int]]) -> None:
    rows = [
        {"by": by, "day": day, "key": key} | {column.name: added.get(column.name, 0) for column in ADDED}
        for (by, day, key), added in cells.items()
        if any(added.values())
    ]
    if not rows:
        return
    statement = insert(connection, evaluation_days)
    sums = {column.name: column + statement.excluded[column.name] for column in ADDED}
    connection.execute(statement.on_conflict_do_update(index_elements=["by", "day", "key"], set_=sums), rows)
