"""Rows that may go: each room says which of its own are old, and housekeeping drops them in small steps.

What is open stays, and whatever it is read with: a room that says what is old names all that needs it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, delete, func, select, tuple_

ROWS_AT_ONCE_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Old:
    """Rows of one table that may go; an index finds them. ``key`` are all columns of a unique key.

    ``is_numbered``: others keep row numbers of this table. SQLite gives the number of a highest row that is
    gone to the next one, so the highest row stays.
    """

    key: tuple["Column[Any]", ...]
    may_go: Sequence[ColumnElement[bool]]
    is_numbered: bool = False

    def query(self) -> Select[Any]:
        """Return the keys of those rows."""
        query = select(*self.key).where(*self.may_go)
        if self.is_numbered:
            (number,) = self.key
            above = number.table.alias()
            # not "less than": SQLite would walk the table in order of rows
            query = query.where(number != select(func.max(above.c[number.name])).scalar_subquery())
        return query


@dataclass(frozen=True, slots=True)
class Looked:
    """Rows of a table that is looked through stretch by stretch, and which may go: most that are old stay."""

    row: "Column[int]"
    may_go: Sequence[ColumnElement[bool]]


def drop(connection: Connection, old: Old) -> int:
    """Delete up to ROWS_AT_ONCE_MAX of what may go; return how many."""
    some = old.query().limit(ROWS_AT_ONCE_MAX)
    key = old.key[0] if len(old.key) == 1 else tuple_(*old.key)
    return connection.execute(delete(old.key[0].table).where(key.in_(some))).rowcount


def drop_some(connection: Connection, looked: Looked, after_row: int) -> int:
    """Drop what may go of the next rows; return up to where that was, 0 where it begins anew."""
    key = looked.row
    following = select(key).where(key > after_row).order_by(key).limit(ROWS_AT_ONCE_MAX)
    rows = connection.scalars(following).all()
    if rows:
        within = key > after_row, key <= rows[-1]
        connection.execute(delete(key.table).where(*within, *looked.may_go))
    return rows[-1] if len(rows) == ROWS_AT_ONCE_MAX else 0
