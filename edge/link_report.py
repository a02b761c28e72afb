"""How the link is doing, for people: ``link.json`` in the state folder, ``gengfu edge link`` shows it."""

from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from contract.topics import Lane
from edge import report_file
from edge.buffer.store import Buffer
from edge.clock import Moment
from edge.recorder import Recorder
from edge.reporting import Reporting
from edge.uplink.mqtt import Uplink

FILE_NAME = "link.json"
FILE_BYTES_MAX = 1024 * 1024
"""1,000 devices take less than 200 KiB."""
WRITE_INTERVAL_S = 10.0


class Waiting(msgspec.Struct, frozen=True):
    """What of one lane the centre has not acknowledged."""

    lane: str
    batches: int
    octets: int
    """As they stand on disk."""
    oldest_ms: int | None
    """When the oldest of it was measured."""


class Share(msgspec.Struct, frozen=True):
    """What a device's report policies keep of what was measured, since the start."""

    device: str
    measured: int
    reported: int


class Report(msgspec.Struct, frozen=True):
    """The link of a gateway at a moment. Bytes are those of IP packets, both ways."""

    schema: Literal[1]
    gateway: str
    written_ms: int
    stopped: bool
    broker: str
    connected_since_ms: int | None
    last_error: str
    last_error_ms: int
    waiting: list[Waiting]
    month: str
    """As 2026-11; empty where the time is not known, for the last 31 days of running."""
    accrues_by: Literal["calendar", "running_time"]
    """By what the budget accrues: running time while the clock is not set."""
    used_octets: int
    counted_since_ms: int
    monthly_bytes_max: int
    """0: no budget."""
    available_octets: int | None
    """What may be used now; negative where alarms took more; None without a budget."""
    expected_octets: int | None
    """What the month will have used at this pace; None in its first hours."""
    budget_holds: bool
    """Whether telemetry waits for the budget."""
    octets_a_sample: float | None
    """Of telemetry as batches, since the start."""
    resent_batches: int
    devices: list[Share]
    """Those with a report policy; all others report everything."""


class Reporter:
    """Makes reports of an uplink that is at work."""

    def __init__(
        self, gateway: str, broker: str, uplink: Uplink, recorder: Recorder, reporting: Reporting
    ) -> None:
        """``gateway`` and ``broker`` are as people call them."""
        self._names = gateway, broker
        self._uplink, self._recorder, self._reporting = uplink, recorder, reporting

    def report(self, now: Moment, *, stopped: bool = False) -> Report:
        """Return how everything is doing now, but for what only the buffer knows of what waits."""
        uplink, allowance = self._uplink, self._uplink.meter.allowance
        uplink.meter.count(now)
        used, budget = allowance.used(now), allowance.plan.monthly_bytes_max
        lanes = uplink.session.lanes
        waiting = [Waiting(lane, max(0, lanes[lane].last - lanes[lane].acked), 0, None) for lane in Lane]
        samples = self._recorder.stored_samples
        return Report(
            1,
            self._names[0],
            now.wall_ms,
            stopped,
            self._names[1],
            uplink.connected_since_ms,
            uplink.last_error,
            uplink.last_error_ms,
            waiting,
            allowance.month(now),
            "calendar" if allowance.is_calendar(now) else "running_time",
            used.octets,
            used.since_ms,
            budget,
            int(allowance.available(now)) if budget else None,
            allowance.expected(now),
            uplink.spending.holds,
            round(self._recorder.stored_octets / samples, 2) if samples else None,
            uplink.session.resent,
            [Share(name, each.measured, each.reported) for name, each in self._reporting.tallies.items()],
        )


def completed(report: Report, buffer: Buffer) -> Report:
    """Return it with bytes and age of what waits, as far as the buffer is open. Blocking; sqlite3.Error."""
    if not buffer.is_open:
        return report
    held = buffer.backlog()
    waiting = [Waiting(each.lane, each.batches, *held[Lane(each.lane)]) for each in report.waiting]
    return replace(report, waiting=waiting)


def write(folder: Path, report: Report) -> None:
    """Replace the folder's report in one step; OSError where that cannot be done."""
    report_file.write(folder / FILE_NAME, report)


def read(folder: Path) -> Report:
    """Return the folder's report; ReportUnreadableError says why there is none."""
    return report_file.read(folder / FILE_NAME, Report, WRITE_INTERVAL_S, FILE_BYTES_MAX)
