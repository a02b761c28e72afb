"""One-time codes, certificates of gateways, and what is revoked."""

import sqlalchemy as sa
from alembic import op

revision = "state_0022"
down_revision: str | None = "state_0020"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables; no gateway has an identity yet."""
    op.create_table(
        "enrolment_codes",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("gateway", sa.String(64), nullable=False, unique=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(100), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.Column("used_key", sa.String(64), nullable=True),
        sa.Column("used_serial", sa.String(40), nullable=True),
    )
    op.create_table(
        "gateway_certificates",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("serial", sa.String(40), nullable=False, unique=True),
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("key_digest", sa.String(64), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=False),
        sa.Column("not_after_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("gateway_certificates_gateway", "gateway_certificates", ["gateway", "issued_ms"])
    op.create_index("gateway_certificates_over", "gateway_certificates", ["not_after_ms"])
    op.create_table(
        "revocations",
        sa.Column("serial", sa.String(40), primary_key=True),
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_by", sa.String(100), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("not_after_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("revocations_gateway", "revocations", ["gateway"])
    op.create_index("revocations_over", "revocations", ["not_after_ms"])


def downgrade() -> None:
    """Remove them; certificates stay valid, and nobody knows which are revoked."""
    for name in ("revocations", "gateway_certificates", "enrolment_codes"):
        op.drop_table(name)
