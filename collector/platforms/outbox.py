"""Messages on their way to one platform: each is sent until the platform has it, or a person must look."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import TypeVar

from sqlalchemy import Connection, select

from collector.cases.outgoing import Posting
from collector.database import Database
from collector.metrics import Metrics
from collector.platforms import queue
from collector.platforms.hearing import Hearing, Outcome, Source
from collector.platforms.protocol import Connector, Found, NotSent, Perhaps
from collector.platforms.queue import Due
from collector.platforms.settings import Sending
from collector.platforms.stages import Stages
from collector.platforms.tables import platform_statuses
from collector.platforms.verdicts import (
    Ask,
    Filed,
    NeedsPerson,
    Retry,
    Skipped,
    Verdict,
    given_up,
    interrupted,
    judge,
    judge_look_up,
    wait_s,
)

_log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.5
TROUBLE_MIN = 10
"""So many failures in a row are told as the platform's."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tools:
    """What everything that works for a platform needs."""

    database: Database
    metrics: Metrics
    stages: Stages
    now_ms: Callable[[], int]
    random: Random


class Outbox:
    """Sends what is due to one platform, so many at once, and writes down what came of it."""

    def __init__(
        self, name: str, settings: Sending, connector: Connector, tools: Tools, *, settle_s: float = 0
    ) -> None:
        """Prepare; ``run`` works. ``settle_s``: so long after a send the platform can be asked about it."""
        self.trouble = ""
        """What the platform said last, once it has taken nothing for a while."""
        self.name, self.settings, self.connector = name, settings, connector
        self.tools = tools
        self.hearing = Hearing(name, tools.stages)
        self._settle_s = settle_s
        self._failures = 0
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._freed = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled; what is under way then is settled by the next start."""
        await self.insisted(self.recover)
        patience = self.tools.metrics.patiences.of(f"platform {self.name}")
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    for due in await self._due():
                        task = tasks.create_task(self._deal(due))
                        self._under_way[due.row] = task
                        task.add_done_callback(partial(self._ended, due.row))
                    patience.worked()
                    wait_s = POLL_INTERVAL_S
                except Exception as error:
                    wait_s = patience.failed(error)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._freed.wait()
                self._freed.clear()

    def _ended(self, row: int, _task: asyncio.Task[None]) -> None:
        del self._under_way[row]
        self._freed.set()

    def recover(self, connection: Connection) -> None:
        """Settle what was interrupted."""
        for due in queue.interrupted(connection, self.name):
            self.settle(connection, due, interrupted(self.connector.capabilities))

    async def insisted(self, work: Callable[[Connection], T]) -> T:
        """Write something, as soon as the database can be written, with a patience of its own."""
        patience = self.tools.metrics.patiences.of(f"platform {self.name}: writing")
        while True:
            try:
                written = await self.tools.database.write(work)
            except Exception as error:
                await asyncio.sleep(patience.failed(error))
            else:
                patience.worked()
                return written

    async def _due(self) -> list[Due]:
        free = self.settings.concurrency_max - len(self._under_way)
        if free < 1 or not await self.tools.database.read(self._look):
            return []
        now_ms, busy = self.tools.now_ms(), tuple(self._under_way)
        return await self.tools.database.write(
            lambda connection: queue.claim(connection, self.name, now_ms, free, busy)
        )

    def _look(self, connection: Connection) -> bool:
        return bool(queue.due(connection, self.name, self.tools.now_ms(), 1, tuple(self._under_way)))

    async def _deal(self, due: Due) -> None:
        """Send or ask, and settle."""
        abilities = self.connector.capabilities
        if due.asks:
            looked = await self.connector.look_up(due.message, due.key)
            verdict = judge_look_up(looked, due.reason.partition("; asked for it: ")[0])
            failed = not isinstance(looked, Found) and isinstance(verdict, Ask)
        else:
            answered = await self.connector.send(due.message, due.key)
            verdict = judge(answered, abilities, perhaps=due.perhaps)
            failed = isinstance(answered, NotSent | Perhaps)
        self._count(failed, getattr(verdict, "reason", ""))
        verdict = given_up(verdict, due.attempts, self.settings.attempts_max)
        self.tools.metrics.posts.labels(type(verdict).__name__.lower()).inc()
        if isinstance(verdict, NeedsPerson):
            _log.warning("platform %s, case %s: %s", self.name, due.case_id, verdict.reason)
        await self.insisted(lambda connection: self.settle(connection, due, verdict))

    def _count(self, failed: bool, reason: str) -> None:
        self._failures = self._failures + 1 if failed else 0
        self.trouble = reason if self._failures >= TROUBLE_MIN else ""

    def settle(self, connection: Connection, due: Due, verdict: Verdict) -> None:
        """Write down what follows."""
        now_ms = self.tools.now_ms()
        if due.n == 1 and not isinstance(verdict, Filed | Skipped) and self._told(connection, due.case_id):
            verdict = Filed()  # it has told of the case by itself, so it has it
        match verdict:
            case Filed(number, status):
                queue.note(connection, due.row, state=Posting.DONE, reason="", perhaps=False)
                if due.n == 1:
                    self.tools.stages.file(connection, due.case_id, number[:100], self.hearing.actor, now_ms)
                if status:
                    told = replace(status, case=due.case_id)
                    heard = self.hearing.hear(connection, told, Source.ANSWER, now_ms)
                    if heard.outcome not in (Outcome.APPLIED, Outcome.KNOWN):
                        _log.warning("platform %s, case %s: %s", self.name, due.case_id, heard.reason)
            case Skipped():
                reason = "not told to this platform"
                queue.note(connection, due.row, state=Posting.DONE, reason=reason, perhaps=False)
            case NeedsPerson(reason, perhaps):
                queue.note(
                    connection,
                    due.row,
                    state=Posting.NEEDS_PERSON,
                    reason=reason,
                    perhaps=perhaps or due.perhaps,
                )
            case Retry(reason, after, perhaps):
                next_ms = now_ms + self._wait_ms(due, after, 0)
                queue.note(
                    connection,
                    due.row,
                    state=Posting.WAITING,
                    reason=reason,
                    perhaps=perhaps,
                    next_ms=next_ms,
                )
            case Ask(reason, after):
                settle_s = 0 if due.asks else self._settle_s
                next_ms = now_ms + self._wait_ms(due, after, settle_s)
                queue.note(
                    connection, due.row, state=Posting.ASKING, reason=reason, perhaps=True, next_ms=next_ms
                )

    def _told(self, connection: Connection, case_id: str) -> bool:
        query = select(platform_statuses.c.row).where(
            platform_statuses.c.case_id == case_id,
            platform_statuses.c.platform == self.name,
            platform_statuses.c.outcome.in_([Outcome.APPLIED.value, Outcome.KNOWN.value]),
        )
        return connection.execute(query.limit(1)).first() is not None

    def _wait_ms(self, due: Due, after: str, at_least_s: float) -> int:
        wait = wait_s(
            due.attempts,
            after,
            shortest_s=self.settings.retry_min_s,
            longest_s=self.settings.retry_max_s,
            after_max_s=self.settings.retry_after_max_s,
            now_ms=self.tools.now_ms(),
            random=self.tools.random,
        )
        return round(max(wait, at_least_s) * 1000)
