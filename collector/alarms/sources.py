"""Alarm sources in one transaction: read together, moved in memory, written with what was told of them."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from sqlalchemy import Connection, Row, select
from sqlalchemy import insert as plain_insert

from collector.alarms import annunciating
from collector.alarms.flood import Flood
from collector.alarms.tables import conditions
from collector.held import Held, HeldRows, Lookup
from contract.events import Priority

SOURCE = ("gateway", "rule", "device", "point", "condition")
Source = tuple[str, str, str, str, str]
_OF_SOURCES = Lookup(select(conditions), *(conditions.c[name] for name in SOURCE))
_BEGIN = plain_insert(conditions).returning(conditions)


class Sources:
    """A context: what was changed is written at its end, unless it fails."""

    def __init__(self, connection: Connection, flood: Flood) -> None:
        """``flood`` is what one is; nothing is read yet."""
        self._connection, self._flood = connection, flood
        self._rows = HeldRows(connection, conditions, "row")
        self._by_source: dict[Source, Held | None] = {}
        self._told: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        """Write, if all went well."""
        if failed is None:
            self.written()

    def written(self) -> Connection:
        """Write what was changed, and return where it is: whoever asks SQL about sources asks there."""
        self._rows.write()
        told, self._told = self._told, []
        if told:
            annunciating.write(self._connection, told, self._flood)
        return self._connection

    def load(self, sources: Iterable[Source]) -> None:
        """Read these, as far as they are there."""
        asked = [source for source in sources if source not in self._by_source]
        self._by_source |= dict.fromkeys(asked)
        for held in self._rows.load(_OF_SOURCES, asked):
            self._by_source[held.gateway, held.rule, held.device, held.point, held.condition] = held

    def of_source(self, source: Source) -> Held | None:
        """Return the row of a source; None where it was never heard of."""
        self.load([source])
        return self._by_source[source]

    def hold(self, row: Row[Any]) -> Held:
        """Take a row that was read where all is written."""
        held = self._rows.hold(row)
        self._by_source[held.gateway, held.rule, held.device, held.point, held.condition] = held
        return held

    def begin(self, values: Mapping[str, Any]) -> Held:
        """Write down a source that was never heard of."""
        return self.hold(self._connection.execute(_BEGIN, dict(values)).one())

    def change(self, held: Held, values: Mapping[str, Any]) -> None:
        """Change a source."""
        self._rows.change(held, **values)

    def annunciated(self, held: Held, priority: Priority, at_ms: int) -> None:
        """Note that people were to be told of it."""
        self._told.append(annunciating.annunciated(held, priority, at_ms))
