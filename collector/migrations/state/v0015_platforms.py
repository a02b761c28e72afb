"""City platforms: a queue of messages for each case, what platforms tell, and what was heard already."""

import sqlalchemy as sa
from alembic import op

revision = "state_0015"
down_revision: str | None = "state_0014"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Keep what waits: the one row of a case becomes its first message."""
    op.execute("CREATE TABLE outbox_before AS SELECT * FROM outbox")
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("platform", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("perhaps", sa.Boolean(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("case_id", "n", name="outbox_message"),
    )
    op.create_index("outbox_due", "outbox", ["platform", "state", "next_ms"])
    op.execute(
        "INSERT INTO outbox (case_id, n, kind, key, platform, state, attempts, perhaps, next_ms, reason,"
        " payload, at_ms) SELECT b.case_id, 1, 'opened', b.case_id, '', b.state, b.attempts,"
        " b.attempts > 0 AND b.state <> 'done', b.next_ms, b.reason, b.payload, c.opened_ms"
        " FROM outbox_before b JOIN cases c ON c.id = b.case_id ORDER BY c.row"
    )
    op.drop_table("outbox_before")
    op.create_index("cases_platform_number", "cases", ["platform_number"])
    op.create_table(
        "platform_statuses",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("platform", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger()),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.UniqueConstraint("platform", "event_id", name="platform_statuses_event"),
    )
    op.create_index("platform_statuses_case", "platform_statuses", ["case_id", "row"])
    op.create_table(
        "platform_nonces",
        sa.Column("platform", sa.String(64), primary_key=True),
        sa.Column("nonce", sa.String(128), primary_key=True),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("platform_nonces_old", "platform_nonces", ["platform", "seen_ms"])
    op.create_table(
        "platform_polls",
        sa.Column("platform", sa.String(64), primary_key=True),
        sa.Column("cursor", sa.String(500), nullable=False),
        sa.Column("polled_ms", sa.BigInteger(), nullable=False),
        sa.Column("looked_row", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Go back; of each case only its first message is kept."""
    for table in ("platform_polls", "platform_nonces", "platform_statuses"):
        op.drop_table(table)
    op.drop_index("cases_platform_number", "cases")
    op.execute("CREATE TABLE outbox_after AS SELECT * FROM outbox WHERE n = 1")
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
    )
    op.create_index("outbox_due", "outbox", ["state", "next_ms"])
    op.execute(
        "INSERT INTO outbox (case_id, state, attempts, next_ms, reason, payload) SELECT case_id,"
        " CASE WHEN state = 'asking' THEN 'sending' ELSE state END, attempts, next_ms, reason, payload"
        " FROM outbox_after"
    )
    op.drop_table("outbox_after")
