"""Waiting to be woken, but not for ever; and one timer of the event loop for everybody who waits.

A gateway waits some hundred times a second. What is due together is called together, and what was over
before its time costs no wake-up: fifty connections that are asked at once need one timer, not fifty.
"""

import asyncio
import math
from typing import Protocol


class Waiting(Protocol):
    """Somebody who waits, but only until ``due_s`` on the loop's clock."""

    due_s: float

    def over(self) -> None:
        """It is that late."""


class Timers:
    """All who wait in one event loop. Adding and removing is cheap; each call looks at all who are there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nobody waits."""
        self.loop = loop
        self._waiting: set[Waiting] = set()
        self._next_s = math.inf
        self._settling = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiting: Waiting) -> None:
        """Call it once when it is due, unless it is removed before."""
        self._waiting.add(waiting)
        if waiting.due_s < self._next_s:
            self._set(waiting.due_s)

    def remove(self, waiting: Waiting) -> None:
        """It waits no more, if it did."""
        self._waiting.discard(waiting)
        if waiting.due_s == self._next_s and not self._settling:
            self._settling = True
            self.loop.call_soon(self._settle)

    def _settle(self) -> None:
        """Whom the timer was set for waits no more: waking for nobody costs more than looking who is next."""
        self._settling = False
        next_s = min((each.due_s for each in self._waiting), default=math.inf)
        if next_s > self._next_s:
            self._set(next_s)

    def _set(self, when_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next_s = when_s
        self._timer = self.loop.call_at(when_s, self._call) if when_s < math.inf else None

    def _call(self) -> None:
        """Call those who are due, and set the timer for the first who is not."""
        now_s = max(self.loop.time(), self._next_s)  # the loop may be early by its clock's resolution
        self._timer, self._next_s = None, math.inf
        due = [each for each in self._waiting if each.due_s <= now_s]
        self._waiting.difference_update(due)
        if self._waiting:
            self._set(min(each.due_s for each in self._waiting))
        try:
            while due:
                due.pop().over()
        finally:
            if due:  # one of them failed: the loop tells of it, and the others are called next
                self._waiting.update(due)
                self._set(now_s)


_timers: dict[asyncio.AbstractEventLoop, Timers] = {}


def timers() -> Timers:
    """Return the running loop's timers."""
    loop = asyncio.get_running_loop()
    if loop not in _timers:
        for closed in [other for other in _timers if other.is_closed()]:
            del _timers[closed]
        _timers[loop] = Timers(loop)
    return _timers[loop]


class Wake:
    """What one task waits for and anybody sets, in one event loop; setting it before the wait counts."""

    def __init__(self) -> None:
        """Not set yet."""
        self.due_s = math.inf
        self._is_set = False
        self._future: asyncio.Future[None] | None = None
        self._timers: Timers | None = None

    def set(self) -> None:
        """Wake the task, or let its next wait be over at once."""
        self._is_set = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self, limit_s: float) -> None:
        """Wait until it is set, or the limit is over; then it is not set any more."""
        if not self._is_set:
            known = self._timers = self._timers or timers()
            self._future = known.loop.create_future()
            self.due_s = known.loop.time() + limit_s
            known.add(self)
            try:
                await self._future
            finally:
                known.remove(self)
                self._future = None
        self._is_set = False

    def over(self) -> None:
        """The limit is over."""
        self.set()


def heed_cancellation() -> None:
    """Raise CancelledError where the running task was cancelled and goes on.

    Python 3.11's ``wait_for`` swallows a cancellation that comes together with what it waits for; a task
    group cancels its tasks once only, and waits for them ever after. Call it behind what may wait that way.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def ended(task: "asyncio.Task[None]", again_s: float) -> None:
    """Cancel a task and wait for its end, whatever that is; cancel it again where it goes on.

    Python 3.11's ``wait_for`` swallows a cancellation that comes together with what it waits for.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=again_s)
    if not task.cancelled():
        task.exception()  # whoever wants to know has asked already
