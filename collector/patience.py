"""How the centre's loops go on after a failure: it is logged, counted, and tried again, ever more patiently.

A projection or a timer that ends takes the whole centre with it, and the next start meets the same alarm
again. So whatever fails is that part's own matter: the others go on, and /healthz says which one does not.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

_log = logging.getLogger(__name__)

RETRY_S = 2.0
"""What a disk, a database or a network does not take now, it may take soon."""
RETRY_MAX_S = 60.0
"""What is a mistake of ours fails again; the wait for it doubles up to this."""


class Patience:
    """How one part does: ``failing`` says why it cannot go on, and is empty while it can."""

    def __init__(self, part: str, failures: Counter | None = None) -> None:
        """``failures`` counts by part."""
        self.failing = ""
        self._part, self._wait_s = part, RETRY_S
        self._failures = failures.labels(part) if failures else None

    def worked(self) -> None:
        """Note that it goes on."""
        self.failing, self._wait_s = "", RETRY_S

    def failed(self, error: Exception) -> float:
        """Note a failure, which is being handled; return how long to wait, in seconds."""
        reason = str(getattr(error, "orig", error)) or type(error).__name__
        if not self.failing:
            _log.exception("%s cannot go on and is tried again", self._part)
        self.failing = reason
        if self._failures:
            self._failures.inc()
        if isinstance(error, SQLAlchemyError | OSError):
            self._wait_s = RETRY_S
            return RETRY_S
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, RETRY_MAX_S)
        return wait_s


async def repeated(work: Callable[[], Awaitable[Any]], interval_s: float, patience: Patience) -> None:
    """Do something every ``interval_s`` until cancelled; after a failure, no sooner than patience says.

    Where it returns True there is more, and it is done again at once.
    """
    while True:
        wait_s = interval_s
        try:
            if await work() is True:
                wait_s = 0
            patience.worked()
        except Exception as error:
            wait_s = max(wait_s, patience.failed(error))
        await asyncio.sleep(wait_s)
