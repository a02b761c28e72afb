"""Users, their sessions, and tokens of programs."""

import sqlalchemy as sa
from alembic import op

revision = "state_0016"
down_revision: str | None = "state_0015"
branch_labels: str | None = None
depends_on: str | None = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables; the audit trail can be searched by who and what."""
    op.create_table(
        "users",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("display_name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("phone", sa.String(32), nullable=False),
        sa.Column("mail", sa.String(254), nullable=False),
        sa.Column("areas", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.Column("password_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("user_row", _BIG_ID, sa.ForeignKey("users.row", ondelete="CASCADE"), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("user_agent", sa.String(200), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
    )
    op.create_index("sessions_user", "sessions", ["user_row"])
    op.create_index("sessions_over", "sessions", ["expires_ms"])
    op.create_table(
        "api_tokens",
        sa.Column("row", _BIG_ID, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("user_row", _BIG_ID, sa.ForeignKey("users.row", ondelete="CASCADE")),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("expires_ms", sa.BigInteger()),
        sa.Column("used_ms", sa.BigInteger()),
    )
    op.create_index("api_tokens_user", "api_tokens", ["user_row"])
    op.create_index("audit_who", "audit", ["who", "row"])
    op.create_index("audit_action", "audit", ["action", "row"])


def downgrade() -> None:
    """Go back."""
    op.drop_index("audit_action", "audit")
    op.drop_index("audit_who", "audit")
    op.drop_table("api_tokens")
    op.drop_table("sessions")
    op.drop_table("users")
