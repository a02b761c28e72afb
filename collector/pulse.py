"""Whether intake and journal go on, for the watchdog that restarts a centre where they do not.

Two things are watched: the journal's threads answer a small read and an empty write, one after the other;
and what has arrived is being taken. A disk that is full, a database that is away and a broker that is silent
are told and tried again: that is going on. What never comes back hangs.
"""

import asyncio
import logging
import math
from collections.abc import Callable

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from collector.database import Database
from collector.ingest import Ingest

_log = logging.getLogger(__name__)

INTERVAL_S = 10.0
HANG_S = 120.0
"""A commit, or a look into the journal behind the longest of housekeeping's, takes far less."""


def stuck(*, taking_since_s: float, looking_since_s: float, now_s: float) -> list[str]:
    """Return what has been at it for too long; infinity stands for what is not at it."""
    parts = (("intake", taking_since_s), ("journal", looking_since_s))
    return [name for name, since_s in parts if now_s - since_s > HANG_S]


class Pulse:
    """Feels the journal's pulse until cancelled."""

    def __init__(self, state: Database, ingest: Ingest, *, monotonic_s: Callable[[], float]) -> None:
        """Look only; ``state`` holds the journal."""
        self._state, self._ingest, self._monotonic_s = state, ingest, monotonic_s
        self._looking_since_s = math.inf

    def stuck(self) -> list[str]:
        """Return which of intake and journal hang."""
        return stuck(
            taking_since_s=self._ingest.taking_since_s,
            looking_since_s=self._looking_since_s,
            now_s=self._monotonic_s(),
        )

    async def run(self) -> None:
        """Look again and again; a database that refuses has answered."""
        while True:
            self._looking_since_s = self._monotonic_s()
            for look in (self._state.read, self._state.write):
                try:
                    await look(_look)
                except SQLAlchemyError as error:
                    _log.debug("the journal refuses a look: %s", error)
            self._looking_since_s = math.inf
            await asyncio.sleep(INTERVAL_S)


def _look(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))
