"""Between measuring and keeping: gathers samples, commits them by policy, events at once."""

import asyncio
import math
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from contract import batches
from contract.batches import Content
from contract.events import UNSET, Event
from contract.limits import EVENTS_PER_BATCH_MAX, MESSAGE_BYTES_MAX
from contract.samples import ClockState, Measured, Row, how_many
from contract.topics import Lane
from edge.buffer.batch import Append, Stored
from edge.buffer.errors import BufferUnusableError
from edge.buffer.keeper import Keeper
from edge.buffer.losses import EVENTS_UNSTORED, SAMPLES_UNSTORED, Ledger, Loss
from edge.buffer.store import Buffer
from edge.buffer.writer import Commit, Writer
from edge.clock import Clock, Moment
from edge.progress import COMMIT_S_MAX, LATE_S, WITHOUT_LIMIT_S
from edge.sound_events import sound
from edge.telling import Told
from edge.waiting import Wake

PENDING_SAMPLES_MAX = 50_000
PENDING_EVENTS_MAX = 10_000
"""Events beyond take the place of samples; without samples, the oldest events go."""
PAYLOAD_BYTES_SENT_MAX = MESSAGE_BYTES_MAX - 4 * 1024
"""What a message holds beside its header; a batch that packs to more is divided."""
RETRY_S = 1.0
RETRY_MAX_S = 10.0
"""The wait after a refusal, doubled each time up to this; an event tries at once."""
EARLY_FROM = 0.9
"""After this part of the flush interval fresh samples are committed at once: the gateway is awake already."""


