"""Incidents at the centre as an operator's terminal of 80 columns shows them; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gengfu.alarm_tables import priority
from gengfu.language import Language
from gengfu.terminal import folding_table, moment

Told = Mapping[str, Any]

_TEXTS = {
    "priority": ("priority", "优先级"),
    "since": ("since", "时间"),
    "alarms": ("active/all", "活动/全部"),
    "what": ("what, where and id", "内容、区域与标识"),
    "none": ("no incidents there", "没有事件"),
    "more": ("more follow; --count N shows more", "未完，--count N 可显示更多"),
    "acked": ("acknowledged by {0}, {1}", "已由 {0} 确认，{1}"),
    "unacked": ("unacknowledged", "未确认"),
    "closed": ("closed {0}", "{0} 已结束"),
    "open": ("open since {0}, last alarm {1}", "始于 {0}，最近报警 {1}"),
    "merged": ("went over to {0}", "已并入 {0}"),
    "count": ("{0} of {1} alarms active, from {2} sources", "{1} 条报警中 {0} 条活动，来自 {2} 个来源"),
    "case": ("case {0}", "案卷 {0}"),
    "rule": ("{0} · {1} · version {2}", "{0} · {1} · 版本 {2}"),
    "left": ("{0} older alarms are not shown", "另有 {0} 条较早的报警未显示"),
    "over": ("over {0}", "{0} 恢复"),
    "gone": ("(kept no more)", "（已不再保存）"),
    "at": ("raised", "发生"),
    "alarm": ("alarm", "报警"),
}


def listed(items: Sequence[Told], *, more: bool, language: Language) -> Iterator[RenderableType]:
    """Yield a row for each incident, or one line where there is none."""
    if not items:
        yield _text("none", language)
        return
    titles = ("priority", "since", "alarms", "what")
    table = folding_table(*(_text(title, language) for title in titles))
    for item in items:
        about = [item["title"][language], item["area"], *_standing(item, language), item["id"]]
        table.add_row(
            priority(item["priority"], language, is_new=item["acked_ms"] is None),
            moment(item["opened_ms"]),
            f"{item['active']}/{item['members']}",
            "\n".join(filter(None, about)),
        )
    yield table
    if more:
        yield _text("more", language)


def one(item: Told, language: Language) -> Iterator[RenderableType]:
    """Yield all that is known of one incident, then its newest alarms."""
    yield item["id"]
    yield f"{item['title'][language]} {item['area']}".strip()
    called = priority(item["priority"], language)
    yield _text("rule", language).format(item["rule"], called, item["version"])
    yield _text("open", language).format(moment(item["opened_ms"]), moment(item["last_ms"]))
    yield _text("count", language).format(item["active"], item["members"], item["sources"])
    yield from _standing(item, language)
    if item["acked_ms"] is None:
        yield _text("unacked", language)
    if item["case_id"]:
        yield _text("case", language).format(item["case_id"])
    if item["alarms"]:
        yield _alarms(item["alarms"], language)
    if item["alarms_left_out"]:
        yield _text("left", language).format(item["alarms_left_out"])


def _alarms(alarms: Sequence[Told], language: Language) -> Table:
    table = folding_table(*(_text(title, language) for title in ("at", "priority", "alarm")))
    for each in alarms:
        where = "/".join(filter(None, (each[name] for name in ("gateway", "rule", "device", "point"))))
        about = [each["message"] or _text("gone", language), where]
        if each["cleared_ms"] is not None:
            about.append(_text("over", language).format(moment(each["cleared_ms"])))
        called = _priority(each["priority"], language, is_new=each["cleared_ms"] is None)
        table.add_row(moment(each["at_ms"]), called, "\n".join(about))
    return table


def _standing(item: Told, language: Language) -> Iterator[str]:
    if item["merged_into"]:
        yield _text("merged", language).format(item["merged_into"])
    elif item["closed_ms"] is not None:
        yield _text("closed", language).format(moment(item["closed_ms"]))
    if item["acked_ms"] is not None:
        yield _text("acked", language).format(item["acked_by"], moment(item["acked_ms"]))


def _priority(name: str | None, language: Language, *, is_new: bool) -> Text:
    return priority(name, language, is_new=is_new) if name else Text("")


def _text(key: str, language: Language) -> str:
    return _TEXTS[key][language == "zh"]
