"""Alarms at the centre as an operator's terminal of 80 columns shows them; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gengfu.language import Language
from gengfu.terminal import folding_table, moment, plain_table

Told = Mapping[str, Any]

_TEXTS = {
    "row": ("no.", "编号"),
    "priority": ("priority", "优先级"),
    "state": ("state", "状态"),
    "since": ("since", "时间"),
    "what": ("what and where", "内容与位置"),
    "none": ("no alarms there", "没有报警"),
    "more": ("more follow; --count N shows more", "未完，--count N 可显示更多"),
    "id": ("id", "标识"),
    "until": ("until", "截止"),
    "by": ("by", "操作人"),
    "matchers": ("what it silences", "静默内容"),
    "no silences": ("no silences", "没有静默规则"),
    "figure": ("in the last day", "最近一天"),
    "value": ("value", "数值"),
    "target": ("target", "目标"),
    "top": ("most often", "最频繁"),
    "beyond": ("beyond its target", "超出目标"),
    "chatters": ("{0} times, chattering", "{0} 次，抖动"),
    "times": ("{0} times", "{0} 次"),
    "acked by": ("acknowledged by {0}", "已由 {0} 确认"),
    "shelved until": ("shelved until {0}", "搁置至 {0}"),
    "one shot": ("shelved until normal, {0} at the latest", "搁置至恢复正常，最迟 {0}"),
    "suppressed": ("suppressed: {0}", "已抑制：{0}"),
    "out": ("out of service", "停用"),
    "silenced": ("silenced: {0}", "静默：{0}"),
    "set aside": ("{what}: {by}, {at}", "{what}：{by}，{at}"),
    "changed": ("{at} {change} ({by}), version {version}", "{at} {change}（{by}），版本 {version}"),
    "flood now": ("a flood since {0}: {1} alarms", "报警泛滥，始于 {0}：{1} 条"),
    "floods": ("floods", "泛滥次数"),
    "last_10min": ("alarms in the last 10 min", "近 10 分钟报警数"),
    "per_10min_mean": ("mean in 10 min", "每 10 分钟平均"),
    "per_10min_peak": ("most in 10 min", "10 分钟最多"),
    "last_day": ("alarms in a day", "日报警数"),
    "flooded_share": ("time in floods", "泛滥时间占比"),
    "active": ("active", "活动"),
    "unacked": ("unacknowledged", "未确认"),
    "shelved": ("shelved", "搁置"),
    "suppressed list": ("suppressed", "抑制"),
    "out_of_service": ("out of service", "停用"),
    "chattering": ("chattering", "抖动"),
    "stale": ("stale", "陈旧"),
    "shares": ("low / medium / high", "低/中/高"),
}
_PHASES = {
    "NORM": ("normal", "正常"),
    "UNACK": ("UNACK", "未确认"),
    "ACKED": ("acked", "已确认"),
    "RTNUN": ("over, UNACK", "已恢复，未确认"),
    "LATCHED_UNACK": ("latched, UNACK", "锁存，未确认"),
    "LATCHED_ACKED": ("latched", "锁存"),
}
_PRIORITIES = {
    "low": ("low", "低"),
    "medium": ("medium", "中"),
    "high": ("high", "高"),
    "highest": ("HIGHEST", "最高"),
}
_SILENCE = {
    "pending": ("pending", "未开始"),
    "active": ("active", "生效"),
    "expired": ("over", "已结束"),
}
_STYLES = {"highest": "bold red", "high": "red", "medium": "yellow", "low": ""}
TARGETS = {
    "per_10min_mean": "1",
    "last_day": "150",
    "floods": "0",
    "chattering": "0",
    "stale": "< 5",
    "shares": "80 / 15 / 5 %",
}


def listed(items: Sequence[Told], *, more: bool, language: Language) -> Iterator[RenderableType]:
    """Yield a row for each alarm, or one line where there is none."""
    if not items:
        yield _text("none", language)
        return
    titles = ("row", "priority", "state", "since", "what")
    table = folding_table(*(_text(title, language) for title in titles))
    for item in items:
        table.add_row(
            str(item["row"]),
            priority(item["priority"], language, is_new=not item["acked"]),
            _PHASES[item["state"]][language == "zh"],
            moment(item["raised_ms"]),
            "\n".join([item["message"], _where(item), *_remarks(item, language)]),
        )
    yield table
    if more:
        yield _text("more", language)


def one(item: Told, language: Language) -> Iterator[str]:
    """Yield all that is known of one alarm, line by line."""
    yield f"{item['row']} {item['message']}"
    yield _where(item)
    yield f"{priority(item['priority'], language)} · {_PHASES[item['state']][language == 'zh']}"
    yield from _remarks(item, language)
    for each in item["set_aside"]:
        line = _text("set aside", language).format(**each | {"at": moment(each["at_ms"])})
        yield line + (f" - {each['comment']}" if each["comment"] else "")
    if item["part"]:
        yield f"{item['part']} {item['area']}".strip()
    changed = {"at": moment(item["changed_ms"]), "change": item["change"], "by": item["changed_by"]}
    yield _text("changed", language).format(**changed, version=item["version"])


def silenced(items: Sequence[Told], language: Language) -> Iterator[RenderableType]:
    """Yield a row for each silence."""
    if not items:
        yield _text("no silences", language)
        return
    table = plain_table()
    for name in ("id", "state", "until", "by", "matchers"):
        table.add_column(_text(name, language), no_wrap=name in ("state", "until"), overflow="fold")
    for item in items:
        about = "\n".join([", ".join(item["matchers"]), item["comment"]])
        state = _SILENCE[item["state"]][language == "zh"]
        table.add_row(item["id"], state, moment(item["ends_at_ms"]), item["created_by"], about)
    yield table


def figures(told: Told, language: Language) -> Iterator[RenderableType]:
    """Yield the figures with their targets, the flood that lasts, and the sources that came most often."""
    table = plain_table()
    for name in ("figure", "value", "target", ""):
        table.add_column(
            _text(name, language) if name else "", justify="right" if name == "value" else "left"
        )
    for name, value in _figures(told):
        beyond = _text("beyond", language) if name in told["beyond"] else ""
        label = _text("suppressed list" if name == "suppressed" else name, language)
        table.add_row(label, value, TARGETS.get(name, ""), beyond)
    yield table
    for flood in told["floods"]:
        if flood["ended_ms"] is None:
            yield _text("flood now", language).format(moment(flood["began_ms"]), flood["count"])
            yield "  " + ", ".join(f"{name or '-'} {count}" for name, count in flood["problems"].items())
    if told["top"]:
        yield ""
        yield Text(_text("top", language), style="bold")
        top = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        for each in told["top"]:
            top.add_row(str(each["count"]), f"{each['share']:.0%}", str(each["row"]), _where(each))
        yield top


def priority(name: str, language: Language, *, is_new: bool = False) -> Text:
    """Return a priority as people call it, coloured where nobody has seen to what has it."""
    return Text(_PRIORITIES[name][language == "zh"], style=_STYLES[name] if is_new else "")


def _figures(told: Told) -> Iterator[tuple[str, str]]:
    for name in ("last_10min", "per_10min_mean", "per_10min_peak", "last_day"):
        yield name, f"{told[name]:g}"
    yield "floods", str(len(told["floods"]))
    yield "flooded_share", f"{told['flooded_share']:.1%}"
    for name, count in told["standing"].items():
        yield name, str(count)
    shares = told["shares"]
    high = shares["high"] + shares["highest"]
    yield "shares", " / ".join(f"{share:.0%}" for share in (shares["low"], shares["medium"], high))


def _remarks(item: Told, language: Language) -> Iterator[str]:
    if item["chattering_since_ms"] is not None:
        yield _text("chatters", language).format(item["occurrences"])
    elif item["occurrences"] > 1:
        yield _text("times", language).format(item["occurrences"])
    if item["acked_by"]:
        yield _text("acked by", language).format(item["acked_by"])
    if item["shelving"] != "unshelved":
        how = "one shot" if item["shelving"] == "one_shot" else "shelved until"
        yield _text(how, language).format(moment(item["shelved_until_ms"]))
    if item["suppressed"]:
        yield _text("suppressed", language).format(", ".join(item["suppressed"]))
    if item["out_of_service"]:
        yield _text("out", language)
    if item["silenced"]:
        yield _text("silenced", language).format(item["silenced"])


def _where(item: Told) -> str:
    return "/".join(item[name] for name in ("gateway", "rule", "device", "point", "condition") if item[name])


def _text(key: str, language: Language) -> str:
    return _TEXTS[key][language == "zh"]
