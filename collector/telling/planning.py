"""Who is to be told what now, of incidents as they stand and what was told before. Pure.

The same state planned again plans nothing twice: what was planned is in the state that is returned, and each
message's id follows from its subject, its person and how often they were told.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from collector.telling.facts import RANKS, IncidentFacts, Kind, PersonTold, Told
from collector.telling.on_call import Asked, Chosen, chosen
from collector.telling.packing import Item, Sent, pack
from collector.telling.people import Directory
from collector.telling.settings import TellingRules
from collector.telling.subjects import Look, highest_looks, own_look


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
    looks: list[Look] = []
    memory: dict[Asked, Chosen] = {}
    for facts in incidents:
        asked = Asked(facts.area, facts.problem, facts.priority, facts.position)
        picked = memory.get(asked) or chosen(directory, asked, now_ms, zone)
        memory[asked] = picked
        looks += highest_looks(facts, told, picked, rules, now_ms)
        looks.append(own_look(facts, told, picked, rules, now_ms))
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


def _settled(
    look: Look,
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
    seen = (look.facts.version, look.facts.last_ms)
    return replace(look.told, people=people, done=done, due_ms=due_ms, version=seen[0], seen_ms=seen[1])


def _told_now(look: Look, before: PersonTold | None, now_ms: int) -> PersonTold:
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