class Recorder:
    """Holds what is not on disk yet: telemetry for a flush interval, events for an instant.

    A disk that refuses costs no control and no crash: what is pending waits, bounded, telemetry gives way
    first, and what does not fit any more is counted in ``dropped_samples`` and ``dropped_events`` and told as
    a gap as soon as the disk takes it. A buffer that is not open is opened as soon as its disk allows.
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
        leaves_at_once: Callable[[Lane], bool] = lambda _lane: False,
        held_ms: Callable[[], int | None] | None = None,
    ) -> None:
        """``remembered`` is what the rules want kept with their events; ``on_stored`` wakes the uplink.

        ``leaves_at_once`` says whether the uplink is waiting for what is committed; ``held_ms`` where there
        are policies, the earliest time of what they hold back: those give samples out of turn.
        """
        self._buffer, self._keeper, self._clock = buffer, keeper, clock
        self._writer = Writer(buffer, bytes_max)
        self._interval_s, self._batch_max = flush_interval_s, samples_per_batch_max
        self._remembered, self._on_stored = remembered, on_stored
        self._leaves_at_once, self._held_ms = leaves_at_once, held_ms
        self.on_opened: Callable[[dict[str, Any], dict[str, Any]], None] = lambda _rules, _learnt: None
        """Called with what rules and drivers had kept there, when the buffer was opened here."""
        self._measured: list[Measured] = []
        self._pending = 0  # samples that these stand for
        self._events: list[Event] = []
        self._learnt: dict[str, Any] | None = None
        self._owes_memory = False
        self._early_s = math.inf
        self._lost = Ledger()
        self._events_taken = self._events_settled = 0
        """How many events came, and how many are on disk or gone."""
        self._waiting_for: list[tuple[int, asyncio.Future[bool]]] = []
        self._wake = Wake()
        self._lock = asyncio.Lock()
        self._told = Told(f"the buffer {buffer.path}")
        self._refused = 0  # commits in a row
        self._opening = False
        self._moves_by_s = WITHOUT_LIMIT_S
        self.dropped_samples = 0
        self.dropped_events = 0
        self.stored_samples = 0
        self.stored_octets = 0
        """What these samples took as batches, which is what is sent."""

    def samples(self, measured: Sequence[Measured], now: Moment) -> None:
        """Take samples; a full batch is committed at once."""
        self._measured += measured
        for each in measured:
            self._pending += how_many(each)
        if self._pending + len(self._events) > PENDING_SAMPLES_MAX:
            self._drop_surplus()
        due = self._pending >= self._batch_max or now.s >= self._early_s
        if due and not self._refused:
            self._wake.set()

    def event(self, event: Event) -> None:
        """Take an event; it is committed at once. One that no centre could decode is told as a gap."""
        self._events.append(sound(event))
        self._events_taken += 1
        self._drop_surplus()
        self._wake.set()

    def learnt(self, learnt: dict[str, Any]) -> None:
        """Take what the drivers know now; it is committed with the next samples."""
        self._learnt = learnt

    def remember(self) -> None:
        """Take it that the rules want something new remembered; it is committed with the next samples."""
        self._owes_memory = True

    @property
    def moves_by_s(self) -> float:
        """When it will have gone on at the latest, unless it or its disk hangs; a refusal is going on."""
        return WITHOUT_LIMIT_S if self._opening else self._moves_by_s

    @property
    def waiting(self) -> tuple[int, int]:
        """How many samples and events are not on disk."""
        return self._pending, len(self._events)

    async def kept(self, timeout_s: float) -> bool:
        """Wait until the events that came so far are on disk; False where it refuses or takes longer."""
        if self._events_settled >= self._events_taken:
            return True
        on_disk: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting_for = [each for each in self._waiting_for if not each[1].done()]
        self._waiting_for.append((self._events_taken, on_disk))
        try:
            return await asyncio.wait_for(on_disk, timeout_s)
        except TimeoutError:
            return False

    async def run(self) -> None:
        """Commit until cancelled."""
        flush_at_s = self._clock.now().s + self._interval_s
        while True:
            now_s = self._clock.now().s
            self._moves_by_s = max(now_s, flush_at_s) + LATE_S
            await self._wake.wait(flush_at_s - now_s)
            now_s = self._clock.now().s
            self._moves_by_s = now_s + LATE_S
            # A disk that takes again gets all of it.
            due = now_s >= min(self._early_s, flush_at_s) or self._refused > 0
            if not await self.flush(everything=due):
                self._early_s = math.inf
                flush_at_s = now_s + min(RETRY_S * 2.0 ** (min(self._refused, 10) - 1), RETRY_MAX_S)
            elif due:
                flush_at_s = now_s + self._interval_s
                self._early_s = now_s + EARLY_FROM * self._interval_s

    async def open(self) -> None:
        """Open the buffer; BufferUnusableError, OSError or sqlite3.Error where that cannot be done now."""
        async with self._lock:
            await self._open()

    async def flush(self, *, everything: bool = True) -> bool:
        """Commit events and full batches, with ``everything`` the rest too; False where the disk refuses.

        A commit that has begun is seen to its end even if the caller is cancelled: its outcome decides what
        is still pending.
        """
        async with self._lock:
            while self._is_due(everything=everything):
                commit = asyncio.create_task(self._commit(everything=everything))
                try:
                    done = await asyncio.shield(commit)
                except asyncio.CancelledError:
                    await asyncio.wait({commit})
                    raise
                if not done:
                    return False
        return True

    def _is_due(self, *, everything: bool) -> bool:
        if self._events or self._pending >= (1 if everything else self._batch_max):
            return True
        owes = (
            self._lost
            or self._learnt is not None
            or self._owes_memory
            or not self._buffer.is_open
            or self._buffer.owed
        )
        return everything and bool(owes)

    async def _open(self) -> None:
        if self._buffer.is_open:
            return
        self._opening = True
        try:
            await self._keeper.run(self._buffer.open)
            remembered = await self._keeper.run(self._buffer.remembered)
            self.on_opened(remembered, await self._keeper.run(self._buffer.learnt))
        finally:
            self._opening = False

    async def _commit(self, *, everything: bool) -> bool:
        try:
            await self._open()
        except (sqlite3.Error, OSError, BufferUnusableError) as error:
            return self._waits(str(error))
        events = self._events[:EVENTS_PER_BATCH_MAX]
        # Out of the pending lists, so that what overflows meanwhile is not what is being committed.
        del self._events[: len(events)]
        measured, count = self._taken_batch() if everything or self._pending >= self._batch_max else ([], 0)
        lost, learnt = self._lost.take(), self._taken_learnt()
        owes_memory, self._owes_memory = self._owes_memory, False
        now = self._clock.now()
        commit = Commit(
            [*self._of_events(events), *self._of_samples(measured, count)],
            lost,
            now,
            self._remembered() if events or owes_memory else None,
            learnt,
        )
        self._moves_by_s = now.s + COMMIT_S_MAX
        try:
            committed = await self._keeper.run(self._writer.commit, commit)
        except sqlite3.Error as error:
            self._events[:0] = events
            for loss in lost:
                self._lost.add(loss)
            self._learnt = learnt if self._learnt is None else self._learnt
            self._owes_memory = self._owes_memory or owes_memory
            self._put_back(measured, count)
            return self._waits(str(error))
        for batch in committed.stored:
            self._on_stored(batch)
        self._settled(len(events))
        if committed.refused:
            self._put_back(measured, count)
            return self._waits(committed.refused)
        self._refused = 0
        self._told.works()
        self.stored_samples += count
        self.stored_octets += sum(
            len(batch.message) for batch in committed.stored if batch.lane is Lane.TELEMETRY
        )
        return True

    def _settled(self, count: int) -> None:
        """So many events more are on disk, or gone: let those go on who wait for them."""
        self._events_settled += count
        for upto, on_disk in self._waiting_for:
            if upto <= self._events_settled and not on_disk.done():
                on_disk.set_result(True)
        self._waiting_for = [each for each in self._waiting_for if not each[1].done()]

    def _waits(self, reason: str) -> bool:
        for _, on_disk in self._waiting_for:
            if not on_disk.done():
                on_disk.set_result(False)
        self._waiting_for.clear()
        self._refused += 1
        self._told.failed(f"{reason}; what is measured waits in memory")
        return False

    def _put_back(self, measured: list[Measured], count: int) -> None:
        self._measured[:0] = measured
        self._pending += count
        self._drop_surplus()

    def _taken_learnt(self) -> dict[str, Any] | None:
        learnt, self._learnt = self._learnt, None
        return learnt

    def _taken_batch(self) -> tuple[list[Measured], int]:
        """Take as much as a batch holds, oldest first, and count it; a row too large for any goes as samples.

        In a batch no device's times go back, and either all times are unset or none.
        """
        taken, size = 0, 0
        last: dict[str, int] = {}
        unset = bool(self._measured) and _is_unset(self._measured[0])
        for each in self._measured:
            count = how_many(each)
            if size + count > self._batch_max:
                break
            if each.time_ms < last.get(each.device, 0) or _is_unset(each) != unset:
                break
            last[each.device] = each.time_ms
            taken, size = taken + 1, size + count
        if not taken and self._measured:
            [row] = self._measured[:1]
            self._measured[:1] = row.samples if isinstance(row, Row) else [row]
            taken = size = self._batch_max
        batch = self._measured[:taken]
        del self._measured[:taken]
        self._pending -= size
        return batch, size

    def _drop_surplus(self) -> None:
        events_over = max(0, len(self._events) - PENDING_EVENTS_MAX)
        samples_max = max(0, PENDING_SAMPLES_MAX - events_over)
        if self._pending > samples_max:
            gone, dropped = 0, 0
            while self._pending - dropped > samples_max:
                dropped += how_many(self._measured[gone])
                gone += 1
            self._lose(SAMPLES_UNSTORED, self._measured[:gone])
            del self._measured[:gone]
            self._pending -= dropped
            self.dropped_samples += dropped
        if (surplus := events_over - PENDING_SAMPLES_MAX) > 0:
            self._lose(EVENTS_UNSTORED, self._events[:surplus])
            del self._events[:surplus]
            self.dropped_events += surplus
            self._settled(surplus)

    def _lose(self, reason: str, rows: Sequence[Measured | Event]) -> None:
        for each in rows:
            reason_here = reason + (UNSET if _is_unset(each) else "")
            count = len(each.points) if isinstance(each, Row) else 1
            self._lost.add(Loss(reason_here, each.time_ms, each.time_ms, count))

    def _of_events(self, events: list[Event]) -> list[Append]:
        if not events:
            return []
        payload = batches.events_payload(events)
        if len(payload) > PAYLOAD_BYTES_SENT_MAX and len(events) > 1:  # very many different texts
            half = len(events) // 2
            return self._of_events(events[:half]) + self._of_events(events[half:])
        unset = any(map(_is_unset, events))
        return [self._append(Lane.EVENTS, Content.EVENTS, payload, events, len(events), unset=unset)]

    def _of_samples(self, measured: list[Measured], count: int) -> list[Append]:
        if not measured:
            return []
        payload = batches.samples_payload(measured)
        if len(payload) > PAYLOAD_BYTES_SENT_MAX and len(measured) > 1:  # very many different names
            first, rest = measured[: len(measured) // 2], measured[len(measured) // 2 :]
            in_first = sum(map(how_many, first))
            return self._of_samples(first, in_first) + self._of_samples(rest, count - in_first)
        unset = _is_unset(measured[0])  # as all of a batch are
        item = self._append(Lane.TELEMETRY, Content.SAMPLES, payload, measured, count, unset=unset)
        return [replace(item, held_ms=self._still_held_ms()) if self._held_ms else item]

    def _still_held_ms(self) -> int | None:
        """Return the earliest time of what is to follow what is committed now."""
        held_ms = self._held_ms() if self._held_ms else None
        times = [each.time_ms for each in self._measured]
        return min(times if held_ms is None else [*times, held_ms], default=None)

    def _append(
        self,
        lane: Lane,
        content: Content,
        payload: bytes,
        rows: Sequence[Measured | Event],
        count: int,
        *,
        unset: bool,
    ) -> Append:
        times = [row.time_ms for row in rows]
        live = self._leaves_at_once(lane)
        created_ms = self._clock.now().wall_ms
        return Append(
            lane, content, payload, created_ms, min(times), max(times), count, live=live, unset=unset
        )


def _is_unset(each: Measured | Event) -> bool:
    return not isinstance(each, Row) and each.clock is ClockState.UNSET
