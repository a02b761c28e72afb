"""How a report of the link looks at a terminal of 80 columns, in both languages."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from gengfu.language import Language
from gengfu.report_age import ago, span, when
from gengfu.terminal import plain_table

if TYPE_CHECKING:
    from edge.link_report import Report

_TEXTS = {
    "connected": ("broker {0}: connected for {1}", "消息代理 {0}：已连接 {1}"),
    "apart": ("broker {0}: not connected", "消息代理 {0}：未连接"),
    "error": ("last error, {1}: {0}", "最近一次错误（{1}）：{0}"),
    "lane": ("waiting", "待确认"),
    "events": ("events", "事件"),
    "telemetry": ("telemetry", "遥测"),
    "batches": ("batches", "批"),
    "bytes": ("bytes", "字节"),
    "oldest": ("oldest", "最早"),
    "used": ("{0}: {1} used of {2}", "{0}：已用 {1}，共 {2}"),
    "free": (
        "{0}: {1} used, no budget (monthly_bytes_max = 0)",
        "{0}：已用 {1}，未设预算（monthly_bytes_max = 0）",
    ),
    "now": ("{0} may be used now", "当前可用 {0}"),
    "over": ("{0} more than accrued so far, by alarms and the link itself", "因报警和链路本身已超出 {0}"),
    "expected": ("expected at the month's end: {0}", "预计月底：{0}"),
    "early": ("expected at the month's end: not known yet", "预计月底：尚不可知"),
    "holds": (
        "telemetry waits in the buffer for the budget; alarms go on",
        "遥测在缓冲区中等待预算；报警照常发送",
    ),
    "no month": ("last 31 days of running", "最近 31 天运行"),
    "calendar": ("the budget accrues by the calendar month", "预算按日历月累积"),
    "running_time": (
        "the clock is not set: the budget accrues by running time, at a month's rate",
        "时钟未校准：预算按运行时间以月速率累积",
    ),
    "sample": (
        "{0} bytes a sample in batches, {1} batches sent again",
        "每样本 {0} 字节（按批），重发 {1} 批",
    ),
    "device": ("device", "设备"),
    "measured": ("measured", "测得"),
    "reported": ("reported", "上报"),
    "share": ("share %", "占比 %"),
    "every": ("no report policies: every reading is sent", "未设上报策略：全部读数上报"),
}


def parts(report: "Report", now_ms: int, language: Language) -> Iterator[RenderableType]:
    """Yield what to print: when and whose, connection, what waits, the month, what policies keep."""
    yield from when(report, now_ms, language)
    yield ""
    yield from connection(report, language)
    yield ""
    yield _waiting(report, now_ms, language)
    yield ""
    yield from _month(report, language)
    yield ""
    yield _shares(report, language) if report.devices else _text("every", language)


def connection(report: "Report", language: Language) -> Iterator[str]:
    """Yield whether it is connected and for how long, and what went wrong last."""
    since_ms = report.connected_since_ms
    if since_ms is None:
        yield _text("apart", language, report.broker)
    else:
        connected_s = max(0.0, (report.written_ms - since_ms) / 1000)
        yield _text("connected", language, report.broker, span(connected_s, language))
    if report.last_error:
        age_s = max(0.0, (report.written_ms - report.last_error_ms) / 1000)
        yield _text("error", language, report.last_error, ago(age_s, language))


def _waiting(report: "Report", now_ms: int, language: Language) -> Table:
    table = _table(language, "lane", "batches", "bytes", "oldest")
    for lane in report.waiting:
        age_s = None if lane.oldest_ms is None else max(0.0, (now_ms - lane.oldest_ms) / 1000)
        oldest = "-" if age_s is None or not lane.batches else ago(age_s, language)
        held = octets(lane.octets if lane.batches else 0)
        table.add_row(_text(lane.lane, language), str(lane.batches), held, oldest)
    return table


def _month(report: "Report", language: Language) -> Iterator[str]:
    name = report.month or _text("no month", language)
    used, budget = octets(report.used_octets), report.monthly_bytes_max
    yield (
        _text("used", language, name, used, octets(budget)) if budget else _text("free", language, name, used)
    )
    if report.available_octets is not None:
        key = "now" if report.available_octets >= 0 else "over"
        yield _text(key, language, octets(abs(report.available_octets)))
        yield _text(report.accrues_by, language)
    expected = report.expected_octets
    yield _text("early", language) if expected is None else _text("expected", language, octets(expected))
    if report.budget_holds:
        yield _text("holds", language)
    if report.octets_a_sample is not None:
        yield _text("sample", language, f"{report.octets_a_sample:.2f}", str(report.resent_batches))


def _shares(report: "Report", language: Language) -> Table:
    table = _table(language, "device", "measured", "reported", "share")
    for device in report.devices:
        share = f"{100 * device.reported / device.measured:.1f}" if device.measured else "-"
        table.add_row(device.device, str(device.measured), str(device.reported), share)
    return table


def _table(language: Language, *names: str) -> Table:
    table = plain_table()
    for index, name in enumerate(names):
        table.add_column(
            _text(name, language),
            justify="right" if index else "left",
            no_wrap=index > 0,
            overflow="fold",
        )
    return table


def octets(value: int) -> str:
    """Return bytes in the unit that people are billed in, at most nine characters."""
    for size, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value} B"


def _text(name: str, language: Language, *values: str) -> str:
    return _TEXTS[name][language == "zh"].format(*values)
