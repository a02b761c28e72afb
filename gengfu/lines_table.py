"""How a report of the lines looks at a terminal of 80 columns, in both languages."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from gengfu.language import Language
from gengfu.report_age import ago, span, when
from gengfu.words import counted

if TYPE_CHECKING:
    from edge.line_report import DeviceReport, LineReport, Report

_TEXTS = {
    "line": ("{0}: {1:.1f} % of the last {2} in use", "{0}：最近 {2}占用 {1:.1f} %"),
    "stray": (", {0}", "，杂散字节 {1}"),
    "foreign": (
        "another master has asked on this bus {0}; there must be only one",
        "总线上另有主站问询 {1} 次；只允许一个主站",
    ),
    "echo": (
        "the adapter hands our own requests back; they are passed over",
        "转换器回送本机请求，已忽略",
    ),
    "absent": ("{0} does not have: {1}", "{0} 没有：{1}"),
    "more": ("{0} and {1} more", "{0} 等，另有 {1} 个"),
    "and": (", ", "、"),
    "device": ("device", "设备"),
    "unit": ("unit", "地址"),
    "state": ("state", "状态"),
    "asked": ("asked\ns", "周期\n秒"),
    "p50": ("p50\ns", "p50\n秒"),
    "p95": ("p95\ns", "p95\n秒"),
    "share": ("share\n%", "占用\n%"),
    "answer": ("answer\nms", "应答\n毫秒"),
    "timeouts": ("time-\nouts", "超时\n次"),
    "error": ("last error", "最近错误"),
    "ok": ("ok", "正常"),
    "doubtful": ("doubtful", "存疑"),
    "dead": ("dead", "无应答"),
    "unpowered": ("unpowered", "断电"),
    "no_line": ("no line", "无线路"),
}
COLUMNS = ("device", "unit", "state", "asked", "p50", "p95", "share", "answer", "timeouts", "error")
NUMBERS = COLUMNS[1:2] + COLUMNS[3:9]


def parts(report: "Report", now_ms: int, language: Language) -> Iterator[RenderableType]:
    """Yield what to print: when and whose, then each line with its devices."""
    yield from when(report, now_ms, language)
    for line in report.lines:
        yield ""
        yield _heading(line, report.window_s, language)
        yield from _notes(line, language)
        yield _table(line, now_ms, language)
        for device in line.devices:
            if device.absent_points:
                yield _absent(device, language)


def _heading(line: "LineReport", window_s: float, language: Language) -> str:
    told = _text("line", language, line.line, 100 * line.share, span(window_s, language))
    if line.seen is None:
        return told
    stray = line.seen.stray_bytes
    return told + _text("stray", language, counted(stray, "stray byte"), stray)


def _notes(line: "LineReport", language: Language) -> Iterator[str]:
    """Say what a technician should see to."""
    if line.seen and (asked := line.seen.foreign_requests):
        yield _text("foreign", language, counted(asked, "time"), asked)
    if line.seen and line.seen.echo:
        yield _text("echo", language)


def _table(line: "LineReport", now_ms: int, language: Language) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in COLUMNS:
        table.add_column(
            _text(name, language),
            justify="right" if name in NUMBERS else "left",
            no_wrap=name not in ("device", "error"),
            overflow="fold",
        )
    for device in line.devices:
        table.add_row(
            device.device,
            str(device.unit_id),
            _text(device.state, language),
            _seconds(device.asked_s),
            _seconds(device.p50_s),
            _seconds(device.p95_s),
            f"{100 * device.share:.1f}",
            "-" if device.answer_s is None else f"{1000 * device.answer_s:.0f}",
            str(device.timeouts),
            _error(device, now_ms, language),
        )
    return table


def _error(device: "DeviceReport", now_ms: int, language: Language) -> str:
    if not device.last_error:
        return ""
    age_s = max(0.0, (now_ms - device.last_error_ms) / 1000)
    return device.last_error.replace("_", " ") + _text("and", language) + ago(age_s, language)


def _seconds(value: float | None) -> str:
    """Return at most five characters."""
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _absent(device: "DeviceReport", language: Language) -> str:
    names = _text("and", language).join(device.absent_points)
    if more := device.absent_count - len(device.absent_points):
        names = _text("more", language, names, more)
    return _text("absent", language, device.device, names)


def _text(name: str, language: Language, *values: object) -> str:
    return _TEXTS[name][language == "zh"].format(*values)
