"""Closes incidents in which nothing is active any more, at the rim."""

from collections.abc import Callable
from functools import partial

from collector.database import Database
from collector.incidents.book import IncidentBook
from collector.patience import Patiences, repeated

INTERVAL_S = 5.0
CLOSED_AT_ONCE_MAX = 500


class IncidentKeeping:
    """Looks every INTERVAL_S."""

    def __init__(self, state: Database, book: IncidentBook, *, now_ms: Callable[[], int]) -> None:
        """``state`` holds the incidents."""
        self._state, self._book, self._now_ms = state, book, now_ms

    async def run(self, patiences: Patiences) -> None:
        """Look until cancelled; a look that fails is the next one's work."""
        await repeated(self.look, INTERVAL_S, patiences.of("the closing of incidents"))

    async def look(self) -> None:
        """Close what is over, a few in each transaction."""
        now_ms = self._now_ms()
        work = partial(self._book.close_idle, now_ms=now_ms, count_max=CLOSED_AT_ONCE_MAX)
        while await self._state.write(work) == CLOSED_AT_ONCE_MAX:
            pass
