"""The tables of ``series.db``, a projection of the journal. ``migrations/series`` makes them.

A value is (kind, number, text), so that every type comes back as it was; quality and clock are the positions
in ``QUALITIES`` and ``CLOCKS``, which only ever grow at their end.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)

from collector.tables import BigId
from contract.samples import ClockState, Quality

SERIES = MetaData()
QUALITIES = (Quality.GOOD, Quality.UNCERTAIN, Quality.STALE, Quality.UNPOWERED, Quality.BAD)
CLOCKS = (ClockState.SYNCHRONISED, ClockState.HOLDOVER, ClockState.UNSET)

series = Table(
    "series",
    SERIES,
    Column("id", BigId, primary_key=True),
    Column("gateway", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("point", String(64), nullable=False),
    UniqueConstraint("gateway", "device", "point", name="series_name"),
)

samples = Table(
    "samples",
    SERIES,
    Column("series_id", BigId, ForeignKey("series.id"), primary_key=True, autoincrement=False),
    Column("time_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("number", Float),
    Column("text", String(500)),
    Column("quality", SmallInteger, nullable=False),
    Column("error", String(500)),
    Column("clock", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

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
