"""How everything is now, for somebody who watches: lines, devices and their values, link, rules; by pages."""

import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from contract.samples import Quality
from device_profiles.schema import Profile
from edge import line_report, link_report
from edge.by_hand import ByHand, Refusal, unknown
from edge.clock import Clock, Moment
from edge.latest import Latest
from edge.line_report import DeviceReport
from edge.local.words import DeviceSeen, FactTold, LineSeen, News, Page, Refused, ValueSeen, Watch, WhyTold
from edge.rules.why import Why
from edge.settings import Settings

RULES_MAX = 20
"""So many alarms and controls are told, those that matter most first."""
VALUES_MAX = 40
"""Of a device, unless it is asked for by its name."""
_STATES = ("no_line", "dead", "doubtful", "unpowered", "ok")
_QUIET = ("normal", "disabled", "off")
_RANKS = ("active", "latched", "locked", "locked_out", "held_off", "left", "inhibited", "over_budget")


class Reports(Protocol):
    """Where figures come from."""

    def seen(self, now: Moment) -> tuple[line_report.Report, link_report.Report]:
        """Return how lines and link are now."""

    async def completed(self, link: link_report.Report) -> link_report.Report:
        """Return it with what only the buffer knows; sqlite3.Error."""


class _Found(NamedTuple):
    rank: tuple[int, int, str]
    line: str
    report: DeviceReport
    values: list[ValueSeen]


class Watching:
    """Answers whoever watches; nothing is done for it between two requests."""

    def __init__(
        self,
        settings: Settings,
        profiles: Mapping[str, Profile],
        latest: Latest,
        clock: Clock,
        reports: Callable[[], Reports],
    ) -> None:
        """``profiles`` are by device; ``reports`` is asked for at each request."""
        self._lines = [line.name for line in settings.lines]
        self._devices = [device.name for device in settings.devices]
        self._units = {
            name: {each.name: each.unit for each in profile.points}
            | {each.name: each.unit for each in profile.derived}
            for name, profile in profiles.items()
        }
        self._gateway, self._latest, self._clock, self._reports = settings.gateway, latest, clock, reports

    async def stream(self, request: Watch, by_hand: ByHand) -> AsyncGenerator[News, None]:
        """Yield the page that is asked for."""
        try:
            yield await self._page(request, by_hand)
        except Refusal as refused:
            yield Refused(str(refused))

    async def _page(self, request: Watch, by_hand: ByHand) -> Page:
        for what, name, known in (
            ("line", request.line, self._lines),
            ("device", request.device, self._devices),
        ):
            if name and name not in known:
                raise Refusal(unknown(what, name, known))
        now = self._clock.now()
        lines, link = self._reports().seen(now)
        with contextlib.suppress(sqlite3.Error):  # what waits is without bytes and age then
            link = await self._reports().completed(link)
        found = sorted(
            self._seen(line.line, device)
            for line in lines.lines
            for device in line.devices
            if request.line in ("", line.line) and request.device in ("", device.device)
        )
        shown = found[request.skip : request.skip + request.count]
        values_max = None if request.device else VALUES_MAX
        return Page(
            self._gateway,
            now.wall_ms,
            now.clock,
            lines.window_s,
            [_line(each) for each in lines.lines if request.line in ("", each.line)],
            [DeviceSeen(it.line, it.report, it.values[:values_max], len(it.values)) for it in shown],
            len(found),
            replace(link, devices=[]),
            _rules(by_hand),
        )

    def _seen(self, line: str, report: DeviceReport) -> _Found:
        units = self._units[report.device]
        values = [
            ValueSeen(it.point, it.value, units.get(it.point, "1"), it.quality, it.error, it.time_ms)
            for it in self._latest.of(report.device)
        ]
        values.sort(key=lambda value: value.quality is Quality.GOOD)  # what is wrong first
        wrong = sum(value.quality is not Quality.GOOD for value in values)
        return _Found((_STATES.index(report.state), -wrong, report.device), line, report, values)


def _line(line: line_report.LineReport) -> LineSeen:
    states = [device.state for device in line.devices]
    return LineSeen(line.line, line.share, {state: states.count(state) for state in dict.fromkeys(states)})


def _rules(by_hand: ByHand) -> list[WhyTold]:
    """Return the alarms and controls that are not as they should be, or are somebody's."""
    told = [why for why in by_hand.state() if why.state not in _QUIET or _is_held(why)]
    told.sort(key=lambda why: _RANKS.index(why.state) if why.state in _RANKS else len(_RANKS))
    return [
        WhyTold(why.name, why.kind, why.state, why.since_s, [FactTold(*fact) for fact in why.facts])
        for why in told[:RULES_MAX]
    ]


def _is_held(why: Why) -> bool:
    return any(fact.kind == "holder" and fact.name not in ("rule", "inhibit") for fact in why.facts)
