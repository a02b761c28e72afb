"""How a gateway looks to somebody who watches it: a screen of 80 columns, in both languages."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gengfu import link_table, why_words
from gengfu.commands.edge_point import quality_text, value_text
from gengfu.language import Language
from gengfu.report_age import ago, span

if TYPE_CHECKING:
    from edge.local.words import Answer, DeviceSeen, Page, ValueSeen

RULES_SHOWN_MAX = 6
DEVICE_COLUMNS_MAX = 26
_TEXTS = {
    "head": ("gateway {0}  {1}  clock {2}", "网关 {0}  {1}  时钟{2}"),
    "synchronised": ("synchronised", "已同步"),
    "holdover": ("counting on by itself, not synchronised now", "自走，当前未同步"),
    "unset": ("not set", "未校准"),
    "line": ("{0}: {1:.1f} % of the last {2} in use; {3}", "{0}：最近 {2} 占用 {1:.1f} %；{3}"),
    "waits": ("{0}: {1} batches wait, {2}", "{0}：待确认 {1} 批，{2}"),
    "nothing": ("nothing waits for the centre", "没有等待中心确认的数据"),
    "events": ("events", "事件"),
    "telemetry": ("telemetry", "遥测"),
    "oldest": ("{0}, the oldest {1}", "{0}，最早 {1}"),
    "quiet": ("no alarm is active, nothing is held or locked", "无报警，无手动保持或锁定"),
    "more": ("and {0} more; see `gengfu edge state`", "另有 {0} 项；见 `gengfu edge state`"),
    "device": ("device", "设备"),
    "point": ("point", "测点"),
    "value": ("value", "值"),
    "quality": ("quality", "质量"),
    "state": ("state", "状态"),
    "share": ("share %", "占用 %"),
    "age": ("age", "距今"),
    "newest": ("newest values, what is wrong first", "最新值，异常在前"),
    "ok": ("ok", "正常"),
    "doubtful": ("doubtful", "存疑"),
    "dead": ("dead", "无应答"),
    "unpowered": ("unpowered", "断电"),
    "no_line": ("no line", "无线路"),
    "none_yet": ("nothing yet", "尚无"),
    "page": ("devices {0} to {1} of {2}", "设备 {0} 至 {1}，共 {2}"),
    "keys": ("n next, p back, q leave", "n 下页，p 上页，q 退出"),
    "and": (", ", "、"),
}
_BAD = {"dead": "red", "no_line": "red", "doubtful": "yellow", "unpowered": "dim"}


def parts(page: "Page", settings: list[str], chosen: Language, *, skip: int) -> Iterator[RenderableType]:
    """Yield what stands above the devices, then the devices; ``settings`` says which are in force."""
    yield from head(page, settings, chosen)
    yield ""
    yield _detail(page.devices[0], page, chosen) if len(page.devices) == 1 else _devices(page, chosen)
    if page.devices_count > len(page.devices):
        yield _text("page", chosen).format(skip + 1, skip + len(page.devices), page.devices_count)


def keys(chosen: Language) -> Text:
    """Return which keys do what."""
    return Text(_text("keys", chosen), style="dim")


def head(page: "Page", settings: list[str], chosen: Language) -> Iterator[str]:
    """Yield who it is, its clock, its settings, lines, link, what waits, and its rules."""
    answer = _answer(page)
    yield _text("head", chosen).format(
        page.gateway, why_words.until(page.time_ms, answer), _text(str(page.clock), chosen)
    )
    yield from settings
    for line in page.lines:
        states = _text("and", chosen).join(
            f"{count} {_text(state, chosen)}" for state, count in sorted(line.states.items())
        )
        yield _text("line", chosen).format(
            line.line, 100 * line.share, span(page.window_s, chosen), states or "-"
        )
    yield from link_table.connection(page.link, chosen)
    yield from _waiting(page, chosen)
    yield from _rules(page, answer, chosen)


def _waiting(page: "Page", chosen: Language) -> Iterator[str]:
    waiting = [lane for lane in page.link.waiting if lane.batches]
    for lane in waiting:
        what = link_table.octets(lane.octets)
        if lane.oldest_ms is not None:
            age_s = max(0.0, (page.time_ms - lane.oldest_ms) / 1000)
            what = _text("oldest", chosen).format(what, ago(age_s, chosen))
        yield _text("waits", chosen).format(_text(lane.lane, chosen), lane.batches, what)
    if not waiting:
        yield _text("nothing", chosen)


def _rules(page: "Page", answer: "Answer", chosen: Language) -> Iterator[str]:
    if not page.rules:
        yield _text("quiet", chosen)
        return
    told = list(why_words.sentences(answer, chosen, brief=True))
    yield from told[:RULES_SHOWN_MAX]
    if len(told) > RULES_SHOWN_MAX:
        yield _text("more", chosen).format(len(told) - RULES_SHOWN_MAX)


def _devices(page: "Page", chosen: Language) -> Table:
    table = _table(chosen, "device", "state", "share", "age", "newest")
    for it in page.devices:
        newest = max((value.time_ms for value in it.values), default=None)
        values = _together(it) or ", ".join(map(_brief, it.values)) or _text("none_yet", chosen)
        table.add_row(
            it.report.device,
            _state(it, chosen),
            f"{100 * it.report.share:.1f}",
            _age(newest, page, chosen),
            Text(values, overflow="ellipsis", no_wrap=True),
        )
    return table


def _detail(it: "DeviceSeen", page: "Page", chosen: Language) -> Table:
    table = _table(chosen, "device", "state", "point", "value", "quality", "age")
    for number, value in enumerate(it.values):
        quality = quality_text(value.quality) + (f" ({value.error})" if value.error else "")
        table.add_row(
            it.report.device if number == 0 else "",
            _state(it, chosen) if number == 0 else "",
            value.point,
            value_text(value.value, value.unit),
            quality,
            _age(value.time_ms, page, chosen),
        )
    if not it.values:
        table.add_row(it.report.device, _state(it, chosen), _text("none_yet", chosen))
    return table


def _table(chosen: Language, *names: str) -> Table:
    wide = "newest" in names
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", expand=wide)
    for name in names:
        table.add_column(
            _text(name, chosen),
            justify="right" if name in ("share", "age") else "left",
            no_wrap=name in ("share", "age", "state", "newest"),
            overflow="ellipsis" if name == "newest" else "fold",
            ratio=1 if name == "newest" else None,
            max_width=DEVICE_COLUMNS_MAX if wide and name == "device" else None,
        )
    return table


def _state(it: "DeviceSeen", chosen: Language) -> Text:
    return Text(_text(it.report.state, chosen), style=_BAD.get(it.report.state, ""))


def _together(it: "DeviceSeen") -> str:
    """Return what a device's values have in common where none is there; else nothing."""
    errors = {value.error for value in it.values if value.value is None}
    if len(errors) != 1 or any(value.value is not None for value in it.values):
        return ""
    return f"{errors.pop()} ({it.values_count})"


def _brief(value: "ValueSeen") -> str:
    told = value_text(value.value, value.unit)
    if value.value is None:
        return f"{value.point} {value.error or quality_text(value.quality)}"
    return f"{value.point} {told}" + ("" if value.quality == "good" else "?")


def _age(time_ms: int | None, page: "Page", chosen: Language) -> str:
    return "-" if time_ms is None else span(max(0.0, (page.time_ms - time_ms) / 1000), chosen)


def _answer(page: "Page") -> "Answer":
    from edge.local.words import Answer

    return Answer(page.gateway, page.time_ms, page.clock, rules=page.rules)


def _text(key: str, chosen: Language) -> str:
    return _TEXTS[key][chosen == "zh"]
