"""The table of the fleet's rules, in ``collector.db``."""

from sqlalchemy import BigInteger, Column, String, Table

from collector.tables import STATE

fleet_standing = Table(
    "fleet_standing",
    STATE,
    Column("rule", String(64), primary_key=True),
    Column("gateway", String(64), primary_key=True),
    Column("device", String(64), primary_key=True),  # a line, an area, or empty
    Column("alarm_id", String(32), nullable=False),
    Column("raised_ms", BigInteger, nullable=False),
)
