"""Between measuring and keeping: gathers samples, commits them by policy, events at once."""

import asyncio
import logging
import math
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from contract import batches
from contract.batches import Content
from contract.events import Event
from contract.limits import EVENTS_PER_BATCH_MAX, MESSAGE_BYTES_MAX
from contract.samples import Measured, Row, how_many
from contract.topics import Lane
from edge.buffer.keeper import Keeper
from edge.buffer.store import Append, Buffer, Stored
from edge.clock import Clock, Moment
from edge.waiting import Wake

_log = logging.getLogger(__name__)

PENDING_SAMPLES_MAX = 50_000
PENDING_EVENTS_MAX = 10_000
PAYLOAD_BYTES_SENT_MAX = MESSAGE_BYTES_MAX - 4 * 1024
"""What a message holds beside its header; a batch that packs to more is divided."""
RETRY_S = 1.0
EARLY_FROM = 0.9
"""After this part of the flush interval fresh samples are committed at once: the gateway is awake already."""


class Recorder:
    """Holds what is not on disk yet: telemetry for a flush interval, events for an instant.

    A disk that refuses costs no control and no crash: what is pending waits, bounded, and what does not fit
    any more is counted in ``dropped_samples`` and ``dropped_events``.
    """

    def __init__(
        self,
        buffer: Buffer,
        keeper: Keeper,
        clock: Clock,
        *,
        flush_interval_s: float,
        samples_per_batch_max: int,
        bytes_max: int,
        remembered: Callable[[], dict[str, Any]],
        on_stored: Callable[[Stored], None],
    ) -> None:
        """``remembered`` is what the rules want kept with their events; ``on_stored`` wakes the uplink."""
        self._buffer, self._keeper, self._clock = buffer, keeper, clock
        self._interval_s, self._batch_max, self._bytes_max = (
            flush_interval_s,
            samples_per_batch_max,
            bytes_max,
        )
        self._remembered, self._on_stored = remembered, on_stored
        self._measured: list[Measured] = []
        self._pending = 0  # samples that these stand for
        self._events: list[Event] = []
        self._learnt: dict[str, Any] | None = None
        self._early_s = math.inf
        self._wake = Wake()
        self._lock = asyncio.Lock()
        self.dropped_samples = 0
        self.dropped_events = 0

    def samples(self, measured: Sequence[Measured], now: Moment) -> None:
        """Take samples; a full batch is committed at once."""
        self._measured += measured
        self._pending += sum(map(how_many, measured))
        self._drop_surplus()
        if self._pending >= self._batch_max or now.s >= self._early_s:
            self._wake.set()

    def event(self, event: Event) -> None:
        """Take an event; it is committed at once."""
        self._events.append(event)
        self._drop_surplus()
        self._wake.set()

    def learnt(self, learnt: dict[str, Any]) -> None:
        """Take what the drivers know now; it is committed with the next samples."""
        self._learnt = learnt

    async def run(self) -> None:
        """Commit until cancelled."""
        flush_at_s = self._clock.now().s + self._interval_s
        while True:
            await self._wake.wait(flush_at_s - self._clock.now().s)
            now_s = self._clock.now().s
            due = now_s >= min(self._early_s, flush_at_s)
            if due:
                flush_at_s = now_s + self._interval_s
                self._early_s = now_s + EARLY_FROM * self._interval_s
            if not await self.flush(everything=due):
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def flush(self, *, everything: bool = True) -> bool:
        """Commit events and full batches, with ``everything`` the rest too; False where the disk refuses.

        A commit that has begun is seen to its end even if the caller is cancelled: its outcome decides what
        is still pending.
        """
        async with self._lock:
            while (
                self._events
                or self._pending >= (1 if everything else self._batch_max)
                or (everything and self._learnt is not None)
            ):
                commit = asyncio.create_task(self._commit(everything=everything))
                try:
                    done = await asyncio.shield(commit)
                except asyncio.CancelledError:
                    await asyncio.wait({commit})
                    raise
                if not done:
                    return False
        return True

    async def _commit(self, *, everything: bool) -> bool:
        events = self._events[:EVENTS_PER_BATCH_MAX]
        # Out of the pending lists, so that what overflows meanwhile is not what is being committed.
        del self._events[: len(events)]
        measured = self._taken_batch() if everything or self._pending >= self._batch_max else []
        items = [*self._of_events(events), *self._of_samples(measured)]
        learnt = self._taken_learnt()
        try:
            remember = self._remembered() if events else None
            stored = await self._keeper.run(self._keep, items, remember, learnt)
        except sqlite3.Error as error:
            _log.error("the buffer %s refuses: %s; what is pending waits", self._buffer.path, error)
            self._events[:0], self._measured[:0] = events, measured
            self._pending += sum(map(how_many, measured))
            self._learnt = learnt if self._learnt is None else self._learnt
            self._drop_surplus()
            return False
        for batch in stored:
            self._on_stored(batch)
        return True

    def _keep(
        self, items: list[Append], remember: dict[str, Any] | None, learnt: dict[str, Any] | None
    ) -> list[Stored]:
        """Commit, then make room; on the keeper's thread."""
        stored = self._buffer.append(items, remember, learnt)
        try:
            self._buffer.keep_within(self._bytes_max)
        except sqlite3.Error as error:
            _log.error("the buffer %s cannot make room: %s", self._buffer.path, error)
        return stored

    def _taken_learnt(self) -> dict[str, Any] | None:
        learnt, self._learnt = self._learnt, None
        return learnt

    def _taken_batch(self) -> list[Measured]:
        """Take as much as a batch holds, oldest first; a row too large for any batch goes as samples."""
        taken, size = 0, 0
        for each in self._measured:
            if size + how_many(each) > self._batch_max:
                break
            taken, size = taken + 1, size + how_many(each)
        if not taken and self._measured:
            [row] = self._measured[:1]
            self._measured[:1] = row.samples if isinstance(row, Row) else [row]
            taken = size = self._batch_max
        batch = self._measured[:taken]
        del self._measured[:taken]
        self._pending -= size
        return batch

    def _drop_surplus(self) -> None:
        dropped = 0
        while self._pending - dropped > PENDING_SAMPLES_MAX:
            dropped += how_many(self._measured.pop(0))
        self._pending -= dropped
        self.dropped_samples += dropped
        if (surplus := len(self._events) - PENDING_EVENTS_MAX) > 0:
            del self._events[:surplus]
            self.dropped_events += surplus

    def _of_events(self, events: list[Event]) -> list[Append]:
        if not events:
            return []
        return [
            self._append(Lane.EVENTS, Content.EVENTS, batches.events_payload(events), events, len(events))
        ]

    def _of_samples(self, measured: list[Measured]) -> list[Append]:
        if not measured:
            return []
        payload, count = batches.samples_payload(measured), sum(map(how_many, measured))
        if len(payload) > PAYLOAD_BYTES_SENT_MAX and len(measured) > 1:  # very many different names
            half = len(measured) // 2
            return self._of_samples(measured[:half]) + self._of_samples(measured[half:])
        return [self._append(Lane.TELEMETRY, Content.SAMPLES, payload, measured, count)]

    def _append(
        self, lane: Lane, content: Content, payload: bytes, rows: Sequence[Measured | Event], count: int
    ) -> Append:
        times = [row.time_ms for row in rows]
        return Append(lane, content, payload, self._clock.now().wall_ms, min(times), max(times), count)
