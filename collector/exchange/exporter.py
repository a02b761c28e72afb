"""Keeps the feeds up with what there is."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from collector.database import Database
from collector.exchange import telling
from collector.exchange.settings import Exchange
from collector.exchange.sources import Feed
from collector.patience import Patiences, repeated


class Exporter:
    """Compares all that is to be told with what was told, feed by feed, in small transactions."""

    def __init__(self, state: Database, settings: Exchange, *, now_ms: Callable[[], int]) -> None:
        """Nothing is compared where ``settings`` name no feed."""
        self._state, self._settings, self._now_ms = state, settings, now_ms
        self.feeds = [Feed(name) for name in settings.feeds]

    async def run(self, patiences: Patiences) -> None:
        """Go round until cancelled; a round that fails is the next one's work."""
        await repeated(self.round, self._settings.compare_interval_s, patiences.of("the exchange"))

    async def round(self) -> None:
        """Tell what is new, changed or gone in each feed."""
        for feed in self.feeds:
            await self._state.write(partial(self._renew_if_worn, feed=feed))
            after: str | None = ""
            while after is not None:
                now_ms = self._now_ms()
                after = await self._state.write(
                    partial(telling.compare, feed=feed, after=after, now_ms=now_ms)
                )

    def _renew_if_worn(self, connection: Connection, feed: Feed) -> None:
        if telling.is_worn(connection, feed, self._settings.lines_max):
            telling.begin_anew(connection, feed)
