"""What people were told, and are to be told. Times are UTC milliseconds."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from collector.tables import STATE, BigId

told = Table(
    "told",
    STATE,
    Column("incident_id", String(32), primary_key=True),
    Column(
        "alarm", String(128), primary_key=True
    ),  # gateway/id of a highest alarm; empty: the incident's own
    Column("step", Integer, nullable=False),  # -1: nobody yet
    Column("step_ms", BigInteger, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),  # of the incident, as it was looked at,
    Column("seen_ms", BigInteger, nullable=False),  # and its last_ms
    Column("due_ms", BigInteger),  # when to look again though nothing changed; NULL: never, or done
    Column("done", Boolean, nullable=False),
    Column("reason", String(200), nullable=False),  # why nobody is told
    Column("people", Text, nullable=False),  # JSON, by name
)
Index("told_due", told.c.due_ms)
Index("told_done", told.c.done, told.c.seen_ms)

telling_mark = Table(
    "telling_mark",
    STATE,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("incident_row", BigInteger, nullable=False),  # up to here each incident was looked at once
)

messages = Table(
    "messages",
    STATE,
    Column("row", BigId, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("incident_id", String(32), nullable=False),  # empty: a summary, or a test
    Column("alarm", String(128), nullable=False),
    Column("person", String(64), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("highest", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("on_channel", Integer, nullable=False),  # attempts on this channel
    Column("tried", String(500), nullable=False),  # channels that failed, by spaces
    Column("next_ms", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("settled_ms", BigInteger),
    Column("reason", String(500), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("body", Text, nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 of subject and body
)
Index("messages_due", messages.c.state, messages.c.next_ms)
Index("messages_recent", messages.c.at_ms)
Index("messages_incident", messages.c.incident_id, messages.c.row)

message_incidents = Table(
    "message_incidents",
    STATE,
    Column("message_id", String(32), ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("incident_id", String(32), primary_key=True),
    Column("alarm", String(128), primary_key=True),
    Column("kind", String(16), nullable=False),  # what the message was to say of it
)
Index("message_incidents_incident", message_incidents.c.incident_id)
