"""Records of lamps' nights; when gateways were connected, and when the centre itself was."""

import sqlalchemy as sa
from alembic import op

revision = "state_0006"
down_revision: str | None = "state_0005"
branch_labels: str | None = None
depends_on: str | None = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "lamp_nights",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("lamp", sa.String(length=64), nullable=False),
        sa.Column("night", sa.String(length=10), nullable=False),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gateway", "night", "lamp", name="lamp_nights_night"),
    )
    op.create_index("lamp_nights_received", "lamp_nights", ["received_ms"])
    op.create_table(
        "connections",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    connected = sa.text("until_ms IS NULL")
    op.create_index("connections_begun", "connections", ["gateway", "from_ms"])
    op.create_index("connections_old", "connections", ["until_ms"])
    op.create_index(
        "connections_open",
        "connections",
        ["gateway"],
        unique=True,
        sqlite_where=connected,
        postgresql_where=connected,
    )
    op.create_table(
        "listening",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("listening")
    op.drop_table("connections")
    op.drop_table("lamp_nights")
