"""Numbers of certificates by name, and revocations of whatever was issued to a name."""

import sqlalchemy as sa
from alembic import op

revision = "state_0025"
down_revision: str | None = "state_0024"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NEWEST_OF_EACH = sa.text(
    "INSERT INTO name_revocations "
    "(gateway, revoked_ms, revoked_by, reason, serials_from, serials_to, not_after_ms) "
    "SELECT gateway, revoked_ms, revoked_by, reason, 0, 0, until_ms FROM ("
    "SELECT gateway, revoked_ms, revoked_by, reason, "
    "max(not_after_ms) OVER (PARTITION BY gateway) AS until_ms, "
    "row_number() OVER (PARTITION BY gateway ORDER BY revoked_ms DESC, serial) AS place "
    "FROM revocations WHERE gateway <> '') AS told WHERE place = 1 ORDER BY revoked_ms, gateway"
)


def upgrade() -> None:
    """Make the tables; what was issued so far has random numbers, and is known by them.

    Who was revoked until now is noted by name: after its start a centre cuts who lost all.
    """
    op.create_table(
        "gateway_serials",
        sa.Column("gateway", sa.String(64), primary_key=True),
        sa.Column("used", sa.Integer(), nullable=False),
    )
    op.create_table(
        "name_revocations",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_by", sa.String(100), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("serials_from", sa.Integer(), nullable=False),
        sa.Column("serials_to", sa.Integer(), nullable=False),
        sa.Column("not_after_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("name_revocations_gateway", "name_revocations", ["gateway", "revoked_ms"])
    op.create_index("name_revocations_over", "name_revocations", ["not_after_ms"])
    op.execute(_NEWEST_OF_EACH)


def downgrade() -> None:
    """Remove them; what is revoked by its number stays so."""
    op.drop_table("name_revocations")
    op.drop_table("gateway_serials")
