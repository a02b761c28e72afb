"""What city platforms told, and what was heard from them already. Times are UTC milliseconds."""

from sqlalchemy import BigInteger, Column, Index, String, Table, UniqueConstraint

from collector.tables import STATE, BigId

platform_statuses = Table(
    "platform_statuses",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("platform", String(64), nullable=False),
    Column("event_id", String(64), nullable=False),  # the platform's, or a digest of what it said
    Column("case_id", String(32), nullable=False),
    Column("stage", String(16), nullable=False),  # ours
    Column("code", String(64), nullable=False),  # the platform's word for it
    Column("at_ms", BigInteger),  # by the platform's clock; NULL: it did not say
    Column("received_ms", BigInteger, nullable=False),
    Column("source", String(16), nullable=False),  # callback, poll, look_up, person
    Column("outcome", String(16), nullable=False),  # applied, known, backwards, refused
    Column("reason", String(500), nullable=False),
    UniqueConstraint("platform", "event_id", name="platform_statuses_event"),
)
Index("platform_statuses_case", platform_statuses.c.case_id, platform_statuses.c.row)

platform_nonces = Table(
    "platform_nonces",
    STATE,
    Column("platform", String(64), primary_key=True),
    Column("nonce", String(128), primary_key=True),
    Column("seen_ms", BigInteger, nullable=False),
)
Index("platform_nonces_old", platform_nonces.c.platform, platform_nonces.c.seen_ms)

platform_polls = Table(
    "platform_polls",
    STATE,
    Column("platform", String(64), primary_key=True),
    Column("cursor", String(500), nullable=False),
    Column("polled_ms", BigInteger, nullable=False),
    Column("looked_row", BigInteger, nullable=False),  # of the outbox, looked up last
)
