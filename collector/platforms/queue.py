"""The queue of messages to platforms, in SQL: everything happens in the caller's transaction."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Exists, Row, exists, select, update

from collector.cases.outgoing import Posting
from collector.platforms.protocol import Outgoing
from collector.tables import cases, outbox

ROUTED_AT_ONCE_MAX = 500
REASON_CHARACTERS_MAX = 500

Choose = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Due:
    """A message whose turn it is: to be sent, or (``asks``) to be asked for; ``attempts`` counts this one.

    ``perhaps``: an attempt before this one may have been taken. ``reason``: why it was not done then.
    """

    row: int
    case_id: str
    n: int
    kind: str
    key: str
    payload: str
    attempts: int
    perhaps: bool
    reason: str
    asks: bool

    @property
    def message(self) -> Outgoing:
        """Return it as connectors take it."""
        return Outgoing(self.case_id, self.n, self.kind, json.loads(self.payload))


def _earlier() -> Exists:
    """Say that a message of the same case is to go first."""
    before = outbox.alias()
    return exists().where(
        before.c.case_id == outbox.c.case_id, before.c.n < outbox.c.n, before.c.state != Posting.DONE.value
    )


def route(connection: Connection, choose: Choose) -> int:
    """Say of messages whose platform is open which it is; return how many."""
    first = outbox.alias()
    query = (
        select(outbox.c.row, outbox.c.n, outbox.c.payload, first.c.platform, first.c.payload.label("first"))
        .select_from(outbox.join(first, (first.c.case_id == outbox.c.case_id) & (first.c.n == 1)))
        .where(outbox.c.platform == "")
        .order_by(outbox.c.row)
        .limit(ROUTED_AT_ONCE_MAX)
    )
    found = connection.execute(query).all()
    for row in found:
        platform = row.platform or choose(json.loads(row.first))
        connection.execute(update(outbox).where(outbox.c.row == row.row).values(platform=platform))
    return len(found)


def unrouted(connection: Connection) -> bool:
    """Say whether there is something to route."""
    return (
        connection.execute(select(outbox.c.row).where(outbox.c.platform == "").limit(1)).first() is not None
    )


def adopt(connection: Connection, names: Collection[str]) -> None:
    """At the start: give what waits for a platform that is no more to another, or to a person."""
    gone = outbox.c.platform.not_in([*names, ""])
    waiting = outbox.c.state == Posting.WAITING.value
    connection.execute(update(outbox).where(gone, waiting, ~outbox.c.perhaps).values(platform=""))
    connection.execute(
        update(outbox)
        .where(gone, outbox.c.state.in_([Posting.WAITING, Posting.SENDING, Posting.ASKING]))
        .values(
            state=Posting.NEEDS_PERSON.value,
            perhaps=True,
            reason="its platform is not in the settings any more, and may have it; look there first",
        )
    )


def due(
    connection: Connection, platform: str, now_ms: int, count_max: int, but: Collection[int]
) -> list[Due]:
    """Return messages whose turn it is, but not those under way."""
    query = (
        select(outbox)
        .where(
            outbox.c.platform == platform,
            outbox.c.state.in_([Posting.WAITING.value, Posting.ASKING.value]),
            outbox.c.next_ms <= now_ms,
            outbox.c.row.not_in(but),
            ~_earlier(),
        )
        .order_by(outbox.c.next_ms, outbox.c.row)
        .limit(count_max)
    )
    return [_due(row, row.attempts + 1) for row in connection.execute(query)]


def claim(
    connection: Connection, platform: str, now_ms: int, count_max: int, but: Collection[int]
) -> list[Due]:
    """Mark what will be sent before it is sent, so that an interruption is known as one."""
    claimed = due(connection, platform, now_ms, count_max, but)
    for each in claimed:
        state = Posting.ASKING if each.asks else Posting.SENDING
        note(connection, each.row, state=state, attempts=each.attempts)
    return claimed


def interrupted(connection: Connection, platform: str) -> list[Due]:
    """Return what was being sent when the centre ended."""
    query = select(outbox).where(outbox.c.platform == platform, outbox.c.state == Posting.SENDING.value)
    return [_due(row, row.attempts) for row in connection.execute(query)]


def _due(row: Row[Any], attempts: int) -> Due:
    asks = row.state == Posting.ASKING
    told = row._mapping
    same = {
        name: told[name] for name in ("row", "case_id", "n", "kind", "key", "payload", "perhaps", "reason")
    }
    return Due(**same, attempts=attempts, asks=asks)


def note(connection: Connection, row: int, **values: str | int | bool) -> None:
    """Write down where a message stands."""
    plain = {
        key: str(value)[:REASON_CHARACTERS_MAX] if isinstance(value, str) else value
        for key, value in values.items()
    }
    connection.execute(update(outbox).where(outbox.c.row == row).values(**plain))


def proved(connection: Connection, case_id: str) -> None:
    """Note that the platform has this case: it has told of it itself."""
    states = [Posting.WAITING.value, Posting.ASKING.value, Posting.NEEDS_PERSON.value]
    connection.execute(
        update(outbox)
        .where(outbox.c.case_id == case_id, outbox.c.n == 1, outbox.c.state.in_(states))
        .values(state=Posting.DONE.value, perhaps=False, reason="")
    )


def first_of(connection: Connection, case_id: str) -> Any:
    """Return a case's first message with the platform that has it, or None."""
    return connection.execute(select(outbox).where(outbox.c.case_id == case_id, outbox.c.n == 1)).first()


def case_by(connection: Connection, platform: str, case: str, number: str) -> str:
    """Return the id of the case that a platform means: by our id, key or number, else by its own number."""
    if case:
        known = select(cases.c.id).where((cases.c.id == case) | (cases.c.number == case))
        if found := connection.scalar(known):
            return str(found)
        return str(connection.scalar(select(outbox.c.case_id).where(outbox.c.key == case)) or "")
    theirs = (
        select(cases.c.id)
        .join(outbox, (outbox.c.case_id == cases.c.id) & (outbox.c.n == 1) & (outbox.c.platform == platform))
        .where(cases.c.platform_number == number, cases.c.platform_number != "")
    )
    return str(connection.scalar(theirs.limit(1)) or "")


def waiting_page(connection: Connection, platform: str, before: int, limit: int) -> Sequence[Any]:
    """Return messages that wait for a person, the newest first, with their cases; ``before`` 0 begins."""
    query = (
        select(outbox, cases.c.number, cases.c.title_en, cases.c.title_zh, cases.c.platform_number)
        .join(cases, cases.c.id == outbox.c.case_id)
        .where(outbox.c.state == Posting.NEEDS_PERSON.value)
        .order_by(outbox.c.row.desc())
        .limit(limit)
    )
    if platform:
        query = query.where(outbox.c.platform == platform)
    if before:
        query = query.where(outbox.c.row < before)
    return connection.execute(query).all()
