"""What people are told of cases, in English and Chinese; errors carry a key, so that both can be said."""

from typing import Any

NAMES: dict[str, tuple[str, str]] = {
    "collected": ("collected", "信息收集"),
    "filed": ("filed", "案卷建立"),
    "dispatched": ("dispatched", "任务派遣"),
    "in_hand": ("in hand", "任务处理"),
    "reported": ("reported", "处理反馈"),
    "verified": ("verified", "核实结案"),
    "evaluated": ("evaluated", "综合评价"),
    "voided": ("voided", "作废"),
    "open": ("opened", "立卷"),
    "file": ("filing", "立案"),
    "dispatch": ("dispatch", "派遣"),
    "take_in_hand": ("taking in hand", "接单"),
    "report": ("report", "反馈"),
    "verify": ("verification", "核实结案"),
    "return_for_rework": ("return for rework", "退回返工"),
    "evaluate": ("evaluation", "评价"),
    "redispatch": ("re-dispatch", "改派"),
    "ask_extension": ("asking for an extension", "申请延期"),
    "extend": ("extension", "延期"),
    "refuse_extension": ("refusing an extension", "驳回延期"),
    "void": ("voiding", "作废"),
    "merge": ("merging", "并案"),
    "rework": ("rework", "返工"),
    "relapse": ("relapse", "复发"),
    "confirm": ("confirmation", "核查确认"),
    "read_only": ("read-only", "只读"),
    "technician": ("technician", "技术员"),
    "lighting": ("lighting", "照明"),
    "command": ("command", "指挥"),
    "administrator": ("administrator", "管理员"),
    "platform": ("the city platform", "城市平台"),
    "sensor": ("the sensor", "传感器"),
    "centre": ("the centre", "中心"),
    "department": ("a department", "部门"),
    "reason": ("a reason", "理由"),
    "note": ("a note", "说明"),
    "deadline_ms": ("a new deadline", "新的期限"),
    "other": ("the other case", "另一案卷"),
}

ERRORS: dict[str, tuple[str, str]] = {
    "unknown": ("there is no case {case_id}", "没有案卷 {case_id}"),
    "wrong_stage": (
        "a case that is {stage} allows no {step}; only one that is {stages}",
        "案卷处于“{stage}”，不能{step}；须处于：{stages}",
    ),
    "not_yours": ("{step} is not for {party}, but for {parties}", "{party}不能{step}；须由：{parties}"),
    "needs": ("{step} needs {what}", "{step}须有{what}"),
    "too_long": ("{what} has more than {most} characters", "{what}超过 {most} 个字"),
    "changed": (
        "somebody changed it meanwhile: it is at version {version}, you saw {seen}; look again",
        "其间已被他人改动：现为第 {version} 版，您看到的是第 {seen} 版；请重新查看",
    ),
    "waits": (
        "it waits for a {waits_for}; answer that first",
        "正等待{waits_for}；请先答复",
    ),
    "not_later": ("the new deadline is not later than the present one", "新的期限不晚于现有期限"),
    "past": ("the new deadline is in the past", "新的期限已过"),
    "too_far": ("the new deadline is more than {days} days away", "新的期限超过 {days} 天"),
    "too_often": ("it was extended {most} times; that is the most", "已延期 {most} 次，达到上限"),
    "none_asked": ("no extension was asked for", "没有延期申请"),
    "same_department": ("it is with {department} already", "已派遣给{department}"),
    "itself": ("a case cannot be merged into itself", "案卷不能并入自身"),
    "other_closed": ("the other case is closed", "另一案卷已结"),
    "no_confirmation": ("no confirmation is asked for", "没有待核查的确认"),
    "answered": ("{who} answered already", "{who} 已答复"),
    "unknown_class": ("there is no class for the problem {problem}", "没有问题 {problem} 的类别"),
    "unknown_rule": ("there is no rule {rule_id}", "没有规则 {rule_id}"),
    "ended": ("it has ended already", "已经结束"),
    "too_many": ("there are {most} already; that is the most", "已有 {most} 条，达到上限"),
}

WAITS = {"confirmation": ("confirmation", "核查确认"), "decision": ("decision", "指挥决定")}


class CaseError(ValueError):
    """What the life of a case does not allow. ``key`` names the sentence, ``str`` tells it in English."""

    def __init__(self, key: str, **values: Any) -> None:
        """``values`` fill the sentence; of stages, steps and parties their plain names."""
        self.key, self.values = key, values
        super().__init__(self.words())

    def words(self, language: str = "en") -> str:
        """Return the sentence in English (``en``) or Chinese (``zh``)."""
        second = language == "zh"
        told = {name: _told(value, second=second) for name, value in self.values.items()}
        return ERRORS[self.key][second].format(**told)


class UnknownCaseError(CaseError):
    """There is no such case, class or rule."""


def name(key: str, language: str = "en") -> str:
    """Return the name of a stage, step, role or need."""
    return NAMES.get(key, (key, key))[language == "zh"]


def _told(value: Any, *, second: bool) -> str:
    language = "zh" if second else "en"
    if isinstance(value, (list, tuple)):
        return ("、" if second else ", ").join(_told(each, second=second) for each in value)
    text = str(value)
    return WAITS[text][second] if text in WAITS else name(text, language)
