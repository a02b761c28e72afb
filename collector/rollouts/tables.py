"""Rollouts and their targets; what became of a push stands in ``desired``."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from collector.tables import STATE, BigId

rollouts = Table(
    "rollouts",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("who", String(200), nullable=False),
    Column("note", String(500), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(500), nullable=False),  # why it was stopped, or empty
    Column("failures_max", Integer, nullable=False),
    Column("absent_after_ms", BigInteger, nullable=False),
    Column("begun_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)
Index("rollouts_state", rollouts.c.state)

rollout_targets = Table(
    "rollout_targets",
    STATE,
    Column("rollout_id", String(32), primary_key=True),
    Column("gateway", String(64), primary_key=True),
    Column("wave", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("body_digest", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("pushed_ms", BigInteger),  # NULL: its wave has not come
)
