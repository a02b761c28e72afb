"""The lives of cases: their stages and events, the city's classes with versions, what is not collected."""

import sqlalchemy as sa
from alembic import op

revision = "state_0014"
down_revision: str | None = "state_0013"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_OLD_OPEN = sa.text("stage NOT IN ('verified', 'evaluated')")
_OPEN = sa.text("closed_ms IS NULL")
_NOT_LATE = sa.text("closed_ms IS NULL AND overdue_ms IS NULL")


def upgrade() -> None:
    """Give each case its life; those there are have their first stages from what is known of them."""
    _add_columns()
    _change_indexes()
    _make_stages()
    _make_similar()
    _make_classes()
    _make_no_collection()
    _fill()


def downgrade() -> None:
    """Go back; lives, classes and rules are lost."""
    for table in (
        "uncollected",
        "no_collection",
        "case_classes",
        "case_class_versions",
        "case_similar",
        "case_problems",
        "case_events",
        "case_stages",
    ):
        op.drop_table(table)
    for name in ("stage", "incident", "confirm_until", "recheck", "settles", "due", "open", "open_problem"):
        op.drop_index(f"cases_{name}", "cases")
    op.execute("UPDATE cases SET stage = 'evaluated' WHERE stage = 'voided'")
    op.create_index(
        "cases_open_problem",
        "cases",
        ["problem_key"],
        unique=True,
        sqlite_where=_OLD_OPEN,
        postgresql_where=_OLD_OPEN,
    )
    for column in _columns():
        op.execute(f"ALTER TABLE cases DROP COLUMN {column.name}")


def _columns() -> list[sa.Column[object]]:
    def count(name: str, value: str) -> sa.Column[object]:
        return sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text(value))

    def words(name: str, length: int, value: str = "") -> sa.Column[object]:
        return sa.Column(name, sa.String(length), nullable=False, server_default=value)

    def moment(name: str) -> sa.Column[object]:
        return sa.Column(name, sa.BigInteger())

    return [
        words("incident_id", 32),
        words("severity", 16, "general"),
        sa.Column("urgent", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        words("limit_words", 100),
        sa.Column("warnings", sa.Text(), nullable=False, server_default="[]"),
        words("area", 12),
        words("street", 12),
        words("dispatched_to", 200),
        sa.Column("stage_ms", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        count("rework_count", "0"),
        count("redispatch_count", "0"),
        count("extension_count", "0"),
        moment("asked_deadline_ms"),
        words("waits_for", 16),
        moment("confirm_until_ms"),
        moment("closed_ms"),
        words("closed_by", 100),
        words("closed_how", 16),
        words("merged_into", 32),
        words("repeat_of", 32),
        moment("settles_ms"),
        moment("recheck_ms"),
        moment("overdue_ms"),
        count("version", "1"),
        count("version_of_tables", "0"),
    ]


def _add_columns() -> None:
    for column in _columns():
        op.add_column("cases", column)


def _change_indexes() -> None:
    op.drop_index("cases_open_problem", "cases")
    op.execute(
        "UPDATE cases SET closed_ms = COALESCE(filed_ms, opened_ms), closed_how = 'platform' "
        "WHERE stage IN ('verified', 'evaluated')"
    )
    _partial("cases_open_problem", "cases", "problem_key", _OPEN, unique=True)
    _partial("cases_open", "cases", "row", _OPEN)
    _partial("cases_due", "cases", "deadline_ms", _NOT_LATE)
    for name in ("settles_ms", "recheck_ms", "confirm_until_ms"):
        _partial(f"cases_{name.removesuffix('_ms')}", "cases", name, sa.text(f"{name} IS NOT NULL"))
    op.create_index("cases_incident", "cases", ["incident_id"])
    op.create_index("cases_stage", "cases", ["stage", "row"])


def _make_stages() -> None:
    op.create_table(
        "case_stages",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("step", sa.String(24), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("department", sa.String(200), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.UniqueConstraint("case_id", "n", name="case_stages_case"),
    )
    op.create_table(
        "case_events",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_index("case_events_case", "case_events", ["case_id", "row"])
    op.create_table(
        "case_problems",
        sa.Column("problem_key", sa.String(600), primary_key=True),
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id"), nullable=False),
    )
    op.create_index("case_problems_case", "case_problems", ["case_id"])


def _make_similar() -> None:
    op.create_table(
        "case_similar",
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("other_id", sa.String(32), sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("distance_m", sa.Float(), nullable=False),
        sa.Column("apart_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("case_similar_other", "case_similar", ["other_id"])


def _make_classes() -> None:
    op.create_table(
        "case_class_versions",
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("what", sa.String(500), nullable=False),
    )
    op.create_table(
        "case_classes",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("problem", sa.String(64), nullable=False),
        sa.Column("from_version", sa.Integer(), nullable=False),
        sa.Column("until_version", sa.Integer()),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )
    _partial(
        "case_classes_in_force", "case_classes", "problem", sa.text("until_version IS NULL"), unique=True
    )


def _make_no_collection() -> None:
    op.create_table(
        "no_collection",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("area", sa.String(15), nullable=False),
        sa.Column("problem", sa.String(64), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger()),
        sa.Column("daily_from_min", sa.Integer()),
        sa.Column("daily_until_min", sa.Integer()),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger()),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.Column("hit_ms", sa.BigInteger()),
    )
    op.create_table(
        "uncollected",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("alarm_id", sa.String(32), nullable=False),
        sa.Column("rule_id", sa.String(32), sa.ForeignKey("no_collection.id"), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("waits", sa.Integer(), nullable=False),
        sa.UniqueConstraint("gateway", "alarm_id", name="uncollected_alarm"),
    )
    _partial("uncollected_waiting", "uncollected", "row", sa.text("waits = 1"))
    op.create_index("uncollected_rule", "uncollected", ["rule_id"])


def _fill() -> None:
    """Write the first stages of the cases there are; which problem each is of; places by their grid."""
    op.execute(
        "UPDATE cases SET stage_ms = COALESCE(filed_ms, opened_ms), area = SUBSTR(grid, 1, 6), "
        "street = SUBSTR(grid, 1, 9)"
    )
    op.execute(
        "INSERT INTO case_stages (case_id, n, stage, step, at_ms, who, role, department, note, reason) "
        "SELECT id, 1, 'collected', 'open', opened_ms, 'sensor', 'sensor', '', description, '' FROM cases"
    )
    op.execute(
        "INSERT INTO case_stages (case_id, n, stage, step, at_ms, who, role, department, note, reason) "
        "SELECT id, 2, stage, CASE WHEN stage = 'filed' THEN 'file' ELSE 'migrated' END, stage_ms, "
        "'platform', 'platform', '', '', '' FROM cases WHERE stage <> 'collected'"
    )
    op.execute(
        "INSERT INTO case_problems (problem_key, case_id) SELECT problem_key, id FROM cases "
        'WHERE "row" IN (SELECT MAX("row") FROM cases GROUP BY problem_key)'
    )


def _partial(name: str, table: str, column: str, where: object, *, unique: bool = False) -> None:
    op.create_index(name, table, [column], unique=unique, sqlite_where=where, postgresql_where=where)
