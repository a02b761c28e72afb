"""From what the broker delivers to what is committed and acknowledged.

Messages wait in a queue that is bounded by bytes; whoever feeds it waits for room. One transaction takes all
that has arrived (up to a limit), and only after its commit are acknowledgements released.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from msgspec import structs
from sqlalchemy.exc import DatabaseError, InternalError, OperationalError

from collector import intake, registry
from collector.database import Database
from collector.group_marks import LaneKey
from collector.intake import Answer, Outcome, Received, Rules
from collector.journal import JournalFullError
from collector.marks import RepeatLimiter
from collector.metrics import Metrics
from collector.settings import Limits
from collector.turns import TurnBook
from contract import messages, topics
from contract.messages import Ack

_log = logging.getLogger(__name__)

RETRY_INTERVAL_S = 1.0
REPEAT_KEYS_MAX = 20_000
ACKS_WAITING_MAX = 20_000
_MESSAGE_BYTES = 200
"""What a queued message takes beside its payload."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An acknowledgement on its way to the broker."""

    topic: str
    payload: bytes


class AckQueue:
    """Acknowledgements to be sent. They are cumulative, so only the newest of each lane is kept.

    A repetition of what is still waiting is sent as well: it is how a gateway learns of a hole.
    """

    def __init__(self, district: str) -> None:
        """Begin empty."""
        self._district = district
        self._waiting: dict[LaneKey, list[Ack]] = {}
        self._arrived = asyncio.Event()

    def put(self, answer: Answer) -> None:
        """Queue one; beyond ACKS_WAITING_MAX lanes the one that waits longest gives way."""
        before = self._waiting.get(answer.key, [])
        if before and answer.ack.turn is None:
            answer = replace(answer, ack=structs.replace(answer.ack, turn=before[-1].turn))
        self._waiting[answer.key] = [*before[-1:], answer.ack] if answer.repeats else [answer.ack]
        if len(self._waiting) > ACKS_WAITING_MAX:
            self._waiting.pop(next(iter(self._waiting)))
        self._arrived.set()

    async def take(self, lanes_max: int) -> list[Outgoing]:
        """Wait for some and return those of up to ``lanes_max`` lanes, the longest waiting first."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        keys = list(self._waiting)[:lanes_max]
        return [
            Outgoing(topics.ack(self._district, key.gateway, key.lane), messages.encode(ack))
            for key in keys
            for ack in self._waiting.pop(key)
        ]


class Ingest:
    """The queue, the committing loop, and the acknowledgements it releases."""

    def __init__(
        self,
        database: Database,
        district: str,
        limits: Limits,
        metrics: Metrics,
        *,
        monotonic_s: Callable[[], float],
        committed: Callable[[], None],
    ) -> None:
        """``committed`` is called after each commit, so that projections need not poll."""
        self.acks = AckQueue(district)
        self.failing = ""
        """Why nothing can be committed at the moment, or nothing."""
        self._database, self._limits, self._metrics = database, limits, metrics
        self._monotonic_s, self._committed = monotonic_s, committed
        self._rules = Rules(
            district,
            limits.gateways_max,
            limits.epochs_per_gateway_max,
            limits.journal_bytes_max,
            limits.dead_letters_max,
        )
        self._turns = TurnBook(limits.connections_per_s_max)
        self._turns.add(database.read_now(registry.names))
        self._repeats = RepeatLimiter[tuple[str, str]](limits.repeat_interval_s, REPEAT_KEYS_MAX)
        self._queue: deque[Received] = deque()
        self._queue_bytes = 0
        self._changed = asyncio.Condition()
        self.taking_since_s = math.inf
        """Since when what has arrived is being taken, or tried again; infinity where nothing waits."""

    async def offer(self, received: Received) -> None:
        """Queue a message, after waiting for room."""
        size = _size(received)
        async with self._changed:
            await self._changed.wait_for(lambda: self._fits(size))
            self._queue.append(received)
            if self.taking_since_s == math.inf:
                self.taking_since_s = self._monotonic_s()
            self._queue_bytes += size
            self._metrics.ingest_queue_bytes.set(self._queue_bytes)
            self._changed.notify_all()

    async def run(self) -> None:
        """Commit group after group until cancelled."""
        while True:
            outcome = await self._commit(await self._next_group())
            if outcome.added:
                self._turns.add(outcome.added)
            for answer in outcome.answers:
                gateway = answer.key.gateway
                key = (gateway, str(answer.key.lane))
                if not answer.repeats or self._repeats.passes(key, self._monotonic_s()):
                    turn = self._turns.to_tell(gateway, greeted=gateway in outcome.greeted)
                    self.acks.put(replace(answer, ack=structs.replace(answer.ack, turn=turn)))
            self.taking_since_s = self._monotonic_s() if self._queue else math.inf

    def _fits(self, size: int) -> bool:
        return not self._queue or self._queue_bytes + size <= self._limits.ingest_queue_bytes_max

    async def _next_group(self) -> list[Received]:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._queue))
            group = [self._queue.popleft()]
            size = _size(group[0])
            while self._queue and len(group) < self._limits.commit_batches_max:
                if size + _size(self._queue[0]) > self._limits.commit_bytes_max:
                    break
                group.append(self._queue.popleft())
                size += _size(group[-1])
            self._queue_bytes -= size
            self._metrics.ingest_queue_bytes.set(self._queue_bytes)
            self._changed.notify_all()
        return group

    async def _commit(self, group: list[Received]) -> Outcome:
        """Commit the group; wait and try again while the disk is full or broken, or the journal full."""
        while True:
            try:
                outcome = await self._database.write(partial(intake.take, group=group, rules=self._rules))
            except Exception as error:
                if _is_of_the_store(error):
                    if not self.failing:
                        _log.error("nothing can be committed, so nothing is acknowledged: %s", error)
                    self.failing = str(getattr(error, "orig", error))
                    self.taking_since_s = self._monotonic_s()
                    await asyncio.sleep(RETRY_INTERVAL_S)
                    continue
                _log.exception("a group of %d messages cannot be taken together", len(group))
                outcome = await self._one_by_one(group)
            if self.failing:
                _log.warning("commits succeed again")
                self.failing = ""
            self._metrics.took(outcome)
            self._committed()
            return outcome

    async def _one_by_one(self, group: list[Received]) -> Outcome:
        """Take each message alone, so that one that breaks us costs nothing but itself."""
        together = Outcome()
        for received in group:
            try:
                outcome = await self._database.write(
                    partial(intake.take, group=[received], rules=self._rules)
                )
            except Exception as error:
                if _is_of_the_store(error):
                    continue  # not acknowledged, so it comes again
                _log.exception("a message on %s cannot be taken", received.topic[:80])
                together.rejected["internal"] += 1
                continue
            together.answers += outcome.answers
            together.batches += outcome.batches
            together.rejected += outcome.rejected
            together.hellos += outcome.hellos
            together.states += outcome.states
            together.greeted |= outcome.greeted
            together.added |= outcome.added
        return together


def _is_of_the_store(error: Exception) -> bool:
    """Say whether disk, database or journal fail, rather than what a message does to us."""
    # sqlite3 calls a damaged file a plain DatabaseError; its subclasses are mistakes in statements or data.
    return isinstance(error, OperationalError | InternalError | JournalFullError) or (
        type(error) is DatabaseError
    )


def _size(received: Received) -> int:
    return len(received.payload) + len(received.topic) + _MESSAGE_BYTES
