"""Who is to be told what now, of incidents as they stand and what was told before. Pure.

The same state planned again plans nothing twice: what was planned is in the state that is returned, and each
message's id follows from its subject, its person and how often they were told.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from collector.telling.escalation import Ladder, climbed
from collector.telling.facts import RANKS, HighestAlarm, IncidentFacts, Kind, PersonTold, Told
from collector.telling.on_call import Asked, Chosen, chosen
from collector.telling.packing import Item, Sent, pack
from collector.telling.people import Directory
from collector.telling.settings import TellingRules
from contract.events import Priority

QUIET_LOOK_MS = 30_000
"""So often it is looked whether an incident that nobody is to be told of still is one."""
GROWN_FACTOR = 2
GROWN_MIN = 3
"""Worth telling: twice the members, and at least so many more."""

OVER_BEFORE = "over before anybody was to be told"
ACKNOWLEDGED_BEFORE = "acknowledged before anybody was to be told"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person. ``items`` are what it tells: one, or many where it is a summary."""

    id: str
    kind: Kind
    person: str
    highest: bool
    at_ms: int
    items: tuple[Item, ...]

    @property
    def incident_id(self) -> str:
        """Return its incident; empty for a summary."""
        return self.items[0].incident_id if len(self.items) == 1 else ""

    @property
    def alarm(self) -> str:
        """Return the highest alarm that it tells; empty where it is none."""
        return self.items[0].alarm if len(self.items) == 1 else ""

    @property
    def reason(self) -> str:
        """Return why it is sent."""
        return self.items[0].reason if len(self.items) == 1 else f"{len(self.items)} incidents at once"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent, what is to be remembered with it, and when to plan again at the latest."""

    messages: tuple[Message, ...]
    told: tuple[Told, ...]
    next_due_ms: int | None


@dataclass
class _Look:
    """One subject as it is being planned: what its people are to be told, and when to look again."""

    facts: IncidentFacts
    told: Told
    items: list[Item]
    due_ms: int | None = None

    def wake(self, at_ms: int | None) -> None:
        if at_ms is not None:
            self.due_ms = at_ms if self.due_ms is None else min(self.due_ms, at_ms)

    def add(self, person: str, kind: Kind, reason: str) -> None:
        before = self.told.people.get(person)
        count = before.messages if before else 0
        self.items.append(Item(self.facts.id, self.told.alarm, person, kind, reason, count))


def plan(
    incidents: Sequence[IncidentFacts],
    told: Mapping[tuple[str, str], Told],
    directory: Directory,
    rules: TellingRules,
    now_ms: int,
    *,
    sent: Mapping[str, Sequence[Sent]],
    zone: tzinfo,
) -> Plan:
    """Return what is to be told now.

    ``told`` holds, by incident and alarm, where each subject of these incidents stands; ``sent`` what each
    person was sent in the last hour, the highest priority aside.
    """
    looks: list[_Look] = []
    memory: dict[Asked, Chosen] = {}
    for facts in incidents:
        asked = Asked(facts.area, facts.problem, facts.priority, facts.position)
        picked = memory.get(asked) or chosen(directory, asked, now_ms, zone)
        memory[asked] = picked
        looks += _highest(facts, told, picked, rules, now_ms)
        looks.append(_own(facts, told, picked, rules, now_ms))
    by_person: dict[str, list[Item]] = {}
    for look in looks:
        for item in look.items:
            by_person.setdefault(item.person, []).append(item)
    messages: list[Message] = []
    hold_ms: dict[Item, int] = {}
    for name, items in by_person.items():
        person = directory.person(name)
        if person is None:
            continue
        packed = pack(person, items, sent.get(name, ()), rules, now_ms, zone)
        messages += (_message(group, now_ms) for group in packed.groups)
        hold_ms |= dict.fromkeys(packed.held, packed.hold_until_ms)
    going = {item for message in messages for item in message.items}
    again_ms = now_ms + round(rules.group_interval_s * 1000)
    after = tuple(_settled(look, going, hold_ms, directory, now_ms, again_ms) for look in looks)
    after = _cover(after, {facts.id: facts for facts in incidents}, again_ms)
    due = [each.due_ms for each in after if each.due_ms is not None and not each.done]
    changed = tuple(each for each in after if told.get(each.key) != each)
    return Plan(tuple(messages), changed, min(due, default=None))


def _highest(
    facts: IncidentFacts,
    told: Mapping[tuple[str, str], Told],
    picked: Chosen,
    rules: TellingRules,
    now_ms: int,
) -> list[_Look]:
    """Look at each alarm of the highest priority; it is told though it is over by now."""
    looks = []
    for alarm in facts.highest:
        before = told.get((facts.id, alarm.key)) or Told(facts.id, alarm.key)
        if not before.done and not (alarm.quiet and before.step < 0):
            looks.append(_highest_alarm(facts, alarm, before, picked, rules, now_ms))
    return looks


def _highest_alarm(
    facts: IncidentFacts, alarm: HighestAlarm, before: Told, picked: Chosen, rules: TellingRules, now_ms: int
) -> _Look:
    acked = facts.acked_ms is not None and facts.acked_ms >= alarm.at_ms
    over = facts.closed_ms is not None or not alarm.active
    after_s = min(rules.escalate_highest_after_s, picked.escalate_after_s or rules.escalate_highest_after_s)
    ladder = Ladder(len(picked.steps), round(after_s * 1000), rules.escalation_repeats_max)
    told, due_ms = climbed(before, ladder, now_ms, escalating=not (acked or over or alarm.quiet))
    look = _Look(facts, replace(told, done=acked or over), [])
    look.wake(due_ms)
    _first(look, picked)
    return look


def _own(
    facts: IncidentFacts,
    told: Mapping[tuple[str, str], Told],
    picked: Chosen,
    rules: TellingRules,
    now_ms: int,
) -> _Look:
    """Look at an incident itself; while its highest alarms are told by themselves, they tell it too."""
    before = told.get((facts.id, "")) or Told(facts.id)
    look = _Look(facts, replace(before, reason="", done=False), [])
    by_itself = not any(not alarm.quiet for alarm in facts.highest)
    if any(alarm.quiet for alarm in facts.highest):
        look.wake(now_ms + QUIET_LOOK_MS)
    if facts.closed_ms is not None:
        _closed(look)
    elif facts.quiet and by_itself:
        look.told = replace(look.told, reason=facts.quiet[:200])
        look.wake(now_ms + QUIET_LOOK_MS)
    else:
        if by_itself:
            _climb_own(look, picked, rules, now_ms)
        _updates(look, picked, rules, now_ms)
    return look


def _climb_own(look: _Look, picked: Chosen, rules: TellingRules, now_ms: int) -> None:
    facts, wait_until_ms = look.facts, look.facts.opened_ms + round(rules.group_wait_s * 1000)
    if look.told.step < 0 and facts.acked_ms is not None:
        look.told = replace(look.told, reason=ACKNOWLEDGED_BEFORE)
    elif look.told.step < 0 and now_ms < wait_until_ms:
        look.wake(wait_until_ms)
    else:
        after_ms = round((picked.escalate_after_s or rules.escalate_after_s) * 1000)
        ladder = Ladder(len(picked.steps), after_ms, rules.escalation_repeats_max)
        look.told, due_ms = climbed(look.told, ladder, now_ms, escalating=facts.acked_ms is None)
        look.wake(due_ms)
        if facts.acked_ms is None:
            _first(look, picked)


def _first(look: _Look, picked: Chosen) -> None:
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


def _updates(look: _Look, picked: Chosen, rules: TellingRules, now_ms: int) -> None:
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


def _closed(look: _Look) -> None:
    """Tell all who were told that it is over; and those who were held back, once, that it was."""
    for person, before in look.told.people.items():
        if before.held:
            if look.facts.acked_ms is None:
                look.add(person, Kind.FIRST, "held back until it was over")
        elif not before.clear:
            look.add(person, Kind.ALL_CLEAR, "closed")
    look.told = replace(look.told, done=True, reason="" if look.told.step >= 0 or look.items else OVER_BEFORE)


def _settled(
    look: _Look,
    going: set[Item],
    hold_ms: Mapping[Item, int],
    directory: Directory,
    now_ms: int,
    again_ms: int,
) -> Told:
    """Return the subject as it stands once the planned messages are written."""
    people = dict(look.told.people)
    waiting = False
    for item in look.items:
        if item in going:
            people[item.person] = _told_now(look, people.get(item.person), now_ms)
            look.wake(again_ms)
        elif item in hold_ms:
            waiting = True
            look.wake(hold_ms[item])
            people.setdefault(item.person, PersonTold(0, 0, 0, 0, 0))
        elif directory.person(item.person) is None and item.person in people:
            del people[item.person]  # nobody of that name is left
    done = look.told.done and not waiting
    due_ms = None if done else look.due_ms
    return replace(look.told, people=people, done=done, due_ms=due_ms, version=look.facts.version)


def _told_now(look: _Look, before: PersonTold | None, now_ms: int) -> PersonTold:
    facts = look.facts
    return PersonTold(
        first_ms=before.first_ms if before and not before.held else now_ms,
        last_ms=now_ms,
        messages=(before.messages if before else 0) + 1,
        rank=RANKS[facts.priority],
        members=facts.members,
        repeats=look.told.repeats,
        clear=facts.closed_ms is not None,
    )


def _cover(after: tuple[Told, ...], facts: Mapping[str, IncidentFacts], again_ms: int) -> tuple[Told, ...]:
    """Who was told of a highest alarm of an incident was told of the incident."""
    told_by_alarm: dict[str, dict[str, PersonTold]] = {}
    for each in after:
        if each.alarm:
            covered = told_by_alarm.setdefault(each.incident_id, {})
            for person, was in each.people.items():
                known = covered.get(person)
                covered[person] = was if known is None or was.last_ms > known.last_ms else known
    return tuple(
        each
        if each.alarm
        else _covered(each, told_by_alarm.get(each.incident_id, {}), facts[each.incident_id], again_ms)
        for each in after
    )


def _covered(own: Told, by_alarm: Mapping[str, PersonTold], facts: IncidentFacts, again_ms: int) -> Told:
    new = {
        person: was._replace(messages=0, repeats=own.repeats)
        for person, was in by_alarm.items()
        if person not in own.people or own.people[person].held
    }
    if not new:
        return own
    due_ms = None if facts.closed_ms is not None else min(again_ms, own.due_ms or again_ms)
    return replace(own, people=own.people | new, due_ms=due_ms, reason="")


def _message(group: tuple[Item, ...], now_ms: int) -> Message:
    first = group[0]
    if len(group) == 1:
        kind, what = (
            first.kind,
            f"{first.incident_id}|{first.alarm}|{first.person}|{first.count}|{first.kind}",
        )
    else:
        subjects = " ".join(sorted(f"{item.incident_id}|{item.count}|{item.kind}" for item in group))
        kind, what = Kind.SUMMARY, f"{first.person}|{subjects}"
    highest = bool(first.alarm)
    return Message(message_id(what), kind, first.person, highest, now_ms, group)


def message_id(what: str) -> str:
    """Return an id that is the same for the same message."""
    return hashlib.sha256(what.encode()).hexdigest()[:32]
