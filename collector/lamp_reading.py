"""What the centre knows of lamps' nights, read slice by slice off the loop: a month, a night, a page."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta, tzinfo
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from collector import connections, lamp_desk, lamp_nights
from collector.database import Database
from collector.lamp_nights import Key, Record, Span
from collector.lamp_report import Online, Report, as_csv
from collector.lamp_words import GONE_AFTER_DAYS
from lighting import nights
from lighting.figures import Figures

SLICE_RECORDS = 2_000
"""So many at once are in memory, and no reading of the database lasts longer than their time."""
REPORTS_AT_ONCE_MAX = 2
LATE_MS = 3_600_000
"""Gateways tell of a night at noon; so long afterwards it counts as told."""


class Busy(Exception):  # noqa: N818 - nothing is wrong
    """As many reports are being made as may be."""


class Month(NamedTuple):
    """A month of nights, by the dates of their evenings."""

    first: date
    last: date

    @classmethod
    def named(cls, name: str) -> "Month":
        """Return the month of a name as 2026-11; ValueError where there is none."""
        first = date.fromisoformat(f"{name}-01")
        if not lamp_nights.YEAR_MIN <= first.year <= lamp_nights.YEAR_MAX:
            raise ValueError(f"{name}: out of range")
        following = (first + timedelta(days=31)).replace(day=1)
        return cls(first, following - timedelta(days=1))


class LampReading:
    """Reads of one district; several at once do not disturb each other."""

    def __init__(self, district: str, state: Database, zone: tzinfo, *, now_ms: Callable[[], int]) -> None:
        """``zone`` is local time, for when nights begin."""
        self.district, self.zone = district, zone
        self._state, self._now_ms = state, now_ms
        self._making = 0

    async def page(self, span: Span, after: Key | None, limit: int) -> list[Record]:
        """Return up to ``limit`` records that follow ``after``, with all their changes."""
        return await self._state.read(
            partial(lamp_nights.read, span=span, after=after, limit=limit, changes=True)
        )

    async def report(self, month: Month) -> Report:
        """Return the month's report; Busy where REPORTS_AT_ONCE_MAX are being made."""
        if self._making >= REPORTS_AT_ONCE_MAX:
            raise Busy(f"{REPORTS_AT_ONCE_MAX} reports are being made")
        self._making += 1
        try:
            report = Report(self.district, *month)
            report.online = await self._state.read(partial(self._online, month=month))
            span, after = _span(month), None
            while after := await self._state.read(partial(_added, report=report, span=span, after=after)):
                await asyncio.sleep(0)
            report.settle()
            return report
        finally:
            self._making -= 1

    async def csv(self, month: Month) -> AsyncIterator[str]:
        """Yield the month's records as CSV, a slice at a time."""
        span, after = _span(month), None
        begins = True
        while begins or after:
            text, after = await self._state.read(partial(_as_text, span=span, after=after, begins=begins))
            begins = False
            if text:
                yield text

    async def last_night(self) -> Figures:
        """Return the figures of the last night that gateways have told of."""
        night = nights.night_of(self._now_ms() - LATE_MS, self.zone) - nights.DAY
        figures = Figures()
        span, after = Span(night.isoformat(), night.isoformat()), None
        while after := await self._state.read(partial(_counted, figures=figures, span=span, after=after)):
            await asyncio.sleep(0)
        return figures

    def _online(self, connection: Connection, month: Month) -> dict[str, Online]:
        now_ms = self._now_ms()
        since = month.first - timedelta(days=GONE_AFTER_DAYS)
        connected = connections.connected_since(connection, nights.begins_ms(since, self.zone))
        known = {
            gateway: first
            for gateway, (first, last) in lamp_nights.signs(connection).items()
            if first <= month.last.isoformat() and (last >= since.isoformat() or gateway in connected)
        }
        ends_ms = nights.begins_ms(month.last + nights.DAY, self.zone)
        for gateway, pushed_ms in lamp_desk.gateways_planned(connection, ends_ms).items():
            known.setdefault(gateway, nights.night_of(pushed_ms, self.zone).isoformat())
        return connections.online(connection, *month, known, self.zone, now_ms)


def _span(month: Month) -> Span:
    return Span(month.first.isoformat(), month.last.isoformat())


def _added(connection: Connection, report: Report, span: Span, after: Key | None) -> Key | None:
    """Add a slice of records to the report; return where the next one begins, None after the last."""
    records = lamp_nights.read(connection, span, after, SLICE_RECORDS)
    for record in records:
        report.add(*record)
    return _last(records)


def _counted(connection: Connection, figures: Figures, span: Span, after: Key | None) -> Key | None:
    records = lamp_nights.read(connection, span, after, SLICE_RECORDS)
    for _, night in records:
        figures.add(night)
    return _last(records)


def _as_text(connection: Connection, span: Span, after: Key | None, begins: bool) -> tuple[str, Key | None]:
    records = lamp_nights.read(connection, span, after, SLICE_RECORDS)
    return as_csv(records, begins=begins), _last(records)


def _last(records: list[Record]) -> Key | None:
    return lamp_nights.key(records[-1]) if len(records) == SLICE_RECORDS else None
