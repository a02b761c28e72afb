"""Cases at a terminal of 80 columns, in English and Chinese: the list, a case's life, the city's classes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from collector.cases.words import name
from gengfu.language import Language
from gengfu.report_age import span
from gengfu.terminal import moment, plain_table

_TEXTS = {
    "none": ("no such cases", "没有这样的案卷"),
    "no_classes": ("no classes: no problem becomes a case", "没有类别：任何问题都不立案"),
    "no_rules": ("everything is collected", "没有不采集规则"),
    "number": ("number", "案卷号"),
    "stage": ("stage", "阶段"),
    "due": ("due", "期限"),
    "title": ("what", "问题"),
    "department": ("with", "部门"),
    "late": ("{0} LATE", "{0} 超期"),
    "case": ("case {0}, {1}", "案卷 {0}，{1}"),
    "place": ("part {0} {1}, grid {2}", "部件 {0} {1}，网格 {2}"),
    "limit": ("due {0} ({1})", "期限 {0}（{1}）"),
    "waits": ("waits for {0}", "等待{0}"),
    "asked": ("more time is asked for, until {0}", "申请延期至 {0}"),
    "closed": ("closed {0} by {1}", "{0} 由 {1} 结案"),
    "recheck": (
        "{0} alarms are active; if they still are at {1}, it comes back",
        "{0} 条报警未恢复；{1} 仍未恢复则退回",
    ),
    "settles": ("back to normal; goes on to verification at {0}", "已恢复正常；{0} 转入核实"),
    "merged": ("merged into {0}", "已并入 {0}"),
    "repeats": ("repeats case {0}", "重复发案，前案 {0}"),
    "counts": ("reworked {0}, re-dispatched {1}, extended {2}", "返工 {0} 次，改派 {1} 次，延期 {2} 次"),
    "alarms": ("{0} alarms, {1} active", "报警 {0} 条，未恢复 {1} 条"),
    "similar": ("perhaps the same: {0} ({1}, {2:.0f} m away)", "疑似同一案卷：{0}（{1}，相距 {2:.0f} 米）"),
    "may": ("you may: {0}", "可办理：{0}"),
    "entered": ("entered", "进入"),
    "for": ("for", "历时"),
    "who": ("who", "办理人"),
    "said": ("said", "说明"),
    "code": ("code", "代码"),
    "time": ("limit", "时限"),
    "itself": ("by itself", "自动"),
    "problem": ("problem", "问题"),
    "urgent": ("urgent", "紧急"),
    "confirms": ("confirmed first", "先核查"),
    "dispatches": ("dispatched", "自动派遣"),
    "closes": ("closed", "自动结案"),
    "version": ("version {0}", "第 {0} 版"),
    "area": ("area", "区域"),
    "reason": ("reason", "理由"),
    "until": ("until", "至"),
    "hits": ("kept out", "未立案"),
    "everywhere": ("everywhere", "全部"),
    "ended": ("ended", "已结束"),
    "comma": (", ", "、"),
    "urgent_hours": ("h", "小时"),
    "calendar_days": ("d", "天"),
    "working_hours": ("working h", "工作时"),
    "working_days": ("working d", "工作日"),
    "returned_to_normal": ("returned to normal", "恢复正常"),
    "raised_again": ("raised again", "再次报警"),
    "still_active": ("its sensor still alarms", "传感器仍在报警"),
    "warning": ("careful: {0}", "注意：{0}"),
    "confirmation": ("confirmation", "核查确认"),
    "decision": ("a decision of the command centre", "指挥中心决定"),
}
_KINDS = {
    "raised": ("alarm", "报警"),
    "attached": ("another alarm", "再次报警"),
    "evidence": ("back to normal", "恢复正常"),
    "settled": ("all alarms are over", "全部恢复"),
    "still_active": ("closed, but alarms are active", "已结案但仍在报警"),
    "redispatched": ("re-dispatched", "改派"),
    "extension_asked": ("more time asked for", "申请延期"),
    "extended": ("more time given", "准予延期"),
    "extension_refused": ("more time refused", "驳回延期"),
    "confirmation_asked": ("inspectors asked", "请求核查"),
    "confirmation": ("inspector's answer", "核查答复"),
    "overdue": ("late", "超期"),
    "merged": ("another case merged into it", "并入其他案卷"),
    "merged_into": ("merged into another case", "并入另一案卷"),
    "repeats": ("repeats a former case", "重复发案"),
    "accepted": ("taken by the platform", "平台已接收"),
}


def cases(items: Sequence[Mapping[str, Any]], language: Language) -> Iterator[RenderableType]:
    """Yield a row for each case."""
    if not items:
        yield _text("none", language)
        return
    table = _table("number", "stage", "due", "title", "department", language=language)
    for item in items:
        due = moment(item["deadline_ms"])
        table.add_row(
            item["number"],
            name(item["stage"], language),
            _text("late", language, due) if item["overdue"] else due,
            item["title"][language],
            item["dispatched_to"] or "-",
        )
    yield table


def life(case: Mapping[str, Any], language: Language) -> Iterator[RenderableType]:
    """Yield what a case is, its stages, what happened beside, and what may be done with it."""
    yield _text("case", language, case["number"], name(case["stage"], language))
    yield f"{case['title'][language]}: {case['description']}"
    yield _text("place", language, case["part"] or "-", case["part_name"], case["grid"] or "-")
    yield from _standing(case, language)
    table = _table("stage", "entered", "for", "who", "said", language=language)
    for each in case["stages"]:
        said = (each["department"], _word(each["note"], language), _word(each["reason"], language))
        table.add_row(
            name(each["stage"], language),
            moment(each["at_ms"]),
            span(each["for_ms"] / 1000, language),
            name(each["who"], language),
            _text("comma", language).join(filter(None, said)),
        )
    yield table
    for each in case["events"]:
        kind = _KINDS.get(each["kind"], (each["kind"],) * 2)[language == "zh"]
        yield f"{moment(each['at_ms'])}  {kind}  {_detail(each['detail'])}".rstrip()
    for other in case["similar"]:
        stage = name(other["stage"], language)
        yield _text("similar", language, other["number"], stage, other["distance_m"])
    if case["steps"]:
        steps = [name(step, language) for step in case["steps"]]
        yield _text("may", language, _text("comma", language).join(steps))


def classes(items: Sequence[Mapping[str, Any]], language: Language) -> Iterator[RenderableType]:
    """Yield a row for each class."""
    if not items:
        yield _text("no_classes", language)
        return
    yield _text("version", language, items[0]["version"])
    table = _table("problem", "code", "title", "time", "itself", language=language)
    flags = {
        "urgent": "urgent",
        "needs_confirmation": "confirms",
        "dispatches_by_itself": "dispatches",
        "closes_by_itself": "closes",
    }
    for item in items:
        entry = item["entry"]
        limit = entry["limit"] or {"kind": "urgent_hours", "amount": entry["deadline_h"]}
        told = [_text(word, language) for key, word in flags.items() if entry[key]]
        table.add_row(
            entry["problem"],
            entry["code"],
            entry["title"][language],
            f"{limit['amount']:g} {_text(limit['kind'], language)}",
            _text("comma", language).join(told) or "-",
        )
    yield table


def rules(items: Sequence[Mapping[str, Any]], language: Language) -> Iterator[RenderableType]:
    """Yield a row for each rule of no collection, with the beginning of its id."""
    if not items:
        yield _text("no_rules", language)
        return
    table = plain_table()
    table.add_column("id")
    for each in ("area", "problem", "until", "hits", "reason"):
        table.add_column(_text(each, language), overflow="fold")
    for item in items:
        until = moment(item["until_ms"]) if item["until_ms"] else "-"
        table.add_row(
            item["id"][:8],
            item["area"] or _text("everywhere", language),
            item["problem"] or _text("everywhere", language),
            _text("ended", language) if item["ended_ms"] else until,
            str(item["hits"]),
            item["reason"],
        )
    yield table


def _standing(case: Mapping[str, Any], language: Language) -> Iterator[str]:
    amount, _, kind = case["limit_words"].partition(" ")
    limit = f"{amount} {_text(kind, language)}" if kind in _TEXTS else case["limit_words"] or "-"
    due = (
        _text("late", language, moment(case["deadline_ms"]))
        if case["overdue"]
        else moment(case["deadline_ms"])
    )
    yield _text("limit", language, due, limit)
    for warning in case["warnings"]:
        yield _text("warning", language, warning[language])
    yield _text("alarms", language, case["alarm_count"], case["active_alarms"])
    counts = [case[f"{each}_count"] for each in ("rework", "redispatch", "extension")]
    if any(counts):
        yield _text("counts", language, *counts)
    if case["waits_for"]:
        yield _text("waits", language, _text(case["waits_for"], language))
    if case["asked_deadline_ms"]:
        yield _text("asked", language, moment(case["asked_deadline_ms"]))
    if case["closed_ms"]:
        yield _text("closed", language, moment(case["closed_ms"]), name(case["closed_by"], language))
    for key in ("merged_into", "repeat_of"):
        if case[key]:
            yield _text("merged" if key == "merged_into" else "repeats", language, case[key])
    if case["recheck_ms"]:
        yield _text("recheck", language, case["active_alarms"], moment(case["recheck_ms"]))
    if case["settles_ms"]:
        yield _text("settles", language, moment(case["settles_ms"]))


def _detail(detail: Mapping[str, Any]) -> str:
    told = []
    for key, value in detail.items():
        if value in (None, ""):
            continue
        shown = moment(value) if key.endswith("_ms") and isinstance(value, int) else value
        plain = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)
        told.append(f"{key.removesuffix('_ms')}={plain}")
    return " ".join(told)


def _table(*names: str, language: Language) -> Table:
    table = plain_table()
    for each in names:
        table.add_column(_text(each, language), overflow="fold")
    return table


def _word(text: str, language: Language) -> str:
    return _TEXTS[text][language == "zh"] if text in _TEXTS else text


def _text(key: str, language: Language, *values: object) -> str:
    return _TEXTS[key][language == "zh"].format(*values)
