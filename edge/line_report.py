"""How the lines are doing, for people: a small file that the gateway renews, ``gengfu edge lines`` shows it.

It is no telemetry: it tells of the gateway's own work, is of use on the spot, and is worth nothing tomorrow.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec

from edge import report_file
from edge.clock import Moment
from edge.lines.line import Line
from edge.lines.listening import Seen
from edge.polling import LinePoller
from edge.report_file import ReportUnreadableError
from edge.schedule import Turn, quantile

__all__ = ["Report", "ReportUnreadableError", "Reporter", "read", "write"]

FILE_NAME = "lines.json"
FILE_BYTES_MAX = 4 * 1024 * 1024
"""1,000 devices take less than half a MiB; whatever is larger is not ours."""
WRITE_INTERVAL_S = 10.0
WINDOW_REPORTS_MAX = 30
"""Shares are of the line's time since so many reports ago: five minutes."""
ABSENT_TOLD_MAX = 16

State = Literal["ok", "doubtful", "dead", "unpowered", "no_line"]


class DeviceReport(msgspec.Struct, frozen=True):
    """One device. Intervals are from asking to asking, of the last 256; shares are parts of 1."""

    device: str
    unit_id: int
    state: State
    asked_s: float
    """How often it is to be asked."""
    p50_s: float | None
    p95_s: float | None
    share: float
    answer_s: float | None
    """Median of the slowest answer in a cycle."""
    timeout_s: float
    """How long its next answer is waited for, as learnt."""
    requests: int
    """Of a cycle."""
    timeouts: int
    """Since the start, as is the last error."""
    last_error: str
    last_error_ms: int
    absent_points: list[str]
    """Points that it does not have, the first 16 of them."""
    absent_count: int


class LineReport(msgspec.Struct, frozen=True):
    """One line with its devices."""

    line: str
    share: float
    seen: Seen | None
    """What it has shown besides answers; None where a line cannot see that."""
    devices: list[DeviceReport]


class Report(msgspec.Struct, frozen=True):
    """All lines of a gateway at a moment."""

    schema: Literal[1]
    gateway: str
    written_ms: int
    window_s: float
    """What shares are of."""
    stopped: bool
    lines: list[LineReport]


class Reporter:
    """Makes reports of pollers and lines that are at work."""

    def __init__(
        self, gateway: str, pollers: Mapping[str, LinePoller], lines: Mapping[str, Line], now: Moment
    ) -> None:
        """``pollers`` and ``lines`` are by the line's name."""
        self._gateway, self._pollers, self._lines = gateway, pollers, lines
        self._window: deque[tuple[float, dict[str, float]]] = deque(maxlen=WINDOW_REPORTS_MAX)
        self._window.append((now.s, {}))

    def report(self, now: Moment, *, stopped: bool = False, renews: bool = True) -> Report:
        """Return how everything is doing now; shares begin later only where it ``renews``."""
        then_s, before = self._window[0]
        window_s = max(now.s - then_s, 1e-9)
        busy_s = {
            name: turn.busy_s
            for poller in self._pollers.values()
            for name, turn in poller.schedule.turns.items()
        }
        shares = {name: (spent - before.get(name, 0.0)) / window_s for name, spent in busy_s.items()}
        if renews:
            self._window.append((now.s, busy_s))
        lines = []
        for name, poller in self._pollers.items():
            devices = [_device(poller, turn, shares[turn.device]) for turn in poller.schedule.turns.values()]
            seen = getattr(self._lines[name], "seen", None)
            seen = replace(seen) if isinstance(seen, Seen) else None
            lines.append(LineReport(name, round(sum(each.share for each in devices), 4), seen, devices))
        return Report(1, self._gateway, now.wall_ms, round(window_s, 1), stopped, lines)


def write(folder: Path, report: Report) -> None:
    """Replace the folder's report in one step; OSError where that cannot be done."""
    report_file.write(folder / FILE_NAME, report)


def read(folder: Path) -> Report:
    """Return the folder's report; ReportUnreadableError says why there is none."""
    return report_file.read(folder / FILE_NAME, Report, WRITE_INTERVAL_S, FILE_BYTES_MAX)


def _device(poller: LinePoller, turn: Turn, share: float) -> DeviceReport:
    driver, tally, unit = poller.devices[turn.device], poller.tallies[turn.device], turn.unit
    intervals_s = sorted(turn.intervals_s)
    absent = driver.reads.absent_points
    return DeviceReport(
        turn.device,
        driver.device.unit_id,
        _state(turn, no_line=tally.no_line),
        turn.interval_s,
        _rounded(quantile(intervals_s, 0.5)),
        _rounded(quantile(intervals_s, 0.95)),
        round(share, 4),
        _rounded(quantile(unit.answers_s, 0.5)),
        round(unit.learnt_timeout_s(), 4),
        len(driver.plan),
        tally.timeouts,
        tally.last_error,
        tally.last_error_ms,
        absent[:ABSENT_TOLD_MAX],
        len(absent),
    )


def _state(turn: Turn, *, no_line: bool) -> State:
    if not turn.powered:
        return "unpowered"
    if no_line:
        return "no_line"
    if turn.unit.dead:
        return "dead"
    return "doubtful" if turn.unit.doubtful else "ok"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
