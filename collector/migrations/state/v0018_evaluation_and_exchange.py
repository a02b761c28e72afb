"""What figures of evaluation are made from; what was told upward."""

import sqlalchemy as sa
from alembic import op

revision = "state_0018"
down_revision: str | None = "state_0017"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables; the facts of the cases that are there are made by the centre as it runs."""
    op.create_table(
        "case_facts",
        sa.Column("case_id", sa.String(32), primary_key=True),
        sa.Column("district", sa.String(12), nullable=False),
        sa.Column("street", sa.String(12), nullable=False),
        sa.Column("department", sa.String(200), nullable=False),
        sa.Column("class_code", sa.String(32), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("repeated", sa.Boolean(), nullable=False),
        sa.Column("voided", sa.Boolean(), nullable=False),
        sa.Column("extensions", sa.Integer(), nullable=False),
        sa.Column("reworks", sa.Integer(), nullable=False),
        sa.Column("reported_ms", sa.BigInteger(), nullable=False),
        sa.Column("filed_ms", sa.BigInteger(), nullable=True),
        sa.Column("deadline_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in _SPENT),
    )
    for name in ("reported", "deadline", "closed"):
        op.create_index(f"case_facts_{name}", "case_facts", [f"{name}_ms"])
    op.create_table(
        "evaluation_days",
        sa.Column("by", sa.String(12), primary_key=True),
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(200), primary_key=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _ADDED),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evaluation_cursor",
        sa.Column("only", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("stage_row", sa.BigInteger(), nullable=False),
        sa.Column("event_row", sa.BigInteger(), nullable=False),
        sa.Column("utc_offset_min", sa.Integer(), nullable=False),
    )
    op.create_table(
        "evaluation_exclusions",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("area", sa.String(12), nullable=False),
        sa.Column("class_code", sa.String(32), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_ms", sa.BigInteger(), nullable=True),
    )
    op.create_index("evaluation_exclusions_from", "evaluation_exclusions", ["from_ms"])
    _exchange()


def _exchange() -> None:
    op.create_table(
        "exchange_feeds",
        sa.Column("feed", sa.String(16), primary_key=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("sm3", sa.String(64), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("compared_ms", sa.BigInteger(), nullable=True),
    )
    op.create_table(
        "exchange_lines",
        sa.Column("feed", sa.String(16), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("sm3", sa.String(64), nullable=False),
    )
    op.create_table(
        "exchange_items",
        sa.Column("feed", sa.String(16), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )


_ADDED = (
    *("reported", "filed", "repeated", "voided"),
    *("due", "extended", "closed", "closed_extended", "in_time", "in_time_extended"),
    *("urgent_due", "urgent_closed", "reworked"),
    *("ended", "collected_of", "filing_of", "dispatched_of", "in_hand_of", "verifying_of"),
    *("collected_ms", "filing_ms", "dispatched_ms", "in_hand_ms", "verifying_ms", "whole_ms"),
)
_SPENT = ("collected_ms", "filing_ms", "dispatched_ms", "in_hand_ms", "verifying_ms")


def downgrade() -> None:
    """Remove them."""
    for name in ("exchange_items", "exchange_lines", "exchange_feeds"):
        op.drop_table(name)
    op.drop_table("evaluation_exclusions")
    op.drop_table("evaluation_cursor")
    op.drop_table("evaluation_days")
    op.drop_table("case_facts")
