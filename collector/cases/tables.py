"""The tables of the room beside ``cases`` itself: a case's life, the city's classes, what makes no case.

Times are UTC milliseconds. Rows of ``case_stages`` and ``case_events`` are added and never changed.
"""

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

case_stages = Table(
    "case_stages",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False),
    Column("n", Integer, nullable=False),  # from 1
    Column("stage", String(16), nullable=False),
    Column("step", String(24), nullable=False),  # what brought it there
    Column("at_ms", BigInteger, nullable=False),
    Column("who", String(100), nullable=False),
    Column("role", String(16), nullable=False),  # a person's role, or platform, sensor, centre
    Column("department", String(200), nullable=False),
    Column("note", String(500), nullable=False),
    Column("reason", String(500), nullable=False),
    UniqueConstraint("case_id", "n", name="case_stages_case"),
)

case_events = Table(
    "case_events",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("who", String(100), nullable=False),
    Column("detail", Text, nullable=False),  # JSON
)
Index("case_events_case", case_events.c.case_id, case_events.c.row)

case_problems = Table(
    "case_problems",
    STATE,
    Column("problem_key", String(600), primary_key=True),
    Column("case_id", String(32), ForeignKey("cases.id"), nullable=False),  # the newest that has it
)
Index("case_problems_case", case_problems.c.case_id)

case_similar = Table(
    "case_similar",
    STATE,
    Column("case_id", String(32), ForeignKey("cases.id"), primary_key=True),
    Column("other_id", String(32), ForeignKey("cases.id"), primary_key=True),  # opened before it
    Column("distance_m", Float, nullable=False),
    Column("apart_ms", BigInteger, nullable=False),
)
Index("case_similar_other", case_similar.c.other_id)

case_class_versions = Table(
    "case_class_versions",
    STATE,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", String(100), nullable=False),
    Column("what", String(500), nullable=False),  # the problems that it changed
)

case_classes = Table(
    "case_classes",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("problem", String(64), nullable=False),
    Column("from_version", Integer, nullable=False),
    Column("until_version", Integer),  # NULL: it is in force
    Column("source", String(16), nullable=False),  # settings, or desk
    Column("body", Text, nullable=False),  # the class as JSON; null: there is none
)
_IN_FORCE = text("until_version IS NULL")
Index(
    "case_classes_in_force",
    case_classes.c.problem,
    unique=True,
    sqlite_where=_IN_FORCE,
    postgresql_where=_IN_FORCE,
)

no_collection = Table(
    "no_collection",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("area", String(15), nullable=False),  # the first digits of the grid; empty: everywhere
    Column("problem", String(64), nullable=False),  # empty: every class
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),  # NULL: until it is ended
    Column("daily_from_min", Integer),  # NULL, like the next: all day; minutes of the local day
    Column("daily_until_min", Integer),
    Column("reason", String(500), nullable=False),
    Column("who", String(100), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("hits", BigInteger, nullable=False),  # alarms that made no case because of it
    Column("hit_ms", BigInteger),  # the last of them
)

uncollected = Table(
    "uncollected",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("gateway", String(64), nullable=False),
    Column("alarm_id", String(32), nullable=False),
    Column("rule_id", String(32), ForeignKey("no_collection.id"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("waits", Integer, nullable=False),  # 1: it is active, and makes a case once no rule is in the way
    UniqueConstraint("gateway", "alarm_id", name="uncollected_alarm"),
)
_WAITS = text("waits = 1")
Index("uncollected_waiting", uncollected.c.row, sqlite_where=_WAITS, postgresql_where=_WAITS)
Index("uncollected_rule", uncollected.c.rule_id)
