"""Series stores outside the centre: projections of the journal that believe in nothing but time.

Each has its cursor in ``collector.db``: what the store has for certain (``settling``). What came after it is
written again after a restart of either side; the store overwrites it or takes it for one.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, select

from collector import journal
from collector.database import Database, insert
from collector.journal import Entry, Slice
from collector.metrics import Metrics
from collector.series import line_protocol
from collector.series.settling import Settling
from collector.series.store_errors import LinesRefusedError, StoreError
from collector.tables import cursors
from contract import blocks
from contract.errors import ContractError

_log = logging.getLogger(__name__)

PROBE_INTERVAL_S = 5.0
PROBES_PER_SETTLING = 4
"""At least so often within ``store_settle_s`` the store is asked who it is."""

REFUSED_AT_ONCE_MAX = 100
"""Of one request. A store that refuses more refuses not these lines, but us."""


class LineStore(Protocol):
    """What takes lines. Its calls block; where it cannot do what it is asked, they raise StoreError."""

    def identity(self) -> str:
        """Return what tells its process from any before, or nothing where it does not say."""

    def write(self, lines: str) -> None:
        """Take lines; LinesRefusedError where it never would."""

    def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class _Sent:
    entries: int
    samples: int
    undecodable: int
    refused: int


class StoreProjection:
    """Every sample of the journal, as lines in one store."""

    def __init__(
        self,
        name: str,
        state: Database,
        store: LineStore,
        metrics: Metrics,
        *,
        settle_s: float,
        lines_max: int,
        batches_max: int,
        monotonic_s: Callable[[], float],
    ) -> None:
        """``state`` holds journal and cursor; a store that is new begins with what the journal holds."""
        self.name = f"store-{name}"
        self._state, self._store, self._metrics = state, store, metrics
        self._lines_max, self._batches_max, self._monotonic_s = lines_max, batches_max, monotonic_s
        self._kept = state.write_now(self._begin)
        self._settling = Settling(self._kept, settle_s=settle_s)
        self._probe_interval_s = min(PROBE_INTERVAL_S, settle_s / PROBES_PER_SETTLING)
        self._probe_due_s = monotonic_s()
        self._takes = False
        """Whether it has taken anything yet; one that never did refuses not lines, but us."""
        metrics.show_store(self.name)

    async def position(self) -> int:
        """Return the journal id up to which the store has everything for certain."""
        return self._kept

    async def advance(self) -> bool:
        """Write the next batches of samples; False where there are none, or it is not known yet who asks."""
        try:
            if not await self._known():
                return False
            first, following = await self._state.read(self._next)
            if first - 1 > self._settling.written:
                await self._pass_what_is_gone(first - 1)
                return True
            left = following.entries
            while left:
                sent = await asyncio.to_thread(self._send, left)
                self._count(sent)
                self._settling.wrote(left[sent.entries - 1].id, self._monotonic_s())
                left = left[sent.entries :]
                if self._monotonic_s() >= self._probe_due_s:
                    return True
        except StoreError:
            self._probe_due_s = self._monotonic_s()
            if self._settling.failed():
                self._note_rewind("a request failed")
            raise
        if following.upto > self._settling.written:
            self._settling.wrote(following.upto, self._monotonic_s())
        return not following.reaches_end

    async def rewind(self) -> None:
        """Begin anew from what the journal holds."""
        first = await self._state.read(journal.first_id)
        self._settling.move(first - 1)
        await self._keep()

    async def lose(self, dropped: Sequence[int]) -> None:
        """Take note that the journal is full and dropped these ids, whether the store has them or not."""
        lost = sum(journal_id > self._settling.settled for journal_id in dropped)
        if lost:
            self._note_lost(lost)
            self._settling.passed(dropped[-1])
            await self._keep()

    def close(self) -> None:
        """Close the connections to the store."""
        self._store.close()

    async def _known(self) -> bool:
        """Ask who the store is where that is due, keep what has settled, and say whether to write now."""
        asked_s = self._monotonic_s()
        if asked_s >= self._probe_due_s:
            before = self._settling.identity
            identity = await asyncio.to_thread(self._store.identity)
            if not identity and before != "":
                _log.warning(
                    "%s does not tell when its process started (process_start_time_seconds at /metrics): a "
                    "restart shows only where a request fails",
                    self.name,
                )
            if self._settling.heard(identity, asked_s, self._monotonic_s()):
                self._note_rewind("the store was restarted")
            self._probe_due_s = asked_s + self._probe_interval_s
            await self._keep()
        return self._settling.may_write(self._monotonic_s())

    async def _keep(self) -> None:
        settled = self._settling.settled
        if settled != self._kept:
            await self._state.write(lambda connection: _move_cursor(connection, self.name, settled))
            self._kept = settled

    async def _pass_what_is_gone(self, gone: int) -> None:
        """The journal was pruned up to ``gone`` while nobody told us: count that as lost here, and go on."""
        self._note_lost(gone - self._settling.written)
        self._settling.move(gone)
        await self._keep()

    def _note_lost(self, lost: int) -> None:
        _log.error(
            "%s: the journal reached its limit, and %d batches were dropped before the store had them for "
            "certain; it goes on behind them",
            self.name,
            lost,
        )
        self._metrics.store_batches_lost.labels(self.name).inc(lost)

    def _next(self, connection: Connection) -> tuple[int, Slice]:
        """Return where the journal begins, and what is to be written next."""
        after = self._settling.written
        following = journal.read(connection, after, samples=True, batches_max=self._batches_max)
        return journal.first_id(connection), following

    def _send(self, entries: Sequence[Entry]) -> _Sent:
        """Write as many batches as make a request, one at least; on a thread of its own."""
        lines: list[str] = []
        done = undecodable = 0
        for done, entry in enumerate(entries, 1):  # noqa: B007 - how many were taken
            try:
                for some in line_protocol.lines(entry.gateway, blocks.lift(entry.message)):
                    lines += some
            except ContractError:
                undecodable += 1  # noted in full by the embedded series
            if len(lines) >= self._lines_max:
                break
        parts = range(0, len(lines), self._lines_max)
        refused = sum(self._write(lines[start : start + self._lines_max]) for start in parts)
        return _Sent(done, len(lines) - refused, undecodable, refused)

    def _write(self, lines: list[str]) -> int:
        """Write them; return how many single lines were refused and are passed."""
        waiting, refused = [lines], 0
        while waiting:
            some = waiting.pop()
            try:
                self._store.write("\n".join(some))
                self._takes = True
            except LinesRefusedError as error:
                if len(some) > 1:
                    middle = len(some) // 2
                    waiting += [some[middle:], some[:middle]]
                    continue
                refused += 1
                if refused > REFUSED_AT_ONCE_MAX:
                    raise StoreError(f"line after line is refused: {error}") from error
                _log.warning("%s refuses a line, which is passed: %s: %.500s", self.name, error, some[0])
        if refused and not self._takes:
            raise StoreError("every line so far was refused; check url, org and bucket, and see the log")
        return refused

    def _count(self, sent: _Sent) -> None:
        self._metrics.store_samples.labels(self.name).inc(sent.samples)
        self._metrics.store_lines_refused.labels(self.name).inc(sent.refused)
        self._metrics.undecodable.labels(self.name).inc(sent.undecodable)

    def _note_rewind(self, why: str) -> None:
        self._metrics.store_rewinds.labels(self.name).inc()
        _log.warning("%s: %s; what had not settled is written again", self.name, why)

    def _begin(self, connection: Connection) -> int:
        query = select(cursors.c.journal_id).where(cursors.c.projection == self.name)
        position: int | None = connection.execute(query).scalar()
        if position is None:
            position = journal.first_id(connection) - 1
            _move_cursor(connection, self.name, position)
        return position


def _move_cursor(connection: Connection, name: str, journal_id: int) -> None:
    statement = insert(connection, cursors).values(projection=name, journal_id=journal_id)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["projection"], set_={"journal_id": journal_id})
    )
