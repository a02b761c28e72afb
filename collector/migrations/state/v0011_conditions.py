"""The life of alarms: where sources stand, silences, what was annunciated, floods."""

import sqlalchemy as sa
from alembic import op

revision = "state_0011"
down_revision: str | None = "state_0010"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

_WHAT_IS_ACTIVE = """
INSERT INTO conditions (
    gateway, rule, device, point, condition, alarm_id, problem, priority, part, line, area, message,
    source_active, active, acked, latched, shelving, suppressed, out_of_service, set_aside, activations,
    raised_ms, activated_ms, changed_ms, changed_by, change, occurrences, version
)
SELECT
    gateway, rule, device, point, condition, id, problem, priority, part, '', '', message,
    true, true, false, false, 'unshelved', CASE WHEN planned THEN '["planned"]' ELSE '[]' END,
    false, '{}', '[]',
    raised_ms, received_ms, received_ms, gateway, 'raised', 1, 1
FROM alarms
WHERE "row" IN (
    SELECT MAX("row") FROM alarms
    WHERE cleared_ms IS NULL AND raised_ms IS NOT NULL AND NOT waits
    GROUP BY gateway, rule, device, point, condition
)
"""
"""What was active before there were conditions is on the operators' list at once."""


def _index(name: str, table: str, column: str, where: str = "", sqlite: str = "") -> None:
    partial = {"sqlite_where": sa.text(sqlite or where), "postgresql_where": sa.text(where)} if where else {}
    op.create_index(name, table, [column], **partial)  # type: ignore[arg-type] # of the dialects


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "conditions",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("point", sa.String(64), nullable=False),
        sa.Column("condition", sa.String(64), nullable=False),
        sa.Column("alarm_id", sa.String(32), nullable=False),
        sa.Column("problem", sa.String(64), nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("part", sa.String(500), nullable=False),
        sa.Column("line", sa.String(64), nullable=False),
        sa.Column("area", sa.String(64), nullable=False),
        sa.Column("message", sa.String(500), nullable=False),
        sa.Column("source_active", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("acked", sa.Boolean(), nullable=False),
        sa.Column("acked_by", sa.String(100)),
        sa.Column("acked_ms", sa.BigInteger()),
        sa.Column("latched", sa.Boolean(), nullable=False),
        sa.Column("shelving", sa.String(16), nullable=False),
        sa.Column("shelved_until_ms", sa.BigInteger()),
        sa.Column("suppressed", sa.Text(), nullable=False),
        sa.Column("out_of_service", sa.Boolean(), nullable=False),
        sa.Column("set_aside", sa.Text(), nullable=False),
        sa.Column("chattering_since_ms", sa.BigInteger()),
        sa.Column("chattering_alarm_id", sa.String(32)),
        sa.Column("activations", sa.Text(), nullable=False),
        sa.Column("raised_ms", sa.BigInteger(), nullable=False),
        sa.Column("cleared_ms", sa.BigInteger()),
        sa.Column("activated_ms", sa.BigInteger(), nullable=False),
        sa.Column("annunciated_ms", sa.BigInteger()),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.String(100), nullable=False),
        sa.Column("change", sa.String(32), nullable=False),
        sa.Column("occurrences", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("gateway", "rule", "device", "point", "condition", name="conditions_source"),
    )
    _index("conditions_active", "conditions", "gateway", "active", "active = 1")
    _index("conditions_active_problem", "conditions", "problem", "active", "active = 1")
    _index("conditions_unacked", "conditions", "row", "NOT acked", "acked = 0")
    _index("conditions_shelved", "conditions", "row", "shelving <> 'unshelved'")
    _index("conditions_suppressed", "conditions", "row", "suppressed <> '[]'")
    _index("conditions_out_of_service", "conditions", "row", "out_of_service", "out_of_service = 1")
    _index("conditions_chattering", "conditions", "row", "chattering_since_ms IS NOT NULL")
    op.create_table(
        "silences",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("matchers", sa.Text(), nullable=False),
        sa.Column("starts_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("comment", sa.String(500), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
    )
    op.create_index("conditions_changed", "conditions", ["changed_ms"])
    op.create_index("silences_ended", "silences", ["ends_at_ms"])
    _index("silences_running", "silences", "ends_at_ms", "NOT ended", "ended = 0")
    op.create_table(
        "annunciations",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("condition", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.String(64), nullable=False),
        sa.Column("area", sa.String(64), nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
    )
    _index("annunciations_at", "annunciations", "at_ms")
    op.create_table(
        "alarm_floods",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger()),
        sa.Column("alarms", sa.Integer(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
    )
    op.create_index("alarm_floods_ended", "alarm_floods", ["ended_ms"])
    _index("alarm_floods_open", "alarm_floods", "began_ms", "ended_ms IS NULL")
    op.execute(_WHAT_IS_ACTIVE)


def downgrade() -> None:
    """Go back."""
    for table in ("alarm_floods", "annunciations", "silences", "conditions"):
        op.drop_table(table)
