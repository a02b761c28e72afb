"""Indices by which housekeeping finds what is old, without reading whole tables."""

import sqlalchemy as sa
from alembic import op

revision = "state_0002"
down_revision: str | None = "state_0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Make the indices."""
    over = sa.text("cleared_ms IS NOT NULL AND case_id IS NULL")
    op.create_index("events_received", "events", ["received_ms"])
    op.create_index("gaps_recorded", "gaps", ["recorded_ms"])
    op.create_index("alarms_over", "alarms", ["received_ms"], sqlite_where=over, postgresql_where=over)


def downgrade() -> None:
    """Remove them."""
    op.drop_index("alarms_over", "alarms")
    op.drop_index("gaps_recorded", "gaps")
    op.drop_index("events_received", "events")
