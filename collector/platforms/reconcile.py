"""What was not heard, found out by asking: polls of platforms that can be polled, look-ups of open cases.

``decide`` is pure. Open cases are looked up in turn, a few each time; where a round stands is kept.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from collector.cases.book import CLOSED
from collector.cases.outgoing import Posting
from collector.database import insert
from collector.platforms import queue
from collector.platforms.hearing import Heard, Outcome, Source
from collector.platforms.outbox import Outbox
from collector.platforms.protocol import CannotSay, Found, LookedUp, NotThere, Outgoing, Status
from collector.platforms.tables import platform_polls
from collector.tables import cases, outbox

_log = logging.getLogger(__name__)

AT_ONCE_MAX = 50
"""Of what was polled, so many events a transaction: commits of what arrives wait for the same thread."""
GONE = "the platform has said that it has this case, and now says that it has not; look there"


@dataclass(frozen=True, slots=True)
class Hear:
    """Take this as told."""

    status: Status


@dataclass(frozen=True, slots=True)
class Missing:
    """The platform has lost it."""


@dataclass(frozen=True, slots=True)
class Other:
    """The platform has it under another number than it said: perhaps twice."""

    number: str


@dataclass(frozen=True, slots=True)
class Called:
    """It has not said yet what it calls the case."""

    number: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """All is as it is known, or nobody can say."""


Follows = Hear | Missing | Other | Called | Nothing


def decide(number: str, looked: LookedUp) -> Follows:
    """Say what follows from what the platform says of a case that it took under ``number`` (or none)."""
    match looked:
        case NotThere():
            return Missing()
        case Found(theirs, status):
            if number and theirs != number:
                return Other(theirs)
            if status:
                return Hear(replace(status, number=theirs))
            return Called(theirs) if theirs and not number else Nothing()
        case CannotSay():
            return Nothing()


class Reconciler:
    """Finds out about the cases of one platform."""

    def __init__(self, outbox: Outbox, *, cases_max: int) -> None:
        """``cases_max``: so many cases are looked up each time."""
        self._outbox, self._cases_max = outbox, cases_max
        self._tools = outbox.tools

    async def look_up_some(self) -> bool:
        """Look up the next open cases."""
        reached, rows = await self._tools.database.read(self._next)
        for row in rows:
            message = Outgoing(row.case_id, row.n, row.kind, json.loads(row.payload))
            found = decide(row.platform_number, await self._outbox.connector.look_up(message, row.key))
            if not isinstance(found, Nothing):
                await self._tools.database.write(partial(self._apply, row=row, found=found))
        await self._tools.database.write(lambda db: self._keep(db, looked_row=reached))
        return False

    def _next(self, connection: Connection) -> tuple[int, list[Any]]:
        """Return the cases whose turn it is, and where the round then stands; 0: it begins anew."""
        at = connection.scalar(self._of(platform_polls.c.looked_row)) or 0
        query = (
            select(outbox, cases.c.platform_number)
            .join(cases, cases.c.id == outbox.c.case_id)
            .where(outbox.c.platform == self._outbox.name, outbox.c.n == 1)
            .where(outbox.c.state == Posting.DONE.value, outbox.c.row > at, cases.c.stage.not_in(CLOSED))
            .order_by(outbox.c.row)
            .limit(self._cases_max)
        )
        rows = list(connection.execute(query))
        return (rows[-1].row if len(rows) == self._cases_max else 0), rows

    def _apply(self, connection: Connection, row: Any, found: Follows) -> None:
        now_ms = self._tools.now_ms()
        match found:
            case Hear(status):
                told = replace(status, case=row.case_id)
                heard = self._outbox.hearing.hear(connection, told, Source.LOOK_UP, now_ms)
                self._count(heard, Source.LOOK_UP)
            case Missing():
                self._to_person(connection, row, GONE)
            case Called(number):
                self._tools.stages.file(connection, row.case_id, number, self._outbox.hearing.actor, now_ms)
            case Other(number):
                told_number = f"the platform calls it {row.platform_number}, and now {number}"
                self._to_person(connection, row, f"{told_number}: it may be there twice; look there")

    def _to_person(self, connection: Connection, row: Any, reason: str) -> None:
        _log.warning("platform %s, case %s: %s", self._outbox.name, row.case_id, reason)
        queue.note(connection, row.row, state=Posting.NEEDS_PERSON, reason=reason, perhaps=True)

    async def poll(self) -> bool:
        """Ask what happened since the last time; return whether there is more."""
        cursor = await self._tools.database.read(
            lambda db: db.scalar(self._of(platform_polls.c.cursor)) or ""
        )
        page = await self._outbox.connector.statuses(cursor)
        if isinstance(page, CannotSay):
            _log.info("platform %s: polled: %s", self._outbox.name, page.reason)
            return False

        for first in range(0, len(page.items), AT_ONCE_MAX):  # each is taken once, so nothing is lost between
            some = page.items[first : first + AT_ONCE_MAX]
            for heard in await self._tools.database.write(partial(self._hear, some=some)):
                self._count(heard, Source.POLL)
        now_ms = self._tools.now_ms()
        await self._tools.database.write(partial(self._keep, cursor=page.cursor, polled_ms=now_ms))
        for problem in page.problems:
            self._tools.metrics.platform_statuses.labels(self._outbox.name, "poll", "malformed").inc()
            _log.warning("platform %s: polled: %s", self._outbox.name, problem)
        return page.more

    def _hear(self, connection: Connection, some: Sequence[Status]) -> list[Heard]:
        now_ms = self._tools.now_ms()
        return [self._outbox.hearing.hear(connection, it, Source.POLL, now_ms) for it in some]

    def _count(self, heard: Heard, source: Source) -> None:
        self._tools.metrics.platform_statuses.labels(self._outbox.name, str(source), str(heard.outcome)).inc()
        if heard.outcome in (Outcome.REFUSED, Outcome.UNKNOWN_CASE, Outcome.BACKWARDS):
            _log.warning("platform %s: %s", self._outbox.name, heard.reason)

    def _of(self, column: Any) -> Any:
        return select(column).where(platform_polls.c.platform == self._outbox.name)

    def _keep(self, connection: Connection, **values: Any) -> None:
        new = {"platform": self._outbox.name, "cursor": "", "polled_ms": 0, "looked_row": 0} | values
        connection.execute(
            insert(connection, platform_polls)
            .values(new)
            .on_conflict_do_update(index_elements=["platform"], set_=values)
        )
