"""Messages and on-call tables, at a terminal of 80 columns."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from rich.console import RenderableType

from gengfu.language import Language
from gengfu.terminal import moment, plain_table

_TEXTS = {
    "none": ("nobody was told anything", "尚无消息"),
    "at": ("at", "时间"),
    "person": ("person", "人员"),
    "channel": ("by", "通道"),
    "kind": ("kind", "类型"),
    "state": ("state", "状态"),
    "subject": ("subject", "标题"),
    "first": ("first", "首报"),
    "update": ("update", "续报"),
    "escalation": ("escalation", "升级"),
    "all_clear": ("all clear", "解除"),
    "summary": ("summary", "汇总"),
    "test_kind": ("test", "测试"),
    "waiting": ("waiting", "待发"),
    "sending": ("sending", "发送中"),
    "sent": ("sent", "已发"),
    "perhaps_sent": ("perhaps sent", "可能已发"),
    "failed": ("failed", "失败"),
    "given_up": ("given up", "放弃"),
    "test": (
        "a test goes to {0} by {1}; its id is {2}",
        "测试消息发往 {0}，通道 {1}，编号 {2}",
    ),
    "passed": ("not {0}: it {1}", "不用 {0}：{1}"),
    "table": ("table {0}", "值班表 {0}"),
    "fallback": ("no table is for it: the fallback", "无匹配值班表：使用后备名单"),
    "step": ("at once", "立即"),
    "later": ("after {0} min", "{0} 分钟后"),
    "person_line": ("  {0} level {1}: {2} ({3}) by {4}", "  {0} 第 {1} 级：{2}（{3}），{4}"),
    "away": (", {0} km away", "，距离 {0} 公里"),
    "quiet": (", quiet until {0}", "，免打扰至 {0}"),
    "problem": ("the newest people file is not in force: {0}", "最新人员文件未生效：{0}"),
    "is for other areas": ("is for other areas", "不适用于该区域"),
    "is for other classes": ("is for other classes", "不适用于该类别"),
    "is for other hours": ("is for other hours", "不在时段内"),
    "is for other dates": ("is for other dates", "不在日期内"),
}


def parts(items: Sequence[Mapping[str, Any]], language: Language) -> Iterator[RenderableType]:
    """Yield a row for each message, with the reason where it was not simply sent."""
    if not items:
        yield text("none", language)
        return
    table = plain_table()
    for name in ("at", "person", "channel", "kind", "state", "subject"):
        table.add_column(text(name, language), overflow="fold", no_wrap=name == "at")
    for item in items:
        kind = "test_kind" if item["kind"] == "test" else item["kind"]
        told = item["subject"]
        if item["state"] not in ("sent", "waiting") and item["reason"]:
            told += f" ({item['reason']})"
        table.add_row(
            moment(item["at_ms"]),
            item["person"],
            item["channel"],
            text(kind, language),
            text(item["state"], language),
            told,
        )
    yield table


def on_call_lines(told: Mapping[str, Any], zone: tzinfo | None, language: Language) -> Iterator[str]:
    """Yield which table it is, why not those before it, and who is told when."""
    if told["problem"]:
        yield text("problem", language, told["problem"])
    for each in told["passed_over"]:
        why = text(each["why"], language) if each["why"] in _TEXTS else each["why"]
        yield text("passed", language, each["table"], why)
    is_fallback = told["table"] == "fallback"
    yield text("fallback", language) if is_fallback else text("table", language, told["table"])
    for step in told["steps"]:
        after_s = step["after_s"]
        when = text("later", language, f"{after_s / 60:g}") if after_s else text("step", language)
        for person in step["people"]:
            line = text(
                "person_line",
                language,
                when,
                step["level"],
                person["name"],
                person["title"],
                ", ".join(person["channels"]),
            )
            if person["distance_km"] is not None:
                line += text("away", language, person["distance_km"])
            if person["quiet_until_ms"] is not None:
                until = datetime.fromtimestamp(person["quiet_until_ms"] / 1000, zone)
                line += text("quiet", language, f"{until:%H:%M}")
            yield line


def text(key: str, language: Language, *values: object) -> str:
    """Return a text in a language."""
    return _TEXTS[key][language == "zh"].format(*values)
