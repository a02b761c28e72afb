"""The tables of the room: what figures need of each case and day, made from raw stages, and what is left out.

``case_facts`` and ``evaluation_days`` hold nothing of their own: they can be made anew from ``cases``,
``case_stages`` and ``case_events``.
Times are UTC milliseconds.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table

from collector.tables import STATE, BigId

case_facts = Table(
    "case_facts",
    STATE,
    Column("case_id", String(32), primary_key=True),
    Column("district", String(12), nullable=False),  # the grid's first 6 digits; empty: not known
    Column("street", String(12), nullable=False),  # the grid's first 9 digits
    Column("department", String(200), nullable=False),  # whom it was dispatched to last; empty: nobody
    Column("class_code", String(32), nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("repeated", Boolean, nullable=False),  # its problem had a case before
    Column("voided", Boolean, nullable=False),  # it was none, or another's
    Column("extensions", Integer, nullable=False),
    Column("reworks", Integer, nullable=False),
    Column("reported_ms", BigInteger, nullable=False),
    Column("filed_ms", BigInteger),  # NULL: it is not filed
    Column("deadline_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger),  # the last closing; NULL: it is open, or voided
    Column("collected_ms", BigInteger),  # how long it was in this stage, all times together,
    Column("filing_ms", BigInteger),  # and in stage filed; NULL: never
    Column("dispatched_ms", BigInteger),
    Column("in_hand_ms", BigInteger),
    Column("verifying_ms", BigInteger),  # in stage reported
)
Index("case_facts_reported", case_facts.c.reported_ms)
Index("case_facts_deadline", case_facts.c.deadline_ms)
Index("case_facts_closed", case_facts.c.closed_ms)

_ADDED = (
    *("reported", "filed", "repeated", "voided"),  # of those reported on the day
    *("due", "extended", "closed", "closed_extended", "in_time", "in_time_extended"),  # due on the day
    *("urgent_due", "urgent_closed", "reworked"),
    *("ended", "collected_of", "filing_of", "dispatched_of", "in_hand_of", "verifying_of"),  # closed on it
    *("collected_ms", "filing_ms", "dispatched_ms", "in_hand_ms", "verifying_ms", "whole_ms"),
)
evaluation_days = Table(
    "evaluation_days",
    STATE,
    Column("by", String(12), primary_key=True),  # department, street, district, class
    Column("day", Integer, primary_key=True, autoincrement=False),  # local days since 1970-01-01
    Column("key", String(200), primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in _ADDED),
    sqlite_with_rowid=False,
)
ADDED = tuple(evaluation_days.c[name] for name in _ADDED)
"""What is added up over days: counts of cases, times in ms, and of how many cases each time is."""

evaluation_cursor = Table(
    "evaluation_cursor",
    STATE,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("stage_row", BigInteger, nullable=False),  # of case_stages: all before it is in the facts
    Column("event_row", BigInteger, nullable=False),  # of case_events
    Column("utc_offset_min", Integer, nullable=False),  # by which the days were told apart
)

evaluation_exclusions = Table(
    "evaluation_exclusions",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("area", String(12), nullable=False),  # a district's 6 digits or a street's 9; empty: everywhere
    Column("class_code", String(32), nullable=False),  # empty: every class
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("who", String(100), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("withdrawn_ms", BigInteger),  # NULL: it holds
)
Index("evaluation_exclusions_from", evaluation_exclusions.c.from_ms)
