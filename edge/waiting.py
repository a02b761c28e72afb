"""Waiting to be woken, but not for ever."""

import asyncio


class Wake:
    """What one task waits for and anybody sets; setting it before the wait counts.

    A timer and no cancellation: gateways wait some hundred times a second, and this costs them least.
    """

    def __init__(self) -> None:
        """Not set yet."""
        self._is_set = False
        self._waiting: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wake the task, or let its next wait be over at once."""
        self._is_set = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self, limit_s: float) -> None:
        """Wait until it is set, or the limit is over; then it is not set any more."""
        if not self._is_set:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(limit_s, self.set)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        self._is_set = False
