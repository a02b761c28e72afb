"""The tables of people: who may sign in, who has, and which programs have a token of their own."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, String, Table, Text

from collector.tables import STATE, BigId

users = Table(
    "users",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),  # what is typed to sign in
    Column("display_name", String(100), nullable=False),
    Column("role", String(16), nullable=False),
    Column("password_hash", String(255), nullable=False),  # argon2id, with its parameters
    Column("phone", String(32), nullable=False),  # for telling; empty: none
    Column("mail", String(254), nullable=False),
    Column("areas", Text, nullable=False),  # JSON: a list of the areas that are theirs; empty: all
    Column("disabled", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("password_ms", BigInteger, nullable=False),  # when the password was changed last
)

sessions = Table(
    "sessions",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of what the cookie holds
    Column("user_row", BigId, ForeignKey("users.row", ondelete="CASCADE"), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger, nullable=False),  # to a minute
    Column("expires_ms", BigInteger, nullable=False),
    Column("user_agent", String(200), nullable=False),
    Column("address", String(64), nullable=False),
)
Index("sessions_user", sessions.c.user_row)
Index("sessions_over", sessions.c.expires_ms)

api_tokens = Table(
    "api_tokens",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the token
    Column("user_row", BigId, ForeignKey("users.row", ondelete="CASCADE")),  # NULL: of a program
    Column("role", String(16), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("expires_ms", BigInteger),  # NULL: never
    Column("used_ms", BigInteger),  # to a minute; NULL: never
)
Index("api_tokens_user", api_tokens.c.user_row)
