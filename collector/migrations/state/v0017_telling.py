"""What people are told."""

import sqlalchemy as sa
from alembic import op

revision = "state_0017"
down_revision: str | None = "state_0016"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Keep whom was told what, and the messages."""
    op.create_table(
        "told",
        sa.Column("incident_id", sa.String(32), primary_key=True),
        sa.Column("alarm", sa.String(128), primary_key=True),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("step_ms", sa.BigInteger(), nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger()),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("people", sa.Text(), nullable=False),
    )
    op.create_index("told_due", "told", ["due_ms"])
    op.create_index("told_done", "told", ["done", "seen_ms"])
    op.create_table(
        "telling_mark",
        sa.Column("only", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("incident_row", sa.BigInteger(), nullable=False),
    )
    _messages()
    op.create_table(
        "message_incidents",
        sa.Column(
            "message_id",
            sa.String(32),
            sa.ForeignKey("messages.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("incident_id", sa.String(32), primary_key=True),
        sa.Column("alarm", sa.String(128), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
    )
    op.create_index("message_incidents_incident", "message_incidents", ["incident_id"])


def downgrade() -> None:
    """Forget it."""
    for name in ("message_incidents", "messages", "telling_mark", "told"):
        op.drop_table(name)


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("incident_id", sa.String(32), nullable=False),
        sa.Column("alarm", sa.String(128), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("highest", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("on_channel", sa.Integer(), nullable=False),
        sa.Column("tried", sa.String(500), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("settled_ms", sa.BigInteger()),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("messages_due", "messages", ["state", "next_ms"])
    op.create_index("messages_recent", "messages", ["at_ms"])
    op.create_index("messages_incident", "messages", ["incident_id", "row"])
