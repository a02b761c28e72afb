"""Why an alarm or control is in its state, and what was done by hand, in sentences of either language."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from gengfu.language import Language
from gengfu.report_age import span

if TYPE_CHECKING:
    from edge.local.words import Answer, FactTold, WhyTold

_STATES = {
    "active": ("active", "报警中"),
    "latched": ("over, and latched until it is reset", "已恢复，锁存待复位"),
    "pending": ("shows, but not long enough yet", "已出现，延时未到"),
    "normal": ("normal", "正常"),
    "disabled": ("not enabled now", "当前未启用"),
    "running": ("running", "运行中"),
    "off": ("off", "停止"),
    "locked": ("locked for maintenance", "检修锁定"),
    "inhibited": ("inhibited", "被闭锁"),
    "held_off": ("held off by hand", "手动保持停止"),
    "locked_out": ("locked out after runs without effect", "多次运行无效，已停用"),
    "over_budget": ("over its daily budget", "当日额度用完"),
    "resting": ("resting", "间歇中"),
    "left": ("left on by former settings, being switched off", "旧配置遗留，正在关闭"),
    "unknown": ("not known", "未知"),
}
_KINDS = {"alarm": ("alarm", "报警"), "control": ("control", "控制"), "output": ("output", "输出")}
_HOLDERS = {
    "lock": ("the maintenance lock", "检修锁"),
    "inhibit": ("an inhibit", "安全闭锁"),
    "local": ("a hand at the cabinet", "现场手动"),
    "centre": ("the centre", "中心指令"),
    "rule": ("its rule", "规则"),
}
_FACTS = {
    "value": ("{name} is {value}, limit {limit}", "{name} 当前 {value}，限值 {limit}"),
    "unknown": ("there is no good value of {name}", "{name} 没有有效值"),
    "delay": ("{name} delay: {value} s of {limit} s", "延时（{name}）：已 {value} 秒，共 {limit} 秒"),
    "enabled": ("enabled by {name}", "由 {name} 启用"),
    "disabled": ("not enabled: {name} does not hold", "未启用：{name} 不成立"),
    "enabling_unknown": ("nobody knows whether {name} enables it", "无法判断 {name} 是否启用它"),
    "latched": ("latched: reset it with `gengfu edge reset`", "已锁存：用 gengfu edge reset 复位"),
    "maintenance": ("planned work on {name} until {until}, by {text}", "{name} 计划检修至 {until}（{text}）"),
    "instance": ("{name}: {state}", "{name}：{state}"),
    "output": ("{output} reads {value}, wanted {limit}", "{output} 读回 {value}，应为 {limit}"),
    "start": ("starts when {said}", "启动条件：{said}"),
    "stop": ("stops when {said}", "停止条件：{said}"),
    "join": ("a second one joins when {said}", "并机条件：{said}"),
    "leave": ("the second one leaves when {said}", "退机条件：{said}"),
    "inhibit": (
        "inhibited by {text}: {name} is {value}, limit {limit}",
        "闭锁（{text}）：{name} 当前 {value}，限值 {limit}",
    ),
    "lasting": ("still inhibited by {text}", "闭锁延时未到：{text}"),
    "run": ("runs, at most {limit} s (run {text})", "运行中，最长 {limit} 秒（运行号 {text}）"),
    "endless": ("runs (run {text})", "运行中（运行号 {text}）"),
    "rest": ("rests for another {value} s", "还需间歇 {value} 秒"),
    "budget": ("its budget is used up: {text}", "额度已用完：{text}"),
    "without_effect": (
        "{value} runs without effect, locked out at {limit}",
        "连续 {value} 次运行无效，{limit} 次后停用",
    ),
    "left": (
        "no control has it any more ({name} had it); `gengfu edge release` leaves it as it is",
        "已无控制使用它（原为 {name}）；用 gengfu edge release 保持现状",
    ),
    "alarm": ("its own alarm is active (output {name})", "自身报警中（{name}）"),
}
RUN_CHARACTERS = 8
"""So much of a run's id is shown: it is found by that in the record."""
_CONDITIONS = frozenset({"start", "stop", "join", "leave"})
_HELD = {
    True: ("held by {holder}", "由{holder}控制"),
    "who": (", {text}", "，{text}"),
    "until": (", until {until}", "，至 {until}"),
}
_TEXTS = {
    "mean": ("the mean of {0} over {1} s", "{0} 的 {1} 秒平均值"),
    "lasting": (" for {0} s", "，持续 {0} 秒"),
    "holder": ("{0}: {1}", "{0}：{1}"),
    "reads": ("  {0}: {1}", "  {0}：{1}"),
    "wanted": (", wanted {0}", "，应为 {0}"),
    "failing": (", its alarm is active", "，自身报警中"),
    "held": (", {0}", "，{0}"),
    "work": ("; {0}", "；{0}"),
    "now": ("; it is {0} now", "；当前 {0}"),
    "on": ("on", "开"),
    "off": ("off", "关"),
    "none": ("not known", "未知"),
    "since": (", since {0} ({1})", "，自 {0} 起（{1}）"),
    "for": (", for {0}", "，已 {0}"),
    "head": ("{kind} {name}: {state}", "{kind} {name}：{state}"),
    "fact": ("  {0}", "  {0}"),
    "no rules": ("no alarms and no controls are declared", "未配置报警和控制"),
}


