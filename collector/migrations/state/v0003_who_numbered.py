"""Which boots numbered the batches of a lane, so that two buffers which number alike can be told apart."""

import sqlalchemy as sa
from alembic import op

revision = "state_0003"
down_revision: str | None = "state_0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the column; of what was taken before nothing is known."""
    op.add_column("marks", sa.Column("stretches", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("marks", "stretches")
