"""What the link may spend of its month's budget now, and the count of it, kept across restarts."""

import logging
import sqlite3

import msgspec

from contract.topics import Lane
from edge.buffer.batch import Stored
from edge.buffer.keeper import Keeper
from edge.buffer.store import Buffer
from edge.clock import Clock
from edge.uplink.budget import Use
from edge.uplink.metering import Meter
from edge.uplink.session import Session

_log = logging.getLogger(__name__)


class Spending:
    """Holds telemetry against the budget; alarms do not ask."""

    def __init__(self, meter: Meter, session: Session, buffer: Buffer, keeper: Keeper, clock: Clock) -> None:
        """``recall`` takes up what was counted before."""
        self._meter, self._session = meter, session
        self._buffer, self._keeper, self._clock = buffer, keeper, clock
        self._held_octets = 1
        """The size of the batch that the budget keeps waiting, as far as it is known."""

    @property
    def has_budget(self) -> bool:
        """Say whether telemetry may ever have to wait for it."""
        return self._meter.allowance.plan.monthly_bytes_max > 0

    def may_send(self, lane: Lane) -> bool:
        """Say whether the month's budget has room; alarms do not ask."""
        return lane is Lane.EVENTS or self.wait_s() <= 0

    def admits(self, batch: Stored) -> bool:
        """Say whether there is room for this batch; it is waited for until there is."""
        if batch.lane is not Lane.TELEMETRY:
            return True
        self._held_octets = len(batch.message)
        if self.wait_s() > 0:
            return False
        self._held_octets = 1
        return True

    @property
    def holds(self) -> bool:
        """Say whether telemetry waits for the month's budget only."""
        lane = self._session.lanes[Lane.TELEMETRY]
        return lane.sent < lane.last and self.wait_s() > 0

    def wait_s(self) -> float:
        """Return how long until telemetry may go; 0 if it may now."""
        unanswered = len(self._session.lanes[Lane.TELEMETRY].under_way)
        return self._meter.wait_s(self._held_octets, unanswered, self._clock.now())

    async def recall(self) -> None:
        """Take up what a former run counted of the month's bytes."""
        try:
            if kept := await self._keeper.run(self._buffer.link_use):
                self._meter.allowance.recall(msgspec.convert(kept, Use), self._clock.now())
        except (sqlite3.Error, msgspec.ValidationError, ValueError) as error:
            _log.error("the buffer %s does not tell the month's bytes: %s", self._buffer.path, error)

    async def keep(self, *, everything: bool = True) -> None:
        """Keep the count of the month's bytes; without ``everything`` only if it is time to."""
        now = self._clock.now()
        self._meter.count(now)
        use = self._meter.taken(now) if everything else self._meter.unsaved(now)
        if use is not None:
            try:
                await self._keeper.run(self._buffer.keep_link_use, msgspec.to_builtins(use))
            except sqlite3.Error as error:  # it is tried again with the next
                _log.error("the buffer %s refuses: %s", self._buffer.path, error)
