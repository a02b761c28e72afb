"""Rows of a table in one transaction: read together, changed in memory, written together.

What many events do to a few rows costs a few statements. Whoever asks SQL a question about these tables in
between writes first.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, bindparam, func, select, tuple_, update
from sqlalchemy import insert as plain_insert

KEYS_AT_ONCE_MAX = 500
Key = tuple[Any, ...]


class Held(SimpleNamespace):
    """A row; its columns are attributes, as those of ``Row``, and are changed by ``HeldRows`` only."""


def one_of(
    connection: Connection, columns: Sequence[ColumnElement[Any]], values: Collection[Key]
) -> ColumnElement[bool]:
    """Return the condition that these columns together are one of these; at most KEYS_AT_ONCE_MAX."""
    if len(columns) == 1:
        return columns[0].in_([value for (value,) in values])
    if connection.dialect.name != "sqlite":
        return tuple_(*columns).in_(values)
    # SQLite looks through the whole table for one of several VALUES, but uses the index for a subquery's.
    row = func.json_each(json.dumps(list(values))).table_valued("value")
    return tuple_(*columns).in_(
        select(*(func.json_extract(row.c.value, f"$[{n}]") for n in range(len(columns))))
    )


def pieces(values: Iterable[Any]) -> Iterable[list[Any]]:
    """Return them, each once, so many at a time as one statement takes."""
    all_of_them = list(dict.fromkeys(values))
    for begin in range(0, len(all_of_them), KEYS_AT_ONCE_MAX):
        yield all_of_them[begin : begin + KEYS_AT_ONCE_MAX]


class HeldRows:
    """Some rows of one table, by a unique key of it."""

    def __init__(self, connection: Connection, table: Table, *key: str) -> None:
        """``key`` are the columns that say which row; nothing is read yet."""
        self._connection, self._table, self._key = connection, table, key
        self._held: dict[Key, Held] = {}
        self._new: dict[Key, Held] = {}
        self._changed: dict[Key, set[str]] = {}

    def load(self, names: Sequence[str], values: Iterable[Key], *more: ColumnElement[bool]) -> list[Held]:
        """Read the rows of which these columns together are one of ``values``, in no order."""
        found: list[Held] = []
        for some in pieces(values):
            columns = [self._table.c[name] for name in names]
            query = select(self._table).where(one_of(self._connection, columns, some), *more)
            found += map(self.hold, self._connection.execute(query))
        return found

    def get(self, *key: Any) -> Held | None:
        """Return a row that was read or added."""
        return self._held.get(key)

    def hold(self, row: Row[Any]) -> Held:
        """Take a row that was read; what is held already stays as it is here."""
        told = row._asdict()
        key = tuple(told[name] for name in self._key)
        if key not in self._held:
            self._held[key] = Held(**told)
        return self._held[key]

    def add(self, values: Mapping[str, Any]) -> Held:
        """Add a row."""
        key = tuple(values[name] for name in self._key)
        self._held[key] = self._new[key] = Held(**values)
        return self._held[key]

    def change(self, held: Held, **values: Any) -> None:
        """Change a row."""
        told = vars(held)
        different = {name: value for name, value in values.items() if told[name] != value}
        if different:
            told.update(different)
            key = tuple(told[name] for name in self._key)
            if key not in self._new:
                self._changed.setdefault(key, set()).update(different)

    def write(self) -> None:
        """Write what was changed and added, in as many statements as there are sets of columns."""
        alike: dict[frozenset[str], list[Key]] = {}
        for key, names in self._changed.items():
            alike.setdefault(frozenset(names), []).append(key)
        self._changed = {}
        for changed, keys in alike.items():
            where = [self._table.c[name] == bindparam(f"key_{name}") for name in self._key]
            rows = [
                {name: getattr(self._held[key], name) for name in changed}
                | {f"key_{name}": value for name, value in zip(self._key, key, strict=True)}
                for key in keys
            ]
            self._connection.execute(update(self._table).where(*where), rows)
        if self._new:  # after the changes: what a row let go may be a new one's
            self._connection.execute(plain_insert(self._table), [vars(each) for each in self._new.values()])
            self._new = {}
