"""A world in which telling is played on virtual time: incidents, people, and what was planned."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta, timezone
from typing import Any

from collector.telling.facts import HighestAlarm, IncidentFacts, Kind, Told
from collector.telling.packing import Sent
from collector.telling.people import Directory
from collector.telling.planning import Message, plan
from collector.telling.settings import TellingRules
from contract.events import Priority

ZONE = timezone(timedelta(hours=8))
NOON_MS = 1_800_000_000_000 - 1_800_000_000_000 % 86_400_000 + 4 * 3_600_000
"""Noon in China."""
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
LOOKS_MAX = 20_000


def person(name: str, **changes: Any) -> dict[str, Any]:
    """Return somebody with one channel."""
    told: dict[str, Any] = {
        "name": name,
        "title": name,
        "language": "en",
        "channels": [{"channel": "mail", "address": f"{name}@example.org"}],
    }
    return told | changes


def directory(
    *people: dict[str, Any], on_call: list[dict[str, Any]] | None = None, fallback: str = ""
) -> Directory:
    """Return a people file; without tables everybody is the fallback."""
    names = [fallback] if fallback else [each["name"] for each in people]
    told = {"schema": 1, "fallback": names, "people": list(people), "on_call": on_call or []}
    return Directory.model_validate(told)


LEVELS = directory(
    person("wang"),
    person("li"),
    person("chief"),
    on_call=[{"name": "all", "levels": [["wang"], ["li"], ["chief"]]}],
)


def incident(number: int = 1, at_ms: int = NOON_MS, **changes: Any) -> IncidentFacts:
    """Return an incident that has just begun."""
    told = IncidentFacts(
        id=f"{number:032x}",
        title_en=f"Incident {number}",
        title_zh=f"事件 {number}",
        area="500103001001001",
        problem="pipe_burst",
        priority=Priority.HIGH,
        opened_ms=at_ms,
        last_ms=at_ms,
        row=number,
    )
    return replace(told, **changes)


def highest(number: int = 1, at_ms: int = NOON_MS, **changes: Any) -> IncidentFacts:
    """Return an incident with one alarm of the highest priority."""
    alarm = HighestAlarm(f"gw-1/{number:032x}", at_ms)
    return incident(number, at_ms, priority=Priority.HIGHEST, highest=(alarm,), **changes)


@dataclass
class World:
    """Incidents by id, what was told, and everything that was sent; time goes by in ``run``."""

    people: Directory = LEVELS
    rules: TellingRules = field(default_factory=TellingRules)
    now_ms: int = NOON_MS
    facts: dict[str, IncidentFacts] = field(default_factory=dict)
    told: dict[tuple[str, str], Told] = field(default_factory=dict)
    sent: list[Message] = field(default_factory=list)

    def put(self, *facts: IncidentFacts) -> None:
        """Let incidents begin, or be as they are now."""
        for each in facts:
            before = self.facts.get(each.id)
            self.facts[each.id] = replace(each, version=before.version + 1 if before else 1)

    def begin(self, *numbers: int) -> None:
        """Let incidents begin now."""
        self.put(*(incident(number, self.now_ms) for number in numbers))

    def change(self, number: int, **changes: Any) -> None:
        """Change one."""
        self.put(replace(self.facts[f"{number:032x}"], **changes))

    def look(self) -> int | None:
        """Plan once what changed or is due, remember it, and return when to look again."""
        made = plan(
            [each for each in self.facts.values() if self._is_to_be_looked_at(each)],
            self.told,
            self.people,
            self.rules,
            self.now_ms,
            sent=self._recent(),
            zone=ZONE,
        )
        self.sent += made.messages
        self.told |= {each.key: each for each in made.told}
        due = [each.due_ms for each in self.told.values() if each.due_ms is not None and not each.done]
        assert min(due, default=self.now_ms + 1) > self.now_ms, "what was looked at is due again at once"
        return min(due, default=None)

    def run(self, until_ms: int, happening: Mapping[int, Callable[[], None]] | None = None) -> None:
        """Let time go by, looking whenever something is due or happens."""
        waiting = dict(sorted((happening or {}).items()))
        for _ in range(LOOKS_MAX):
            for at_ms in [at_ms for at_ms in waiting if at_ms <= self.now_ms]:
                waiting.pop(at_ms)()
            due_ms = self.look()
            upcoming = [each for each in (due_ms, next(iter(waiting), None)) if each is not None]
            following = max(min(upcoming, default=until_ms), self.now_ms + 1)
            if following > until_ms:
                self.now_ms = until_ms
                return
            self.now_ms = following
        raise AssertionError("it never comes to rest")

    def log(self, *kinds: Kind) -> list[tuple[int, str, str]]:
        """Return what was sent: seconds from noon, kind, person."""
        return [
            ((each.at_ms - NOON_MS) // SECOND, str(each.kind), each.person)
            for each in self.sent
            if not kinds or each.kind in kinds
        ]

    def firsts(self) -> Iterator[tuple[str, str, str]]:
        """Yield person and subject of each first telling, in a message of its own or in a summary."""
        for message in self.sent:
            for item in message.items:
                if item.kind is Kind.FIRST or (item.kind is Kind.ESCALATION and item.count == 0):
                    yield item.person, item.incident_id, item.alarm

    def _is_to_be_looked_at(self, facts: IncidentFacts) -> bool:
        own = self.told.get((facts.id, ""))
        return (
            own is None
            or own.version != facts.version
            or any(
                not each.done and each.due_ms is not None and each.due_ms <= self.now_ms
                for key, each in self.told.items()
                if key[0] == facts.id
            )
        )

    def _recent(self) -> dict[str, list[Sent]]:
        found: dict[str, list[Sent]] = {}
        for each in self.sent:
            if not each.highest and each.at_ms > self.now_ms - HOUR:
                found.setdefault(each.person, []).append(Sent(each.at_ms, each.kind is Kind.SUMMARY))
        return found
