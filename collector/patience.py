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


LOGGED_AGAIN_S = 3_600.0
"""What lasts is in the log again after so long, with its trace, for whoever reads the last day only."""


class Patiences:
    """All of one centre: which of its parts cannot go on, for /healthz, and how often each failed."""

    def __init__(self, failures: Counter) -> None:
        """``failures`` counts by part."""
        self._failures = failures
        self._failing: dict[Patience, None] = {}

    def of(self, part: str) -> "Patience":
        """Return a new one; a part may have several, as many as it does at a time."""
        return Patience(part, self._failures.labels(part), self._failing)

    def reasons(self) -> list[str]:
        """Return which parts cannot go on, and why, in whole sentences by part."""
        why = {each.part: each.failing for each in self._failing}
        return [f"{part}: cannot go on ({why[part]})" for part in sorted(why)]


class Patience:
    """How one part does: ``failing`` says why it cannot go on, and is empty while it can."""

    def __init__(self, part: str, failures: Counter, all_failing: "dict[Patience, None]") -> None:
        """Made by ``Patiences.of``; it is among ``all_failing`` only while it fails."""
        self.part, self.failing = part, ""
        self._wait_s, self._unlogged_s = RETRY_S, 0.0
        self._failures, self._all_failing = failures, all_failing

    def worked(self) -> None:
        """Note that it goes on."""
        self.failing, self._wait_s = "", RETRY_S
        self._all_failing.pop(self, None)

    def failed(self, error: Exception, at_least_s: float = 0.0) -> float:
        """Note a failure, which is being handled; return how long to wait, in seconds."""
        wait_s = max(at_least_s, self._next_wait_s(error))
        if not self.failing or self._unlogged_s >= LOGGED_AGAIN_S:
            _log.exception("%s cannot go on and is tried again", self.part)
            self._unlogged_s = 0.0
        self._unlogged_s += wait_s
        self.failing = str(getattr(error, "orig", error)) or type(error).__name__
        self._all_failing[self] = None
        self._failures.inc()
        return wait_s

    def _next_wait_s(self, error: Exception) -> float:
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
            wait_s = patience.failed(error, interval_s)
        await asyncio.sleep(wait_s)
