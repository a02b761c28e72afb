"""What messages say, in English and Chinese. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from collector.telling.facts import RANKS, IncidentFacts, Kind
from collector.telling.on_call import FALLBACK, at
from collector.telling.packing import Item
from collector.telling.planning import Message
from contract.events import Priority

Language = Literal["en", "zh"]

SUBJECT_CHARACTERS_MAX = 200
BODY_CHARACTERS_MAX = 4_000
LISTED_MAX = 10
"""So many incidents a summary names; the page that it points to has them all."""
LATE_MS = 300_000
"""So long after its beginning a first message says that it comes late."""

_LEVEL = re.compile(r"(.*), level ([0-9]+)(, nobody acknowledged)?")
_PRIORITIES = {
    Priority.LOW: ("low", "低"),
    Priority.MEDIUM: ("medium", "中"),
    Priority.HIGH: ("high", "高"),
    Priority.HIGHEST: ("highest", "最高"),
}
_MARKS = {
    Kind.FIRST: ("", ""),
    Kind.UPDATE: ("Update: ", "续报："),
    Kind.ESCALATION: ("Escalated: ", "升级："),
    Kind.ALL_CLEAR: ("All clear: ", "解除："),
}
_TEXTS = {
    "subject": ("[{priority}] {mark}{title}", "【{priority}】{mark}{title}"),
    "area": ("Area: {area}", "区域：{area}"),
    "since": ("Since: {since}", "开始：{since}"),
    "late": ("Since: {since}; this message comes late", "开始：{since}（迟报）"),
    "closed": ("Ended: {closed}", "结束：{closed}"),
    "members": ("Alarms: {members}, of which active: {active}", "报警 {members} 条，其中 {active} 条未恢复"),
    "over": ("It is over by now.", "目前已恢复。"),
    "why": ("Why you: {reason}", "通知依据：{reason}"),
    "level": ("{table}, level {level}", "{table}，第 {level} 级"),
    "level_again": ("{table}, level {level}; nobody acknowledged", "{table}，第 {level} 级，无人确认"),
    "fallback": ("fallback", "后备名单"),
    "page": ("Acknowledge, signed in, at: {link}", "登录后确认：{link}"),
    "see": ("See: {link}", "查看：{link}"),
    "summary": ("{count} incidents, {over} of them over", "{count} 起事件，其中 {over} 起已结束"),
    "line": ("[{priority}] {mark}{title}", "【{priority}】{mark}{title}"),
    "more": ("... and {count} more", "……另有 {count} 起"),
    "test": ("Test message from the centre", "中心测试消息"),
    "test_body": (
        "{who} sent this at {at} to see that it arrives. Nothing is to be done.",
        "{who} 于 {at} 发送，仅用于检验通道，无需处理。",
    ),
}


_REASONS = {
    "priority": ("its priority rose", "优先级升高"),
    "members": ("more alarms belong to it", "报警增多"),
    "still open": ("nobody acknowledged it yet", "仍无人确认"),
    "held back until it was over": ("held back until it was over", "推迟至结束后通知"),
}


@dataclass(frozen=True, slots=True)
class Text:
    """A message as it is read."""

    subject: str
    body: str


@dataclass(frozen=True)
class Writer:
    """Writes messages; ``public_url`` is where people reach the centre's pages, or empty."""

    public_url: str
    zone: tzinfo

    def link(self, incident_id: str) -> str:
        """Return the page of an incident, or of all of them; empty where nobody said where pages are."""
        base = self.public_url.rstrip("/")
        return f"{base}/incidents/{incident_id}".rstrip("/") if base else ""

    def text(self, message: Message, facts: Mapping[str, IncidentFacts], language: Language) -> Text:
        """Return what a message says."""
        if message.kind is Kind.SUMMARY:
            return self._summary(message.items, facts, language)
        return self._single(message, facts[message.incident_id], language)

    def test(self, who: str, now_ms: int, language: Language) -> Text:
        """Return what a test says."""
        subject = _say("test", language)
        return Text(subject, _say("test_body", language, who=who, at=self._time(now_ms)))

    def _single(self, message: Message, facts: IncidentFacts, language: Language) -> Text:
        subject = _headline("subject", message.items[0], facts, language)
        alarm = next((each for each in facts.highest if each.key == message.alarm), None)
        late = message.kind is Kind.FIRST and message.at_ms - facts.opened_ms > LATE_MS
        lines = [_title(facts, language)]
        if alarm and alarm.message:
            lines.append(alarm.message)
        if facts.area:
            lines.append(_say("area", language, area=facts.area))
        lines.append(_say("late" if late else "since", language, since=self._time(facts.opened_ms)))
        if facts.closed_ms is not None:
            lines.append(_say("closed", language, closed=self._time(facts.closed_ms)))
        lines.append(_say("members", language, members=facts.members, active=facts.active))
        if message.kind is not Kind.ALL_CLEAR and not facts.active:
            lines.append(_say("over", language))
        if message.kind is not Kind.ALL_CLEAR:
            lines.append(_say("why", language, reason=_reason(message.reason, language)))
        if link := self.link(facts.id):
            key = "see" if message.kind is Kind.ALL_CLEAR else "page"
            lines.append(_say(key, language, link=link))
        return Text(subject, "\n".join(lines)[:BODY_CHARACTERS_MAX])

    def _summary(self, items: Sequence[Item], facts: Mapping[str, IncidentFacts], language: Language) -> Text:
        ordered = sorted(
            items,
            key=lambda item: (
                -RANKS[facts[item.incident_id].priority],
                facts[item.incident_id].closed_ms is not None,
                facts[item.incident_id].opened_ms,
            ),
        )
        over = sum(facts[item.incident_id].closed_ms is not None for item in items)
        subject = _say("summary", language, count=len(items), over=over)
        lines = [subject]
        lines += [_headline("line", item, facts[item.incident_id], language) for item in ordered[:LISTED_MAX]]
        if len(items) > LISTED_MAX:
            lines.append(_say("more", language, count=len(items) - LISTED_MAX))
        if link := self.link(""):
            lines.append(_say("see", language, link=link))
        return Text(subject, "\n".join(lines)[:BODY_CHARACTERS_MAX])

    def _time(self, time_ms: int) -> str:
        return f"{at(time_ms, self.zone):%m-%d %H:%M:%S}"


def _headline(key: str, item: Item, facts: IncidentFacts, language: Language) -> str:
    priority = _PRIORITIES[facts.priority][language == "zh"]
    mark = _MARKS[item.kind][language == "zh"]
    told = _say(key, language, priority=priority, mark=mark, title=_title(facts, language))
    return " ".join(told.split())[:SUBJECT_CHARACTERS_MAX]  # a subject is one line, whatever a title holds


def _reason(reason: str, language: Language) -> str:
    """Return the planner's reason in words of a language."""
    if found := _LEVEL.fullmatch(reason):
        table = _say("fallback", language) if found[1] == FALLBACK else found[1]
        return _say("level_again" if found[3] else "level", language, table=table, level=found[2])
    return _REASONS.get(reason, (reason, reason))[language == "zh"]


def _title(facts: IncidentFacts, language: Language) -> str:
    return facts.title_zh if language == "zh" else facts.title_en


def _say(key: str, language: Language, **values: object) -> str:
    return _TEXTS[key][language == "zh"].format(**values)
