"""The tables of the exchange upward: what was told, line by line, and what stands at the receiver's now."""

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from collector.tables import STATE

exchange_feeds = Table(
    "exchange_feeds",
    STATE,
    Column("feed", String(16), primary_key=True),
    Column("generation", Integer, nullable=False),  # a new one tells everything anew
    Column("sequence", BigInteger, nullable=False),  # of the last line
    Column("sha256", String(64), nullable=False),  # over all its lines, each upon the one before
    Column("sm3", String(64), nullable=False),
    Column("items", BigInteger, nullable=False),  # that are not deleted
    Column("compared_ms", BigInteger),  # when all was last compared; NULL: never
)

exchange_lines = Table(
    "exchange_lines",
    STATE,
    Column("feed", String(16), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("line", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("sm3", String(64), nullable=False),
)

exchange_items = Table(
    "exchange_items",
    STATE,
    Column("feed", String(16), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("version", Integer, nullable=False),  # how often it was told
    Column("digest", String(64), nullable=False),  # of what was told last
)
