"""The index of alarms by their case leaves out those that have none: SQLite found them all by it."""

import sqlalchemy as sa
from alembic import op

revision = "state_0024"
down_revision: str | None = "state_0023"
branch_labels: str | None = None
depends_on: str | None = None

_OF_A_CASE = sa.text("case_id IS NOT NULL")


def upgrade() -> None:
    """Make the index anew."""
    op.drop_index("alarms_case", "alarms")
    op.create_index(
        "alarms_case", "alarms", ["case_id"], sqlite_where=_OF_A_CASE, postgresql_where=_OF_A_CASE
    )


def downgrade() -> None:
    """Make it as it was."""
    op.drop_index("alarms_case", "alarms")
    op.create_index("alarms_case", "alarms", ["case_id"])
