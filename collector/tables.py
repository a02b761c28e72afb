"""The tables of ``collector.db``: journal and state. ``migrations/state`` makes them, and a test compares.

Times are UTC milliseconds; sequences and marks as in the contract; names are the contract's.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

STATE = MetaData()

BigId = BigInteger().with_variant(Integer, "sqlite")
"""An integer key; SQLite numbers only INTEGER by itself."""

journal = Table(
    "journal",
    STATE,
    Column("id", BigId, primary_key=True, autoincrement=False),
    Column("gateway", String(64), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("content", String(16), nullable=False),
    Column("backfill", Boolean, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("message", LargeBinary, nullable=False),
    UniqueConstraint("gateway", "epoch", "lane", "sequence", name="journal_batch"),
)
_NOTABLE = text("content != 'samples'")
Index("journal_notable", journal.c.id, sqlite_where=_NOTABLE, postgresql_where=_NOTABLE)

journal_head = Table(
    "journal_head",
    STATE,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("identity", String(32), nullable=False),  # of this journal, for cursors kept elsewhere
    Column("last_id", BigInteger, nullable=False),
    Column("batches", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

marks = Table(
    "marks",
    STATE,
    Column("gateway", String(64), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("lane", String(16), primary_key=True),
    Column("upto", BigInteger, nullable=False),
    Column("digest", String(32), nullable=False),
    Column("moved_ms", BigInteger, nullable=False),
    Column("stretches", Text, nullable=False, server_default=""),  # which boots numbered it, as JSON
)

gateways = Table(
    "gateways",
    STATE,
    Column("gateway", String(64), primary_key=True),
    Column("heard_ms", BigInteger, nullable=False),
    Column("hello_ms", BigInteger),  # NULL, like the next four: it never said hello
    Column("boot_id", String(32)),
    Column("software", String(500)),
    Column("clock", String(16)),
    Column("sent_ms", BigInteger),
    Column("online", Boolean),  # NULL: it never told its state
    Column("state_ms", BigInteger),
)

devices = Table(
    "devices",
    STATE,
    Column("gateway", String(64), ForeignKey("gateways.gateway"), primary_key=True),
    Column("device", String(64), primary_key=True),
    Column("profile", String(64), nullable=False),
    Column("line", String(64), nullable=False),
    Column("title", String(500), nullable=False),
    Column("part", String(500), nullable=False),
)

gaps = Table(
    "gaps",
    STATE,
    Column("id", BigId, primary_key=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("gateway", String(64), nullable=False),
    Column("origin", String(64), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("first_sequence", BigInteger, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("count", BigInteger),
    Column("recorded_ms", BigInteger, nullable=False),
)

Index("gaps_recorded", gaps.c.recorded_ms)

dead_letters = Table(
    "dead_letters",
    STATE,
    Column("id", BigId, primary_key=True),
    Column("received_ms", BigInteger, nullable=False),
    Column("topic", String(256), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("detail", String(500), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("message", LargeBinary, nullable=False),  # its beginning
    Column("journal_id", BigInteger, unique=True),  # of a batch that was taken and cannot be decoded
)

cursors = Table(
    "cursors",
    STATE,
    Column("projection", String(32), primary_key=True),
    Column("journal_id", BigInteger, nullable=False),
)

events = Table(
    "events",
    STATE,
    Column("id", BigId, primary_key=True),
    Column("gateway", String(64), nullable=False),
    Column("event_id", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("event", Text, nullable=False),  # the contract's event, as JSON
    UniqueConstraint("gateway", "event_id", name="events_event"),
)
Index("events_received", events.c.received_ms)

cases = Table(
    "cases",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("number", String(100), nullable=False, unique=True),
    Column("stage", String(16), nullable=False),
    Column("problem_key", String(600), nullable=False),
    Column("problem", String(64), nullable=False),
    Column("class_code", String(32), nullable=False),
    Column("title_en", String(80), nullable=False),
    Column("title_zh", String(80), nullable=False),
    Column("gateway", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("part", String(500), nullable=False),
    Column("part_name", String(200), nullable=False),
    Column("lon", Float),
    Column("lat", Float),
    Column("grid", String(15), nullable=False),
    Column("in_charge", String(200), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("maintainer", String(200), nullable=False),
    Column("description", String(500), nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("filed_ms", BigInteger),
    Column("platform_number", String(100), nullable=False),  # what the platform calls it
    Column("deadline_ms", BigInteger, nullable=False),
    Column("incident_id", String(32), nullable=False, server_default=""),
    Column("severity", String(16), nullable=False, server_default="general"),
    Column("urgent", Boolean, nullable=False, server_default=text("false")),
    Column("limit_words", String(100), nullable=False, server_default=""),  # as "4 working_hours"
    Column(
        "warnings", Text, nullable=False, server_default="[]"
    ),  # JSON: what is doubtful about the deadline
    Column("area", String(12), nullable=False, server_default=""),  # division, the grid's first 6 digits
    Column("street", String(12), nullable=False, server_default=""),  # the grid's first 9 digits
    Column("dispatched_to", String(200), nullable=False, server_default=""),
    Column("stage_ms", BigInteger, nullable=False, server_default=text("0")),  # since when in this stage
    Column("rework_count", Integer, nullable=False, server_default=text("0")),
    Column("redispatch_count", Integer, nullable=False, server_default=text("0")),
    Column("extension_count", Integer, nullable=False, server_default=text("0")),
    Column("asked_deadline_ms", BigInteger),  # an extension that is asked for and not decided
    Column("waits_for", String(16), nullable=False, server_default=""),  # confirmation, decision, or nothing
    Column("confirm_until_ms", BigInteger),
    Column("closed_ms", BigInteger),  # NULL: it is open
    Column("closed_by", String(100), nullable=False, server_default=""),
    Column(
        "closed_how", String(16), nullable=False, server_default=""
    ),  # person, platform, sensor, voided, merged
    Column("merged_into", String(32), nullable=False, server_default=""),
    Column("repeat_of", String(32), nullable=False, server_default=""),  # the closed case of the same problem
    Column("settles_ms", BigInteger),  # its alarms are over; if they stay so until then, it is settled
    Column("recheck_ms", BigInteger),  # it was closed with alarms active; they are looked at again then
    Column("overdue_ms", BigInteger),  # since when it is known to be late
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("version_of_tables", Integer, nullable=False, server_default=text("0")),
)
_OPEN_CASE = text("closed_ms IS NULL")
Index(
    "cases_open_problem",
    cases.c.problem_key,
    unique=True,
    sqlite_where=_OPEN_CASE,
    postgresql_where=_OPEN_CASE,
)
Index("cases_open", cases.c.row, sqlite_where=_OPEN_CASE, postgresql_where=_OPEN_CASE)
_NOT_LATE = text("closed_ms IS NULL AND overdue_ms IS NULL")
Index("cases_due", cases.c.deadline_ms, sqlite_where=_NOT_LATE, postgresql_where=_NOT_LATE)
for _name in ("settles_ms", "recheck_ms", "confirm_until_ms"):
    _set = text(f"{_name} IS NOT NULL")
    Index(f"cases_{_name.removesuffix('_ms')}", cases.c[_name], sqlite_where=_set, postgresql_where=_set)
Index("cases_incident", cases.c.incident_id)
Index("cases_stage", cases.c.stage, cases.c.row)

Index("cases_platform_number", cases.c.platform_number)

case_numbers = Table(
    "case_numbers",
    STATE,
    Column("date", String(8), primary_key=True),
    Column("last", Integer, nullable=False),
)

alarms = Table(
    "alarms",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("gateway", String(64), nullable=False),
    Column("id", String(32), nullable=False),
    Column("rule", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("point", String(64), nullable=False),
    Column("problem", String(64), nullable=False),
    Column("priority", String(16), nullable=False),
    Column("message", String(500), nullable=False),
    Column("part", String(500), nullable=False),
    Column("value", Text, nullable=False),  # JSON
    Column("limit", Float),
    Column("clock", String(16), nullable=False),
    Column("raised_ms", BigInteger),  # NULL: only the return to normal has arrived
    Column("cleared_ms", BigInteger),
    Column("received_ms", BigInteger, nullable=False),
    Column("backfill", Boolean, nullable=False),
    Column(
        "condition", String(64), nullable=False, server_default=""
    ),  # which of the rule's; empty: not told
    Column(
        "planned", Boolean, nullable=False, server_default=text("false")
    ),  # raised under maintenance: no case
    Column("waits", Boolean, nullable=False),  # backfilled: whoever follows alarms hears of it at the end
    Column("case_id", String(32), ForeignKey("cases.id")),
    UniqueConstraint("gateway", "id", name="alarms_alarm"),
)
_OF_A_CASE = text("case_id IS NOT NULL")
Index("alarms_case", alarms.c.case_id, sqlite_where=_OF_A_CASE, postgresql_where=_OF_A_CASE)
Index(
    "alarms_active",
    alarms.c.row,
    sqlite_where=text("cleared_ms IS NULL"),
    postgresql_where=text("cleared_ms IS NULL"),
)
Index(
    "alarms_over",
    alarms.c.received_ms,
    sqlite_where=text("cleared_ms IS NOT NULL AND case_id IS NULL"),
    postgresql_where=text("cleared_ms IS NOT NULL AND case_id IS NULL"),
)
_ACTIVE = text("cleared_ms IS NULL")
Index("alarms_case_active", alarms.c.case_id, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE)
# SQLite finds an index of some rows only where it is written as SQLAlchemy asks.
Index("alarms_waiting", alarms.c.row, sqlite_where=text("waits = 1"), postgresql_where=text("waits"))

outbox = Table(
    "outbox",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False),
    Column("n", Integer, nullable=False),  # the messages of a case go out in this order, from 1
    Column("kind", String(16), nullable=False),  # opened, stage, attached, evidence ...
    Column("key", String(64), nullable=False, unique=True),  # the same whenever it is sent
    Column("platform", String(64), nullable=False),  # whose it is; empty: nobody has said yet
    Column("state", String(16), nullable=False),  # waiting, sending, asking, done, needs_person
    Column("attempts", Integer, nullable=False),
    Column("perhaps", Boolean, nullable=False),  # one of the attempts may have been taken
    Column("next_ms", BigInteger, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("payload", Text, nullable=False),  # JSON
    Column("at_ms", BigInteger, nullable=False),  # when it was written
    UniqueConstraint("case_id", "n", name="outbox_message"),
)
Index("outbox_due", outbox.c.platform, outbox.c.state, outbox.c.next_ms)

desired = Table(
    "desired",
    STATE,
    Column("gateway", String(64), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("jws", LargeBinary, nullable=False),
    Column("digest", String(32), nullable=False),  # of the JWS
    Column("body_digest", String(32), nullable=False),
    Column("issued_ms", BigInteger, nullable=False),
    Column("effective_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),  # NULL: never
    Column("who", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("refusal", String(32), nullable=False),  # in one word, or empty
    Column("reason", String(500), nullable=False),
    Column("reported_ms", BigInteger),  # by the gateway's clock; NULL: it has not answered
    Column("attempts", Integer, nullable=False),
    Column("sent_ms", BigInteger),  # NULL: the broker has not had it yet
    Column("next_ms", BigInteger),  # when it is published next; NULL: it needs not be
)
Index(
    "desired_due",
    desired.c.next_ms,
    sqlite_where=text("next_ms IS NOT NULL"),
    postgresql_where=text("next_ms IS NOT NULL"),
)
Index("desired_digest", desired.c.gateway, desired.c.kind, desired.c.digest)

desired_heard = Table(
    "desired_heard",
    STATE,
    Column("gateway", String(64), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("in_force", BigInteger),  # the sequence, as the gateway said last; NULL: none
    Column("highest", BigInteger, nullable=False),  # the highest sequence it ever took, or 0
    Column("highest_issued_ms", BigInteger, nullable=False),
    Column("heard_ms", BigInteger, nullable=False),
)

commands = Table(
    "commands",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("gateway", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("jws", LargeBinary, nullable=False),
    Column("digest", String(32), nullable=False),  # of the JWS
    Column("kind", String(16), nullable=False),
    Column("target", String(200), nullable=False),
    Column("value", Boolean),  # of a switch
    Column("until_ms", BigInteger),  # of a switch
    Column("who", String(100), nullable=False),
    Column("issued_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("refusal", String(32), nullable=False),  # in one word, or empty
    Column("reason", String(500), nullable=False),
    Column("read_back", Text, nullable=False),  # JSON
    Column("answered_ms", BigInteger),  # by the gateway's clock; NULL: it has not answered
    Column("sent_ms", BigInteger),  # NULL: the broker has not had it yet
    Column("next_ms", BigInteger),  # when it is published next; NULL: it needs not be
)
_OPEN = text("state IN ('waiting', 'published')")
Index("commands_open", commands.c.expires_ms, sqlite_where=_OPEN, postgresql_where=_OPEN)
Index("commands_gateway", commands.c.gateway, commands.c.sequence)
Index("commands_old", commands.c.issued_ms)

lamp_plans = Table(
    "lamp_plans",
    STATE,
    Column("id", BigId, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("file", String(255), nullable=False),
    Column("who", String(200), nullable=False),
    Column("pushed_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),  # the TOML as it was pushed
    Column("effective_ms", BigInteger),  # NULL, like the next: from the push on
    Column("expires_ms", BigInteger),  # NULL: never
)

lamp_nights = Table(
    "lamp_nights",
    STATE,
    Column("id", BigId, primary_key=True),
    Column("gateway", String(64), nullable=False),
    Column("lamp", String(64), nullable=False),
    Column("night", String(10), nullable=False),  # the date of its evening
    Column("event_id", String(32), nullable=False),  # of the last part that was told
    Column("time_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("record", Text, nullable=False),  # the contract's event without its changes, as JSON
    Column(
        "changes", Text, nullable=False
    ),  # planned, commanded, measured, as JSON: most of it, and rarely read
    Column("parts", Text, nullable=False),  # where several were joined, all of them, as JSON; else empty
    UniqueConstraint("gateway", "night", "lamp", name="lamp_nights_night"),
)
Index("lamp_nights_received", lamp_nights.c.received_ms)

connections = Table(
    "connections",
    STATE,
    Column("id", BigId, primary_key=True),
    Column("gateway", String(64), nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),  # NULL while it is connected
)
Index("connections_begun", connections.c.gateway, connections.c.from_ms)
Index("connections_old", connections.c.until_ms)
Index(
    "connections_open",
    connections.c.gateway,
    unique=True,
    sqlite_where=text("until_ms IS NULL"),
    postgresql_where=text("until_ms IS NULL"),
)

listening = Table(
    "listening",
    STATE,
    Column("id", BigId, primary_key=True),
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),  # as far as is known for certain
)

audit = Table(
    "audit",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", String(100), nullable=False),
    Column("role", String(16), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(200), nullable=False),
    Column("detail", Text, nullable=False),  # JSON
)
Index("audit_target", audit.c.target, audit.c.row)
Index("audit_old", audit.c.at_ms)
Index("audit_who", audit.c.who, audit.c.row)
Index("audit_action", audit.c.action, audit.c.row)
