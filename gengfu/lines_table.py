"""How a report of the lines looks at a terminal of 80 columns."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from gengfu.report_age import span, when
from gengfu.words import counted

if TYPE_CHECKING:
    from edge.line_report import DeviceReport, LineReport, Report

COLUMNS = (
    "device",
    "unit",
    "state",
    "asked\ns",
    "p50\ns",
    "p95\ns",
    "share\n%",
    "answer\nms",
    "time-\nouts",
    "last error",
)
NUMBERS = COLUMNS[1:2] + COLUMNS[3:9]


def parts(report: "Report", now_ms: int) -> Iterator[RenderableType]:
    """Yield what to print: when and whose, then each line with its devices."""
    yield from when(report, now_ms)
    for line in report.lines:
        yield ""
        yield _heading(line, report.window_s)
        yield from _notes(line)
        yield _table(line, now_ms)
        for device in line.devices:
            if device.absent_points:
                yield _absent(device)


def _heading(line: "LineReport", window_s: float) -> str:
    told = f"{line.line}: {100 * line.share:.1f} % of the last {span(window_s)} in use"
    return told if line.seen is None else f"{told}, {counted(line.seen.stray_bytes, 'stray byte')}"


def _notes(line: "LineReport") -> Iterator[str]:
    """Say what a technician should see to."""
    if line.seen and line.seen.foreign_requests:
        asked = counted(line.seen.foreign_requests, "time")
        yield f"another master has asked on this bus {asked}; there must be only one"
    if line.seen and line.seen.echo:
        yield "the adapter hands our own requests back; they are passed over"


def _table(line: "LineReport", now_ms: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in COLUMNS:
        wide = name in ("device", "last error")
        table.add_column(
            name,
            justify="right" if name in NUMBERS else "left",
            no_wrap=not wide,
            overflow="fold",
        )
    for device in line.devices:
        table.add_row(
            device.device,
            str(device.unit_id),
            device.state.replace("_", " "),
            _seconds(device.asked_s),
            _seconds(device.p50_s),
            _seconds(device.p95_s),
            f"{100 * device.share:.1f}",
            "-" if device.answer_s is None else f"{1000 * device.answer_s:.0f}",
            str(device.timeouts),
            _error(device, now_ms),
        )
    return table


def _error(device: "DeviceReport", now_ms: int) -> str:
    if not device.last_error:
        return ""
    age_s = max(0.0, (now_ms - device.last_error_ms) / 1000)
    return f"{device.last_error.replace('_', ' ')}, {span(age_s)} ago"  # broken between words


def _seconds(value: float | None) -> str:
    """Return at most five characters."""
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _absent(device: "DeviceReport") -> str:
    more = device.absent_count - len(device.absent_points)
    names = ", ".join(device.absent_points) + (f" and {more} more" if more else "")
    return f"{device.device} does not have: {names}"
