"""The tables of alarms' life cycle: where each source stands, silences, what was annunciated, floods."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from collector.tables import STATE, BigId

conditions = Table(
    "conditions",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("gateway", String(64), nullable=False),
    Column("rule", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("point", String(64), nullable=False),
    Column("condition", String(64), nullable=False),
    Column("alarm_id", String(32), nullable=False),  # of the current or last occurrence
    Column("problem", String(64), nullable=False),
    Column("priority", String(16), nullable=False),
    Column("part", String(500), nullable=False),
    Column("line", String(64), nullable=False),
    Column("area", String(64), nullable=False),
    Column("message", String(500), nullable=False),
    Column("source_active", Boolean, nullable=False),  # what the source says of the current occurrence
    Column("active", Boolean, nullable=False),  # the same, but that a chattering one stands
    Column("acked", Boolean, nullable=False),
    Column("acked_by", String(100)),  # NULL, like the next: nobody had to
    Column("acked_ms", BigInteger),
    Column("latched", Boolean, nullable=False),  # returned to normal, and waits for a reset
    Column("shelving", String(16), nullable=False),
    Column("shelved_until_ms", BigInteger),
    Column("suppressed", Text, nullable=False),  # reasons, as a JSON list in order
    Column("out_of_service", Boolean, nullable=False),
    Column("set_aside", Text, nullable=False),  # who keeps it quiet, since when and why, as JSON
    Column("chattering_since_ms", BigInteger),  # NULL, like the next: it does not
    Column("chattering_alarm_id", String(32)),  # the occurrence that began it
    Column("activations", Text, nullable=False),  # times of the newest few, as a JSON list, oldest first
    Column("raised_ms", BigInteger, nullable=False),  # by the gateway's clock, like the next
    Column("cleared_ms", BigInteger),  # NULL while the occurrence is active
    Column("activated_ms", BigInteger, nullable=False),  # when the centre heard of the newest occurrence
    Column("annunciated_ms", BigInteger),  # when it was last to be told of
    Column("changed_ms", BigInteger, nullable=False),
    Column("changed_by", String(100), nullable=False),
    Column("change", String(32), nullable=False),  # the last happening that moved it
    Column("occurrences", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("gateway", "rule", "device", "point", "condition", name="conditions_source"),
)


def _partial(name: str, column: str, where: str, sqlite: str = "") -> None:
    """Add an index of some rows; SQLite finds it only where it is written as SQLAlchemy asks."""
    Index(name, conditions.c[column], sqlite_where=text(sqlite or where), postgresql_where=text(where))


_partial("conditions_active", "gateway", "active", "active = 1")
_partial("conditions_active_problem", "problem", "active", "active = 1")
_partial("conditions_unacked", "row", "NOT acked", "acked = 0")
_partial("conditions_shelved", "row", "shelving <> 'unshelved'")
_partial("conditions_suppressed", "row", "suppressed <> '[]'")
_partial("conditions_out_of_service", "row", "out_of_service", "out_of_service = 1")
_partial("conditions_chattering", "row", "chattering_since_ms IS NOT NULL")

silences = Table(
    "silences",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("matchers", Text, nullable=False),  # as a JSON list of texts
    Column("starts_at_ms", BigInteger, nullable=False),
    Column("ends_at_ms", BigInteger, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("comment", String(500), nullable=False),
    Column("ended", Boolean, nullable=False),  # that its time is over was noted
)
Index(
    "silences_running",
    silences.c.ends_at_ms,
    sqlite_where=text("ended = 0"),
    postgresql_where=text("NOT ended"),
)

annunciations = Table(
    "annunciations",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("condition", BigInteger, nullable=False),  # its row
    Column("problem", String(64), nullable=False),
    Column("area", String(64), nullable=False),
    Column("priority", String(16), nullable=False),
)
Index("conditions_changed", conditions.c.changed_ms)
Index("silences_ended", silences.c.ends_at_ms)
Index("annunciations_at", annunciations.c.at_ms)

floods = Table(
    "alarm_floods",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("began_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),  # NULL while it lasts
    Column("alarms", Integer, nullable=False),  # annunciated from its first window to its end
    Column("summary", Text, nullable=False),  # JSON: the most frequent problems and areas with their counts
)
_LASTS = text("ended_ms IS NULL")
Index("alarm_floods_ended", floods.c.ended_ms)
Index("alarm_floods_open", floods.c.began_ms, sqlite_where=_LASTS, postgresql_where=_LASTS)
