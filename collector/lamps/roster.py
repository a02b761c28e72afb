"""Of which lamps a record is due of which night, by the plans that were pushed.

A lamp is due where the plan that held when the night began wanted it to burn at some time of it, and a plan
that held at its end still had it. Conditions and sensors are nobody's to know here: a lamp that they decide
of is due.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, tzinfo
from typing import NamedTuple

from sqlalchemy import Connection, select

from collector.tables import lamp_plans
from lighting import nights
from lighting.addresses import Addresses
from lighting.compiling import Compiler
from lighting.plan import Plan
from toml_files import TomlFile, TomlFileError

_log = logging.getLogger(__name__)

PLANS_AT_ONCE_MAX = 8
"""So many plans are kept ready; a month of lamps seldom has more."""


ANSWERS_KEPT_MAX = 50_000


class Pushed(NamedTuple):
    """A plan's number, when it was pushed, and from when until when it was to hold."""

    id: int
    pushed_ms: int
    effective_ms: int | None
    expires_ms: int | None


class Held(NamedTuple):
    """From when until when a plan held; ``until_ms`` None where it still does."""

    id: int
    from_ms: int
    until_ms: int | None


def held(pushes: Iterable[Pushed]) -> list[Held]:
    """Return when plans held, of pushes in their order; one that waits gives way to a later push. Pure."""
    found: list[Held] = []
    for push in pushes:
        from_ms = push.pushed_ms if push.effective_ms is None else max(push.effective_ms, push.pushed_ms)
        while found and found[-1].from_ms > push.pushed_ms:
            found.pop()
        if found and (found[-1].until_ms is None or found[-1].until_ms > from_ms):
            found[-1] = found[-1]._replace(until_ms=from_ms)
        found.append(Held(push.id, from_ms, push.expires_ms))
    return found


class PlannedLamps:
    """The lamps of one plan, and on which nights it wants them to burn."""

    def __init__(self, plan: Plan) -> None:
        """``plan`` is sound."""
        self._compiler, self._place_of = Compiler(plan), plan.place_of
        self.calendars: dict[str, dict[str, str]] = {}
        """By gateway and lamp."""
        for lamp, calendar in Addresses(plan).calendars().items():
            self.calendars.setdefault(lamp.gateway, {})[lamp.lamp] = calendar
        self._burns: dict[tuple[str, float, float, int], bool] = {}

    def burns(self, gateway: str, lamp: str, from_ms: int, until_ms: int) -> bool:
        """Say whether a lamp of the plan is to burn at some time between."""
        calendar, place = self.calendars[gateway][lamp], self._place_of[gateway]
        key = (calendar, place.latitude_deg, place.longitude_deg, from_ms)
        found = self._burns.get(key)
        if found is None:
            if len(self._burns) >= ANSWERS_KEPT_MAX:
                self._burns.clear()
            steps = self._compiler.timeline(calendar, place, from_ms, until_ms).steps
            found = self._burns[key] = any(step.level for step in steps)
        return found


class Roster:
    """The lamps that are due in some nights."""

    def __init__(
        self,
        spans: Sequence[Held],
        plans: Mapping[int, PlannedLamps | None],
        days: Sequence[date],
        zone: tzinfo,
    ) -> None:
        """A plan that is None cannot be read: nothing is due by it. ``zone`` says when nights begin."""
        self._nights: list[tuple[str, int, int, PlannedLamps, PlannedLamps]] = []
        for day in days:
            from_ms, until_ms = nights.begins_ms(day, zone), nights.begins_ms(day + nights.DAY, zone)
            first, last = (plans.get(_at(spans, time_ms)) for time_ms in (from_ms, until_ms - 1))
            if first and last:
                self._nights.append((day.isoformat(), from_ms, until_ms, first, last))

    @property
    def gateways(self) -> list[str]:
        """Those with lamps that may be due, in order."""
        return sorted({gateway for *_, first, _last in self._nights for gateway in first.calendars})

    @property
    def days(self) -> tuple[str, str] | None:
        """The first and the last night of which anything may be due."""
        return (self._nights[0][0], self._nights[-1][0]) if self._nights else None

    def due(self, gateway: str) -> list[tuple[str, str]]:
        """Return the nights and lamps of a gateway of which a record is due, in order."""
        return [
            (day, lamp)
            for day, from_ms, until_ms, first, last in self._nights
            for lamp in sorted(first.calendars.get(gateway, ()))
            if lamp in last.calendars.get(gateway, ()) and first.burns(gateway, lamp, from_ms, until_ms)
        ]


def pushes(connection: Connection) -> list[Pushed]:
    """Return all plans that are kept, in the order in which they were pushed."""
    columns = (lamp_plans.c[name] for name in Pushed._fields)
    return [Pushed(*row) for row in connection.execute(select(*columns).order_by(lamp_plans.c.id))]


def overlapping(spans: Iterable[Held], from_ms: int, until_ms: int) -> list[Held]:
    """Return those that held at some time between."""
    return [
        span
        for span in spans
        if span.from_ms < until_ms and (span.until_ms is None or span.until_ms > from_ms)
    ]


def texts(connection: Connection, ids: Sequence[int]) -> dict[int, TomlFile]:
    """Return plans as they were pushed."""
    query = select(lamp_plans.c.id, lamp_plans.c.text, lamp_plans.c.file).where(lamp_plans.c.id.in_(ids))
    return {number: TomlFile(text, file) for number, text, file in connection.execute(query)}


def understood(file: TomlFile) -> PlannedLamps | None:
    """Return what the plan plans; None, and a word in the log, where this version cannot read it."""
    try:
        return PlannedLamps(file.parse(Plan))
    except (TomlFileError, ValueError, KeyError) as error:
        _log.warning("the plan %s was pushed once and cannot be read now: %s", file.name, error)
        return None


def _at(spans: Sequence[Held], time_ms: int) -> int:
    """Return the number of the plan that held then, 0 for none."""
    for span in reversed(spans):
        if span.from_ms <= time_ms:
            return span.id if span.until_ms is None or time_ms < span.until_ms else 0
    return 0
