"""The tables of ``series.db``, a projection of the journal. ``migrations/series`` makes them.

A block holds samples of one series as ``contract.blocks`` packs them. Those of a series never overlap.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    text,
)

from collector.tables import BigId

SERIES = MetaData()
FRAGMENTS_MAX = 64
"""A series with so many small blocks is due to be compacted."""

series = Table(
    "series",
    SERIES,
    Column("id", BigId, primary_key=True),
    Column("gateway", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("point", String(64), nullable=False),
    UniqueConstraint("gateway", "device", "point", name="series_name"),
)

blocks = Table(
    "blocks",
    SERIES,
    Column("series_id", BigId, ForeignKey("series.id"), primary_key=True, autoincrement=False),
    Column("first_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("samples", Integer, nullable=False),  # how many
    Column("data", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

newest = Table(
    "newest",
    SERIES,
    Column("series_id", BigId, ForeignKey("series.id"), primary_key=True, autoincrement=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),  # contract.blocks.last
    Column("fragments", Integer, nullable=False),  # small blocks written since the series was compacted
)
newest_due = text(f"fragments >= {FRAGMENTS_MAX}")
Index("newest_due", newest.c.series_id, sqlite_where=newest_due, postgresql_where=newest_due)

cursor = Table(
    "cursor",
    SERIES,
    Column("only", SmallInteger, primary_key=True, autoincrement=False),
    Column("journal_identity", String(32), nullable=False),
    Column("journal_id", BigInteger, nullable=False),
)

undecodable = Table(
    "undecodable",
    SERIES,
    Column("journal_id", BigInteger, primary_key=True, autoincrement=False),
    Column("detail", String(500), nullable=False),
)


def is_series(key: tuple[str, str, str]) -> list[ColumnElement[bool]]:
    """Return what holds for one series, by gateway, device and point."""
    return [series.c.gateway == key[0], series.c.device == key[1], series.c.point == key[2]]
