"""The reports of lines and link, renewed while the gateway runs."""

import asyncio
import sqlite3

from edge import line_report, link_report
from edge.buffer.keeper import Keeper
from edge.buffer.store import Buffer
from edge.clock import Clock, Moment
from edge.gateway import Gateway
from edge.telling import Told


class Renewal:
    """Renews the reports of lines and link while the gateway runs; a disk that refuses stops nothing."""

    def __init__(
        self,
        gateway: Gateway,
        name: str,
        link: link_report.Reporter,
        buffer: Buffer,
        keeper: Keeper,
        clock: Clock,
    ) -> None:
        """``name`` is the gateway's; the reports stand beside the buffer."""
        self._reporter = line_report.Reporter(name, gateway.poller_of_line, gateway.lines, clock.now())
        self._link, self._buffer = link, buffer
        self._folder, self._keeper, self._clock = buffer.path.parent, keeper, clock
        self._told = Told(f"the reports in {self._folder}")

    async def run(self) -> None:
        """Renew them every ``WRITE_INTERVAL_S``, until cancelled."""
        while True:
            await asyncio.sleep(line_report.WRITE_INTERVAL_S)
            await self.renew()

    async def renew(self, *, stopped: bool = False) -> None:
        """Renew them now."""
        now = self._clock.now()
        lines = self._reporter.report(now, stopped=stopped)
        link = self._link.report(now, stopped=stopped)
        try:
            await self._keeper.run(self._write, lines, link)
        except (OSError, sqlite3.Error) as error:
            self._told.failed(getattr(error, "strerror", None) or str(error))
        else:
            self._told.works()

    def seen(self, now: Moment) -> tuple[line_report.Report, link_report.Report]:
        """Return how lines and link are now, for somebody who watches; nothing is renewed by it."""
        return self._reporter.report(now, renews=False), self._link.report(now)

    async def completed(self, link: link_report.Report) -> link_report.Report:
        """Return it with what only the buffer knows of what waits; sqlite3.Error."""
        return await self._keeper.run(link_report.completed, link, self._buffer)

    def _write(self, lines: line_report.Report, link: link_report.Report) -> None:
        line_report.write(self._folder, lines)
        link_report.write(self._folder, link_report.completed(link, self._buffer))
