"""From the threads of lines to the event loop above them: results, with one wake-up for all that wait.

An eventfd rather than ``call_soon_threadsafe``: that writes to a socket and reads it twice, which is much of
what a transaction costs.
"""

import asyncio
import os
from collections import deque
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Handover(Generic[Result]):
    """Hands results to the futures of one event loop; made on the loop, given to by threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen until closed."""
        self.loop = loop
        self._given: deque[tuple[asyncio.Future[Result], Result | Exception]] = deque()
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        loop.add_reader(self._event, self._take)

    def give(self, future: "asyncio.Future[Result]", result: Result | Exception) -> None:
        """Let the future have its result; from a thread that ends before this is closed."""
        self._given.append((future, result))
        os.eventfd_write(self._event, 1)

    def close(self) -> None:
        """Hand over what was given, and listen no more; nobody gives any more."""
        if self._event >= 0:
            self._hand_over()
            if not self.loop.is_closed():
                self.loop.remove_reader(self._event)
            os.close(self._event)
            self._event = -1

    def _take(self) -> None:
        os.eventfd_read(self._event)
        self._hand_over()

    def _hand_over(self) -> None:
        while self._given:
            future, result = self._given.popleft()
            if future.done():
                continue  # its caller was cancelled
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
