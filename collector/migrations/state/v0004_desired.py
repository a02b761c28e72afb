"""Desired documents, and what gateways said of them."""

import sqlalchemy as sa
from alembic import op

revision = "state_0004"
down_revision: str | None = "state_0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "desired",
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("jws", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("body_digest", sa.String(length=32), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("effective_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("refusal", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("reported_ms", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("next_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("gateway", "kind", "sequence"),
    )
    waits = sa.text("next_ms IS NOT NULL")
    op.create_index("desired_due", "desired", ["next_ms"], sqlite_where=waits, postgresql_where=waits)
    op.create_index("desired_digest", "desired", ["gateway", "kind", "digest"])
    op.create_table(
        "desired_heard",
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("in_force", sa.BigInteger(), nullable=True),
        sa.Column("highest", sa.BigInteger(), nullable=False),
        sa.Column("highest_issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "kind"),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("desired_heard")
    op.drop_table("desired")
