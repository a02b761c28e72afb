"""What is to be told of one incident now, and to whom, before anybody's budget is asked. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from collector.telling.escalation import Ladder, climbed
from collector.telling.facts import RANKS, HighestAlarm, IncidentFacts, Kind, PersonTold, Told
from collector.telling.on_call import Chosen
from collector.telling.packing import Item
from collector.telling.settings import TellingRules
from contract.events import Priority

QUIET_LOOK_MS = 30_000
"""So often it is looked whether an incident that nobody is to be told of still is one."""
GROWN_FACTOR = 2
GROWN_MIN = 3
"""Worth telling: twice the members, and at least so many more."""

OVER_BEFORE = "over before anybody was to be told"
NOTHING_ACTIVE = "nothing of it is active"
MERGED = "its alarms went over to another incident"
ACKNOWLEDGED_BEFORE = "acknowledged before anybody was to be told"


@dataclass
class Look:
    """One subject as it is being planned: what its people are to be told, and when to look again."""

    facts: IncidentFacts
    told: Told
    items: list[Item]
    due_ms: int | None = None

    def wake(self, at_ms: int | None) -> None:
        """Look again at this moment at the latest."""
        if at_ms is not None:
            self.due_ms = at_ms if self.due_ms is None else min(self.due_ms, at_ms)

    def add(self, person: str, kind: Kind, reason: str) -> None:
        """Let somebody be told."""
        before = self.told.people.get(person)
        count = before.messages if before else 0
        self.items.append(Item(self.facts.id, self.told.alarm, person, kind, reason, count))


def highest_looks(
    facts: IncidentFacts,
    told: Mapping[tuple[str, str], Told],
    picked: Chosen,
    rules: TellingRules,
    now_ms: int,
) -> list[Look]:
    """Look at each alarm of the highest priority; it is told though it is over by now."""
    looks = []
    for alarm in facts.highest:
        before = told.get((facts.id, alarm.key)) or Told(facts.id, alarm.key)
        if not before.done and not (alarm.quiet and before.step < 0):
            looks.append(_highest_alarm(facts, alarm, before, picked, rules, now_ms))
    return looks


def _highest_alarm(
    facts: IncidentFacts, alarm: HighestAlarm, before: Told, picked: Chosen, rules: TellingRules, now_ms: int
) -> Look:
    acked = facts.acked_ms is not None and facts.acked_ms >= alarm.at_ms
    over = facts.closed_ms is not None or not alarm.active
    after_s = min(rules.escalate_highest_after_s, picked.escalate_after_s or rules.escalate_highest_after_s)
    ladder = Ladder(len(picked.steps), round(after_s * 1000), rules.escalation_repeats_max)
    told, due_ms = climbed(before, ladder, now_ms, escalating=not (acked or over or alarm.quiet))
    look = Look(facts, replace(told, done=acked or over), [])
    look.wake(due_ms)
    _first(look, picked)
    return look


def own_look(
    facts: IncidentFacts,
    told: Mapping[tuple[str, str], Told],
    picked: Chosen,
    rules: TellingRules,
    now_ms: int,
) -> Look:
    """Look at an incident itself; while its highest alarms are told by themselves, they tell it too."""
    before = told.get((facts.id, "")) or Told(facts.id)
    look = Look(facts, replace(before, reason="", done=False), [])
    by_itself = not any(not alarm.quiet for alarm in facts.highest)
    if any(alarm.quiet for alarm in facts.highest):
        look.wake(now_ms + QUIET_LOOK_MS)
    if facts.merged_into:
        look.told = replace(look.told, reason=MERGED, done=True)
    elif facts.closed_ms is not None:
        _closed(look)
    elif facts.quiet and by_itself:
        look.told = replace(look.told, reason=facts.quiet[:200])
        look.wake(now_ms + QUIET_LOOK_MS)
    else:
        if by_itself:
            _climb(look, picked, rules, now_ms)
        _updates(look, picked, rules, now_ms)
    return look


def _climb(look: Look, picked: Chosen, rules: TellingRules, now_ms: int) -> None:
    facts, wait_until_ms = look.facts, look.facts.opened_ms + round(rules.group_wait_s * 1000)
    if look.told.step < 0 and facts.acked_ms is not None:
        look.told = replace(look.told, reason=ACKNOWLEDGED_BEFORE)
    elif look.told.step < 0 and now_ms < wait_until_ms:
        look.wake(wait_until_ms)
    elif look.told.step < 0 and not facts.active:
        look.told = replace(look.told, reason=NOTHING_ACTIVE)  # when it is again, the incident changes
    else:
        after_ms = round((picked.escalate_after_s or rules.escalate_after_s) * 1000)
        ladder = Ladder(len(picked.steps), after_ms, rules.escalation_repeats_max)
        look.told, due_ms = climbed(
            look.told, ladder, now_ms, escalating=facts.acked_ms is None and facts.active > 0
        )
        look.wake(due_ms)
        if facts.acked_ms is None:
            _first(look, picked)


def _first(look: Look, picked: Chosen) -> None:
    """Tell everybody of the steps reached who was not told yet, and the last step as often as it is due."""
    reached = picked.steps[: look.told.step + 1]
    for number, step in enumerate(reached):
        for person in dict.fromkeys(step.people):
            before = look.told.people.get(person)
            last = number == len(picked.steps) - 1
            if before is None or before.held:
                if not any(item.person == person for item in look.items):
                    kind = Kind.ESCALATION if number else Kind.FIRST
                    look.add(person, kind, f"{picked.table}, level {step.level}")
            elif last and look.told.repeats > before.repeats:
                look.add(person, Kind.ESCALATION, f"{picked.table}, level {step.level}, nobody acknowledged")


def _updates(look: Look, picked: Chosen, rules: TellingRules, now_ms: int) -> None:
    """Tell those who were told, and still are on call, what is worth knowing; no sooner than they are due."""
    facts = look.facts
    on_call = {name for step in picked.steps for name in step.people}
    planned = {item.person for item in look.items}
    for person, before in look.told.people.items():
        if person not in on_call or person in planned or before.held:
            continue
        if _worth_knowing(facts, before):
            due_ms = before.last_ms + round(rules.group_interval_s * 1000)
            reason = "priority" if RANKS[facts.priority] > before.rank else "members"
        elif facts.acked_ms is None:
            due_ms = before.last_ms + round(rules.repeat_interval_s * 1000)
            reason = "still open"
        else:
            continue
        if due_ms <= now_ms:
            look.add(person, Kind.UPDATE, reason)
        else:
            look.wake(due_ms)


def _worth_knowing(facts: IncidentFacts, before: PersonTold) -> bool:
    if RANKS[facts.priority] > before.rank and facts.priority is not Priority.HIGHEST:
        return True  # of the highest itself its alarms tell
    grown = max(before.members * GROWN_FACTOR, before.members + GROWN_MIN)
    return facts.acked_ms is None and facts.members >= grown


def _closed(look: Look) -> None:
    """Tell all who were told that it is over; and those who were held back, once, that it was."""
    for person, before in look.told.people.items():
        if before.held:
            if look.facts.acked_ms is None:
                look.add(person, Kind.FIRST, "held back until it was over")
        elif not before.clear:
            look.add(person, Kind.ALL_CLEAR, "closed")
    look.told = replace(look.told, done=True, reason="" if look.told.step >= 0 or look.items else OVER_BEFORE)
