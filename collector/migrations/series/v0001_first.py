"""Series, as first released."""

import sqlalchemy as sa
from alembic import op

revision = "series_0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cursor",
        sa.Column("only", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("journal_identity", sa.String(length=32), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("only"),
    )
    op.create_table(
        "series",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("point", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("gateway", "device", "point", name="series_name"),
    )
    op.create_table(
        "undecodable",
        sa.Column("journal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("journal_id"),
    )
    op.create_table(
        "blocks",
        sa.Column("series_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("first_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"]),
        sa.PrimaryKeyConstraint("series_id", "first_ms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "newest",
        sa.Column("series_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("fragments", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"]),
        sa.PrimaryKeyConstraint("series_id"),
    )
    due = sa.text("fragments >= 64")
    op.create_index("newest_due", "newest", ["series_id"], sqlite_where=due, postgresql_where=due)


def downgrade() -> None:
    """Remove the tables."""
    op.drop_index("newest_due", "newest")
    for name in ("newest", "blocks", "undecodable", "series", "cursor"):
        op.drop_table(name)
