"""The tables of incidents, in ``collector.db``. Times are UTC milliseconds."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from collector.tables import STATE, BigId

OPEN = text("closed_ms IS NULL")

incidents = Table(
    "incidents",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("key", String(700), nullable=False),  # what alarms find it by while it is open
    Column("grouping", String(600), nullable=False),  # rule and labels; several may be open, at places apart
    Column("rule", String(64), nullable=False),  # "single", or the rule that brought its members together
    Column("labels", Text, nullable=False),  # what its members have in common, as JSON
    Column("title_en", String(200), nullable=False),
    Column("title_zh", String(200), nullable=False),
    Column("area", String(64), nullable=False),
    Column("priority", String(16), nullable=False),  # the highest that its members ever had
    Column("opened_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),  # when an alarm of it was raised or cleared last
    Column("idle_ms", BigInteger),  # since when no member is active; NULL while one is
    Column("closed_ms", BigInteger),  # NULL: open
    Column("merged_into", String(32)),  # closed because its members went over to this incident
    Column("sources", Integer, nullable=False),  # so many different ones its members come from
    Column("members", Integer, nullable=False),
    Column("active", Integer, nullable=False),
    Column("west", Float),  # where its members stand, in degrees; NULL: nobody knows
    Column("south", Float),
    Column("east", Float),
    Column("north", Float),
    Column("acked_ms", BigInteger),  # NULL: nobody has
    Column("acked_by", String(100), nullable=False),
    Column("case_id", String(32)),  # NULL: it has none
    Column("revision", BigInteger, nullable=False),  # grows with every news: for whoever follows it
    Column("version", Integer, nullable=False),  # grows as it doubles, gets worse, is acknowledged, closes
)
Index("incidents_open_key", incidents.c.key, unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
Index("incidents_open_grouping", incidents.c.grouping, sqlite_where=OPEN, postgresql_where=OPEN)
_IDLE = text("closed_ms IS NULL AND idle_ms IS NOT NULL")
Index("incidents_idle", incidents.c.idle_ms, sqlite_where=_IDLE, postgresql_where=_IDLE)
Index("incidents_closed", incidents.c.closed_ms)

incident_members = Table(
    "incident_members",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("incident_id", String(32), ForeignKey("incidents.id"), nullable=False),
    Column("gateway", String(64), nullable=False),
    Column("alarm_id", String(32), nullable=False),
    Column("source", String(32), nullable=False),  # digest of what the alarm is an occurrence of
    Column("at_ms", BigInteger, nullable=False),  # when it was raised, by the best clock there is
    Column("cleared_ms", BigInteger),  # NULL: active
    UniqueConstraint("gateway", "alarm_id", name="incident_members_alarm"),
)
Index("incident_members_of", incident_members.c.incident_id, incident_members.c.source)
Index("incident_members_in_order", incident_members.c.incident_id, incident_members.c.row)
_ACTIVE = text("cleared_ms IS NULL")
Index(
    "incident_members_active",
    incident_members.c.incident_id,
    incident_members.c.row,
    sqlite_where=_ACTIVE,
    postgresql_where=_ACTIVE,
)

incident_candidates = Table(
    "incident_candidates",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("grouping", String(600), nullable=False),  # of the rule that may bring it together with others
    Column("incident_id", String(32), nullable=False),  # what its source's newest alarm is in so far
    Column("source", String(32), nullable=False),
    Column("at_ms", BigInteger, nullable=False),  # of its newest member
    Column("noted_ms", BigInteger, nullable=False),  # by the centre's clock
    Column("lon", Float),
    Column("lat", Float),
    UniqueConstraint("grouping", "source", name="incident_candidates_once"),
)
Index("incident_candidates_old", incident_candidates.c.grouping, incident_candidates.c.noted_ms)
Index("incident_candidates_of", incident_candidates.c.incident_id)
