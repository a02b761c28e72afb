"""Which condition of a rule an alarm is of, and whether its device was under maintenance."""

import sqlalchemy as sa
from alembic import op

revision = "state_0007"
down_revision: str | None = "state_0006"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the columns; alarms of before were not planned."""
    op.add_column("alarms", sa.Column("condition", sa.String(length=64), nullable=False, server_default=""))
    op.add_column(
        "alarms", sa.Column("planned", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_column("alarms", "planned")
    op.drop_column("alarms", "condition")
