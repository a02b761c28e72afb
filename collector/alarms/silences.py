"""Silences, in Alertmanager's form: alarms that match are not told while one is active. They end by time.

A silence changes nothing about an alarm: it is looked at when somebody would be told. The highest priority
is told all the same.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, update
from sqlalchemy import insert as plain_insert

from collector.alarms.labels import Labels, Matcher, hold, matchers
from collector.alarms.tables import silences
from collector.people import audit
from collector.people.roles import CENTRE, Actor
from contract.events import Priority

ENDED_AT_ONCE_MAX = 500


class SilenceError(ValueError):
    """No such silence is made; the text says why."""


class SilenceState(StrEnum):
    """Whether it holds."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; it holds from ``starts_at_ms`` up to ``ends_at_ms``."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at_ms: int
    ends_at_ms: int

    def silences(self, labels: Labels) -> bool:
        """Say whether an alarm is not told because of it."""
        return labels.get("priority") != Priority.HIGHEST and hold(self.matchers, labels)


def state_of(starts_at_ms: int, ends_at_ms: int, now_ms: int) -> SilenceState:
    """Return whether it holds now."""
    if now_ms >= ends_at_ms:
        return SilenceState.EXPIRED
    return SilenceState.ACTIVE if now_ms >= starts_at_ms else SilenceState.PENDING


_ACTIVE = (
    select(silences)
    .where(
        ~silences.c.ended,
        silences.c.ends_at_ms > bindparam("now_ms"),
        silences.c.starts_at_ms <= bindparam("now_ms"),
    )
    .order_by(silences.c.row)
)


def active(connection: Connection, now_ms: int) -> list[Silence]:
    """Return those that hold now."""
    return [of_row(row) for row in connection.execute(_ACTIVE, {"now_ms": now_ms})]


def of_row(row: Row[Any]) -> Silence:
    """Return the silence of a row."""
    return Silence(row.id, _read(row.matchers), row.starts_at_ms, row.ends_at_ms)


@lru_cache(maxsize=1_000)
def _read(written: str) -> tuple[Matcher, ...]:
    """Return the matchers of a row: they are looked at with each alarm."""
    return matchers(json.loads(written))


def silencing(silenced: Iterable[Silence], labels: Labels) -> str:
    """Return the id of the first that silences an alarm, or nothing."""
    return next((each.id for each in silenced if each.silences(labels)), "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A silence that somebody asks for."""

    matchers: Sequence[str]
    starts_at_ms: int
    ends_at_ms: int
    comment: str


def add(
    connection: Connection,
    wanted: Wanted,
    actor: Actor,
    now_ms: int,
    *,
    silence_id: str,
    longest_ms: int,
    count_max: int,
) -> None:
    """Begin a silence; SilenceError, or MatcherError of ``labels``, says why not."""
    read = matchers(wanted.matchers)
    if wanted.ends_at_ms <= max(now_ms, wanted.starts_at_ms):
        raise SilenceError("it would end before it begins, or is over already")
    if wanted.ends_at_ms - max(now_ms, wanted.starts_at_ms) > longest_ms:
        raise SilenceError(f"a silence lasts {longest_ms / 3_600_000:g} h at most (silence_max_h)")
    standing = select(func.count()).select_from(silences).where(silences.c.ends_at_ms > now_ms)
    if connection.execute(standing).scalar_one() >= count_max:
        raise SilenceError(f"there are {count_max} silences already (silences_max); end one first")
    row = {
        "id": silence_id,
        "matchers": json.dumps([str(each) for each in read], ensure_ascii=False),
        "starts_at_ms": wanted.starts_at_ms,
        "ends_at_ms": wanted.ends_at_ms,
        "created_by": actor.name,
        "created_ms": now_ms,
        "comment": wanted.comment,
        "ended": False,
    }
    connection.execute(plain_insert(silences).values(row))
    detail = {key: row[key] for key in ("matchers", "starts_at_ms", "ends_at_ms", "comment")}
    audit.note(connection, actor, now_ms, "silence.begin", silence_id, detail)


def expire(connection: Connection, silence_id: str, actor: Actor, now_ms: int) -> bool:
    """End one now; False where there is none. SilenceError where it is over."""
    found = connection.execute(select(silences).where(silences.c.id == silence_id)).first()
    if found is None:
        return False
    if found.ends_at_ms <= now_ms:
        raise SilenceError("it is over already")
    changed = {"ends_at_ms": now_ms, "starts_at_ms": min(found.starts_at_ms, now_ms), "ended": True}
    connection.execute(update(silences).where(silences.c.id == silence_id).values(changed))
    audit.note(connection, actor, now_ms, "silence.end", silence_id)
    return True


def note_ended(connection: Connection, now_ms: int) -> bool:
    """Note the end of those whose time is over; return whether more may wait."""
    query = select(silences.c.id, silences.c.ends_at_ms).where(
        silences.c.ends_at_ms <= now_ms, ~silences.c.ended
    )
    rows = connection.execute(
        query.order_by(silences.c.ends_at_ms, silences.c.row).limit(ENDED_AT_ONCE_MAX)
    ).all()
    for row in rows:
        connection.execute(update(silences).where(silences.c.id == row.id).values(ended=True))
        audit.note(connection, CENTRE, now_ms, "silence.over", row.id, {"ends_at_ms": row.ends_at_ms})
    return len(rows) == ENDED_AT_ONCE_MAX
