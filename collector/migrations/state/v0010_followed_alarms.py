"""Alarms that others follow, and who changed what."""

import sqlalchemy as sa
from alembic import op

revision = "state_0010"
down_revision: str | None = "state_0009"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Say of an alarm that it waits, whoever it waits for; keep an audit trail."""
    op.drop_index("alarms_waiting", "alarms")
    op.execute("ALTER TABLE alarms RENAME COLUMN case_waits TO waits")
    op.create_index(
        "alarms_waiting",
        "alarms",
        ["row"],
        sqlite_where=sa.text("waits"),
        postgresql_where=sa.text("waits"),
    )
    op.create_table(
        "audit",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_index("audit_target", "audit", ["target", "row"])
    op.create_index("audit_old", "audit", ["at_ms"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("audit")
    op.drop_index("alarms_waiting", "alarms")
    op.execute("ALTER TABLE alarms RENAME COLUMN waits TO case_waits")
    op.create_index(
        "alarms_waiting",
        "alarms",
        ["row"],
        sqlite_where=sa.text("case_waits"),
        postgresql_where=sa.text("case_waits"),
    )
