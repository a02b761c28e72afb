"""The register in SQL: parts found by code or place, the grid of a place."""

from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Row, select

from collector.parts.model import Part
from collector.parts.tables import parts

_COLUMNS = [parts.c[field.name] for field in fields(Part)]


class PartBook:
    """Looks parts up in the register; a ``Parts``."""

    def find(self, connection: Connection, code: str) -> Part | None:
        """Return the part of this code, or None."""
        return find(connection, code)


def find(connection: Connection, code: str) -> Part | None:
    """Return the part of this code, or None."""
    row = connection.execute(select(*_COLUMNS).where(parts.c.code == code)).one_or_none()
    return None if row is None else part_of(row)


def part_of(row: Row[Any]) -> Part:
    """Return a row of the register as a part."""
    told = row._mapping
    return Part(**{field.name: told[field.name] for field in fields(Part)})


def row_of(part: Part) -> dict[str, Any]:
    """Return a part as a row of the register."""
    told: dict[str, Any] = {field.name: getattr(part, field.name) for field in fields(Part)}
    return told | {"minor": part.minor, "digest": part.digest}
