"""Settings brought to a fleet in waves."""

import sqlalchemy as sa
from alembic import op

revision = "state_0023"
down_revision: str | None = "state_0022"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "rollouts",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("failures_max", sa.Integer(), nullable=False),
        sa.Column("absent_after_ms", sa.BigInteger(), nullable=False),
        sa.Column("begun_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("rollouts_state", "rollouts", ["state"])
    op.create_table(
        "rollout_targets",
        sa.Column("rollout_id", sa.String(32), primary_key=True),
        sa.Column("gateway", sa.String(64), primary_key=True),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_digest", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("pushed_ms", sa.BigInteger(), nullable=True),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("rollout_targets")
    op.drop_index("rollouts_state", "rollouts")
    op.drop_table("rollouts")
