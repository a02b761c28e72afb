"""Indexes for what is asked in a storm, and for what waits."""

import sqlalchemy as sa
from alembic import op

revision = "state_0020"
down_revision: str | None = "state_0018"
branch_labels: str | None = None
depends_on: str | None = None

_ACTIVE = sa.text("cleared_ms IS NULL")


def upgrade() -> None:
    """Find active alarms by case and members in order; SQLite finds what waits as it is asked."""
    _partial("alarms_case_active", "alarms", ["case_id"], _ACTIVE)
    _partial("incident_members_active", "incident_members", ["incident_id", "row"], _ACTIVE)
    op.create_index("incident_members_in_order", "incident_members", ["incident_id", "row"])
    op.drop_index("alarms_waiting", "alarms")
    _waiting("waits = 1")


def downgrade() -> None:
    """Look through more rows again."""
    op.drop_index("alarms_waiting", "alarms")
    _waiting("waits")
    op.drop_index("incident_members_in_order", "incident_members")
    op.drop_index("incident_members_active", "incident_members")
    op.drop_index("alarms_case_active", "alarms")


def _partial(name: str, table: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _waiting(on_sqlite: str) -> None:
    op.create_index(
        "alarms_waiting",
        "alarms",
        ["row"],
        sqlite_where=sa.text(on_sqlite),
        postgresql_where=sa.text("waits"),
    )
