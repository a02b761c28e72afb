"""What the centre knows of lamps' nights, read slice by slice off the loop: a month, a night, a page."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, timedelta, tzinfo
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from collector import connections
from collector.database import Database
from collector.lamps import desk as lamp_desk
from collector.lamps import nights as lamp_nights
from collector.lamps import roster as lamp_roster
from collector.lamps.nights import Key, Record, Span
from collector.lamps.report import Missing, Online, Report, as_csv
from collector.lamps.roster import PlannedLamps, Roster
from collector.lamps.words import GONE_AFTER_DAYS
from contract.events import LampNight
from lighting import nights
from lighting.figures import Figures

SLICE_RECORDS = 2_000
"""So many at once are in memory, and no reading of the database lasts longer than their time."""
SLICE_GATEWAYS = 50
"""Of so many at once it is read what was told."""
REPORTS_AT_ONCE_MAX = 2
DAY_MS = 86_400_000
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

    def __init__(
        self,
        district: str,
        state: Database,
        zone: tzinfo,
        *,
        now_ms: Callable[[], int],
        kept_days: int = 36_500,
    ) -> None:
        """``zone`` is local time, for when nights begin; records are kept for so many days."""
        self.district, self.zone = district, zone
        self._state, self._now_ms, self._kept_ms = state, now_ms, kept_days * DAY_MS
        self._making = 0
        self._plans: dict[int, PlannedLamps | None] = {}

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
            async for gateway, missing in self._missing(month.first, month.last):
                for each in missing:
                    report.miss(gateway, *each)
            span, after = _span(month), None
            while after := await self._state.read(partial(_added, report=report, span=span, after=after)):
                await asyncio.sleep(0)
            report.settle()
            return report
        finally:
            self._making -= 1

    async def csv(self, month: Month) -> AsyncIterator[str]:
        """Yield the month's records as CSV, a slice at a time."""
        roster = await self._roster(month.first, month.last)
        yield as_csv([])
        told = await self._state.read(lamp_nights.gateways)
        for gateway in sorted({*told, *roster.gateways}):
            lost = (await self._state.read(partial(_lost, roster=roster, gateways=[gateway])))[0][1]
            span, after, more = _span(month)._replace(gateway=gateway), None, True
            while more:
                text, after, lost = await self._state.read(
                    partial(_as_text, span=span, after=after, lost=lost)
                )
                more = after is not None
                if text:
                    yield text

    async def last_night(self) -> Figures:
        """Return the figures of the last night that gateways have told of."""
        night = nights.night_of(self._now_ms() - LATE_MS, self.zone) - nights.DAY
        figures = Figures()
        async for _, missing in self._missing(night, night):
            figures.miss(len(missing))
        span, after = Span(night.isoformat(), night.isoformat()), None
        while after := await self._state.read(partial(_counted, figures=figures, span=span, after=after)):
            await asyncio.sleep(0)
        return figures

    async def _missing(self, first: date, last: date) -> AsyncIterator[tuple[str, list[Missing]]]:
        """Yield by gateway, a slice of them at a time, what was due by plan and was not told."""
        roster = await self._roster(first, last)
        names = roster.gateways
        for begin in range(0, len(names), SLICE_GATEWAYS):
            gateways = names[begin : begin + SLICE_GATEWAYS]
            for found in await self._state.read(partial(_lost, roster=roster, gateways=gateways)):
                yield found
            await asyncio.sleep(0)

    async def _roster(self, first: date, last: date) -> Roster:
        """Return what is due of those nights that are told by now, and whose records are still kept."""
        days = []
        now_ms, day = self._now_ms(), first
        while day <= last:
            ends_ms = nights.begins_ms(day + nights.DAY, self.zone)
            if now_ms - self._kept_ms < ends_ms <= now_ms - LATE_MS:
                days.append(day)
            day += nights.DAY
        if not days:
            return Roster((), {}, (), self.zone)
        begins_ms = nights.begins_ms(days[0], self.zone)
        ends_ms = nights.begins_ms(days[-1] + nights.DAY, self.zone)
        spans = lamp_roster.overlapping(
            lamp_roster.held(await self._state.read(lamp_roster.pushes)), begins_ms, ends_ms
        )
        plans = await self._known([span.id for span in spans])
        return await asyncio.to_thread(Roster, spans, plans, days, self.zone)

    async def _known(self, ids: Sequence[int]) -> dict[int, PlannedLamps | None]:
        """Return plans by number; those that were read a moment ago are not read again."""
        fresh = [number for number in ids if number not in self._plans]
        for number in fresh:
            for file in (await self._state.read(partial(lamp_roster.texts, ids=[number]))).values():
                self._plans[number] = await asyncio.to_thread(lamp_roster.understood, file)
        found = {number: self._plans.get(number) for number in ids}
        while len(self._plans) > lamp_roster.PLANS_AT_ONCE_MAX:
            del self._plans[next(iter(self._plans))]
        return found

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


def _lost(connection: Connection, roster: Roster, gateways: Sequence[str]) -> list[tuple[str, list[Missing]]]:
    """Return by gateway what was due and was not told, in order."""
    found = []
    for gateway in gateways:
        due = roster.due(gateway)
        told = lamp_nights.told(connection, gateway, *roster.days) if due and roster.days else set()
        missing = [Missing(*each) for each in due if each not in told]
        if missing:
            circuits = lamp_nights.circuits(connection, gateway)
            missing = [each for each in missing if each.lamp not in circuits]
        found.append((gateway, missing))
    return found


def _as_text(
    connection: Connection, span: Span, after: Key | None, lost: list[Missing]
) -> tuple[str, Key | None, list[Missing]]:
    """Return a slice of a gateway's lines, where the next begins, and what is missing from there on."""
    records = lamp_nights.read(connection, span, after, SLICE_RECORDS)
    last = _last(records)
    now = [each for each in lost if last is None or each < (last.night, last.lamp)]
    lines: list[tuple[str, LampNight | Missing]] = [*records]
    lines += [(span.gateway, each) for each in now]
    return as_csv(sorted(lines, key=_place), begins=False), last, lost[len(now) :]


def _place(line: tuple[str, LampNight | Missing]) -> tuple[str, str]:
    return line[1].night, line[1].lamp


def _last(records: list[Record]) -> Key | None:
    return lamp_nights.key(records[-1]) if len(records) == SLICE_RECORDS else None