def sentences(answer: "Answer", language: Language, *, brief: bool = False) -> Iterator[str]:
    """Yield a line for each rule and one for each fact; where it is to be ``brief``, for each output."""
    if not answer.rules:
        yield _text("no rules", language)
    for why in answer.rules:
        kind = _KINDS.get(why.kind, (why.kind, why.kind))[language == "zh"]
        head = _text("head", language).format(kind=kind, name=why.name, state=_state(why.state, language))
        work = _work(why, answer, language) if brief else ""
        yield head + _since(why.since_s, answer, language) + work
        if brief:
            yield from outputs(why, answer, language)
            continue
        for fact in why.facts:
            yield _text("fact", language).format(sentence(fact, answer, language))


def sentence(fact: "FactTold", answer: "Answer", language: Language) -> str:
    """Return a fact in words; one of a kind that is not known here, as it stands."""
    if fact.kind == "holder":
        return _text("holder", language).format(fact.value, _holder(fact, answer, language))
    known = _FACTS.get("endless" if fact.kind == "run" and fact.limit is None else fact.kind)
    if known is None:
        parts = (fact.kind, fact.name, fact.value, fact.limit, fact.text)
        return " ".join(str(part) for part in parts if part not in (None, ""))
    told = known[language == "zh"].format(
        name=fact.name,
        output=fact.name,
        value=_value(fact.value, language),
        limit=_value(fact.limit, language),
        text=fact.text[:RUN_CHARACTERS] if fact.kind == "run" else fact.text,
        said=_condition(fact, language) if fact.kind in _CONDITIONS else "",
        state=_state(fact.text, language),
        until=_until(fact.value, answer),
    )
    return told + (_since(fact.since_s, answer, language) if fact.kind in ("run", "instance") else "")


def _condition(fact: "FactTold", language: Language) -> str:
    """Return a condition with the value that is held against it."""
    sign, mean_s, held_s = fact.text.split()
    what = fact.name if mean_s == "0" else _text("mean", language).format(fact.name, mean_s)
    held = "" if held_s == "0" else _text("lasting", language).format(held_s)
    now = _text("now", language).format(_value(fact.value, language))
    return f"{what} {sign} {_value(fact.limit, language)}{held}{now}"


def outputs(
    why: "WhyTold", answer: "Answer", language: Language, only: Collection[str] = ()
) -> Iterator[str]:
    """Yield each output by the name that people ask for it: what it reads, and who holds it but its rule.

    Where ``only`` names some, those alone.
    """
    holders = {str(fact.value): fact for fact in why.facts if fact.kind == "holder"}
    reads = {fact.name: fact for fact in why.facts if fact.kind == "output"}
    alarms = {fact.name for fact in why.facts if fact.kind == "alarm"}
    for name in dict.fromkeys([*holders, *reads]):
        if only and name not in only:
            continue
        output, held = reads.get(name), holders.get(name)
        told = _value(output.value if output else None, language)
        if output and output.limit not in (None, output.value):
            told += _text("wanted", language).format(_value(output.limit, language))
        if held and held.name not in ("rule", "inhibit"):
            told += _text("held", language).format(_holder(held, answer, language))
        told += _text("failing", language) if name in alarms else ""
        yield _text("reads", language).format(name, told)


def _work(why: "WhyTold", answer: "Answer", language: Language) -> str:
    """Return that work on its device is planned, if it is."""
    planned = [sentence(fact, answer, language) for fact in why.facts if fact.kind == "maintenance"]
    return "".join(_text("work", language).format(each) for each in planned)


def _holder(fact: "FactTold", answer: "Answer", language: Language) -> str:
    at = language == "zh"
    holder = _HOLDERS.get(fact.name, (fact.name, fact.name))[at]
    told = _HELD[True][at].format(holder=holder)
    told += _HELD["who"][at].format(text=fact.text) if fact.text else ""
    return told + (_HELD["until"][at].format(until=_until(fact.limit, answer)) if fact.limit else "")


def _since(since_s: float | None, answer: "Answer", language: Language) -> str:
    if since_s is None:
        return ""
    if answer.clock == "unset":
        return _text("for", language).format(span(since_s, language))
    return _text("since", language).format(
        _moment(answer.time_ms - since_s * 1000, answer), span(since_s, language)
    )


def _until(value: object, answer: "Answer") -> str:
    return _moment(value, answer) if isinstance(value, int | float) else "?"


def _moment(time_ms: float, answer: "Answer") -> str:
    """Return a time of the gateway's clock, with its day where that is another."""
    then, now = (datetime.fromtimestamp(ms / 1000).astimezone() for ms in (time_ms, answer.time_ms))
    return f"{then:%H:%M:%S}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M}"


def _value(value: object, language: Language) -> str:
    if value is None:
        return _text("none", language)
    if isinstance(value, bool):
        return _text("on" if value else "off", language)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _state(state: str, language: Language) -> str:
    return _STATES.get(state, (state, state))[language == "zh"]


def until(time_ms: int, answer: "Answer") -> str:
    """Return until when something holds."""
    return _moment(time_ms, answer)


def _text(key: str, language: Language) -> str:
    return _TEXTS[key][language == "zh"]
