"""The register of parts and grids."""

import sqlalchemy as sa
from alembic import op

revision = "state_0013"
down_revision: str | None = "state_0012"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(name: str, characters_max: int) -> "sa.Column[str]":
    return sa.Column(name, sa.String(characters_max), nullable=False)


def upgrade() -> None:
    """Make its tables."""
    op.create_table(
        "parts",
        sa.Column("code", sa.String(16), primary_key=True),
        _text("name", 200),
        _text("minor", 4),
        _text("in_charge_code", 64),
        _text("in_charge", 200),
        _text("owner_code", 64),
        _text("owner", 200),
        _text("maintainer_code", 64),
        _text("maintainer", 200),
        _text("grid", 15),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        _text("state", 64),
        _text("recorded_on", 10),
        _text("changed_on", 10),
        _text("source", 200),
        _text("note", 500),
        _text("digest", 16),
    )
    op.create_index("parts_minor", "parts", ["minor", "code"])
    op.create_index("parts_grid", "parts", ["grid", "code"])
    op.create_index("parts_place", "parts", ["lat", "lon"])
    op.create_table(
        "grids",
        sa.Column("code", sa.String(15), primary_key=True),
        _text("kind", 16),
        _text("name", 200),
        _text("parent", 15),
        sa.Column("polygon", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Float()) for name in ("west", "south", "east", "north")),
        _text("digest", 16),
    )
    op.create_index("grids_kind", "grids", ["kind", "code"])
    op.create_index("grids_place", "grids", ["kind", "south", "north"])
    op.create_table(
        "part_imports",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        _text("who", 100),
        _text("what", 16),
        _text("source", 255),
        _text("digest", 64),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("added", "changed", "unchanged", "removed")
        ),
    )
    op.create_index("part_imports_source", "part_imports", ["source", "row"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("part_imports")
    op.drop_table("grids")
    op.drop_table("parts")
