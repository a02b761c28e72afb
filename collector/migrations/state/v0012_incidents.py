"""Incidents, and the alarms that the centre raises itself."""

import sqlalchemy as sa
from alembic import op

revision = "state_0012"
down_revision: str | None = "state_0011"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make room for incidents, their members, and what may become members of one."""
    _incidents()
    op.create_table(
        "incident_members",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("incident_id", sa.String(32), sa.ForeignKey("incidents.id"), nullable=False),
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("alarm_id", sa.String(32), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("cleared_ms", sa.BigInteger()),
        sa.UniqueConstraint("gateway", "alarm_id", name="incident_members_alarm"),
    )
    op.create_index("incident_members_of", "incident_members", ["incident_id", "source"])
    op.create_table(
        "incident_candidates",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("grouping", sa.String(600), nullable=False),
        sa.Column("incident_id", sa.String(32), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("noted_ms", sa.BigInteger(), nullable=False),
        sa.Column("lon", sa.Float()),
        sa.Column("lat", sa.Float()),
        sa.UniqueConstraint("grouping", "source", name="incident_candidates_once"),
    )
    op.create_index("incident_candidates_old", "incident_candidates", ["grouping", "noted_ms"])
    op.create_index("incident_candidates_of", "incident_candidates", ["incident_id"])
    op.create_table(
        "fleet_standing",
        sa.Column("rule", sa.String(64), primary_key=True),
        sa.Column("gateway", sa.String(64), primary_key=True),
        sa.Column("device", sa.String(64), primary_key=True),
        sa.Column("alarm_id", sa.String(32), nullable=False),
        sa.Column("raised_ms", sa.BigInteger(), nullable=False),
    )


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("key", sa.String(700), nullable=False),
        sa.Column("grouping", sa.String(600), nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("title_en", sa.String(200), nullable=False),
        sa.Column("title_zh", sa.String(200), nullable=False),
        sa.Column("area", sa.String(64), nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("idle_ms", sa.BigInteger()),
        sa.Column("closed_ms", sa.BigInteger()),
        sa.Column("merged_into", sa.String(32)),
        sa.Column("sources", sa.Integer(), nullable=False),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        sa.Column("west", sa.Float()),
        sa.Column("south", sa.Float()),
        sa.Column("east", sa.Float()),
        sa.Column("north", sa.Float()),
        sa.Column("acked_ms", sa.BigInteger()),
        sa.Column("acked_by", sa.String(100), nullable=False),
        sa.Column("case_id", sa.String(32)),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
    )
    is_open = sa.text("closed_ms IS NULL")
    op.create_index(
        "incidents_open_key",
        "incidents",
        ["key"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_index(
        "incidents_open_grouping", "incidents", ["grouping"], sqlite_where=is_open, postgresql_where=is_open
    )
    idle = sa.text("closed_ms IS NULL AND idle_ms IS NOT NULL")
    op.create_index("incidents_idle", "incidents", ["idle_ms"], sqlite_where=idle, postgresql_where=idle)
    op.create_index("incidents_closed", "incidents", ["closed_ms"])


def downgrade() -> None:
    """Go back."""
    for name in ("fleet_standing", "incident_candidates", "incident_members", "incidents"):
        op.drop_table(name)
