"""From when until when a lamp plan that was pushed is to hold."""

import sqlalchemy as sa
from alembic import op

revision = "state_0009"
down_revision: str | None = "state_0008"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the times; of plans that were pushed before nobody wrote them down."""
    op.add_column("lamp_plans", sa.Column("effective_ms", sa.BigInteger(), nullable=True))
    op.add_column("lamp_plans", sa.Column("expires_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("lamp_plans", "expires_ms")
    op.drop_column("lamp_plans", "effective_ms")
