"""Rows of a table in one transaction: read together, changed in memory, written together.

What many events do to a few rows costs a few statements. Whoever asks SQL a question about these tables in
between writes first.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Row,
    Select,
    Table,
    Update,
    bindparam,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy import insert as plain_insert

KEYS_AT_ONCE_MAX = 500
Key = tuple[Any, ...]


class Held(SimpleNamespace):
    """A row; its columns are attributes, as those of ``Row``, and are changed by ``HeldRows`` only."""


class Lookup:
    """A query for those rows of which some columns together are one of many values.

    It is made once: to put a statement together costs more than to execute it.
    """

    def __init__(self, query: Select[Any], *columns: ColumnElement[Any]) -> None:
        """Values of several columns are names, or other text without a NUL."""
        self._query, self._columns = query, columns

    def rows(self, connection: Connection, values: Iterable[Any]) -> Iterator[Row[Any]]:
        """Return the rows; each value is a tuple where there are several columns."""
        asked = list(dict.fromkeys(values))
        on_sqlite = len(self._columns) > 1 and connection.dialect.name == "sqlite"
        for begin in range(0, len(asked), KEYS_AT_ONCE_MAX):
            some = asked[begin : begin + KEYS_AT_ONCE_MAX]
            if on_sqlite:
                yield from connection.execute(self._on_sqlite, {"values": json.dumps(some)})
            else:
                yield from connection.execute(self._in_values, {"values": some})

    @cached_property
    def _in_values(self) -> Select[Any]:
        of = self._columns[0] if len(self._columns) == 1 else tuple_(*self._columns)
        return self._query.where(of.in_(bindparam("values", expanding=True)))

    @cached_property
    def _on_sqlite(self) -> Select[Any]:
        """SQLite would look through the whole table for VALUES; for a subquery it uses the index."""
        told = func.json_each(bindparam("values")).table_valued("value").c.value
        parts = [func.json_extract(told, f"$[{number}]") for number in range(len(self._columns))]
        return self._query.where(tuple_(*self._columns).in_(select(*parts)))


class HeldRows:
    """Some rows of one table, by a unique key of it."""

    def __init__(self, connection: Connection, table: Table, *key: str) -> None:
        """``key`` are the columns that say which row; nothing is read yet."""
        self._connection, self._table, self._key = connection, table, key
        self._held: dict[Key, Held] = {}
        self._new: dict[Key, Held] = {}
        self._changed: dict[Key, set[str]] = {}

    def load(self, lookup: Lookup, values: Iterable[Any]) -> list[Held]:
        """Read the rows that a lookup of this table finds, in no order."""
        return [self.hold(row) for row in lookup.rows(self._connection, values)]

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
            rows = [
                {name: getattr(self._held[key], name) for name in changed}
                | {f"key_{name}": value for name, value in zip(self._key, key, strict=True)}
                for key in keys
            ]
            self._connection.execute(_changing(self._table, self._key), rows)
        if self._new:  # after the changes: what a row let go may be a new one's
            self._connection.execute(_adding(self._table), [vars(each) for each in self._new.values()])
            self._new = {}


@lru_cache(maxsize=32)
def _changing(table: Table, key: tuple[str, ...]) -> Update:
    return update(table).where(*(table.c[name] == bindparam(f"key_{name}") for name in key))


@lru_cache(maxsize=32)
def _adding(table: Table) -> Insert:
    return plain_insert(table)
