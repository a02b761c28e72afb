"""What one person is told now, in how many messages, and what waits. Pure.

The highest priority goes out at once, each alarm by itself. The rest keeps to quiet hours and to a budget: in
any hour at most so many messages. The first half of it is for messages about one incident; once that is used,
and where many incidents come at once, one summary stands for all of them, and the next comes no sooner than
``group_interval_s`` and an even share of the hour after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

from collector.telling.facts import Kind
from collector.telling.on_call import quiet_until_ms
from collector.telling.people import Person
from collector.telling.settings import TellingRules

HOUR_MS = 3_600_000


class Sent(NamedTuple):
    """A message of the last hour, beside those of the highest priority."""

    at_ms: int
    summary: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """Something one person is to be told of one subject; ``count`` of what they were told of it before."""

    incident_id: str
    alarm: str
    person: str
    kind: Kind
    reason: str
    count: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Return which subject it is."""
        return self.incident_id, self.alarm


@dataclass(frozen=True, slots=True)
class Packed:
    """Each group is one message; everything else waits until ``hold_until_ms``."""

    groups: tuple[tuple[Item, ...], ...]
    held: tuple[Item, ...] = ()
    hold_until_ms: int = 0


def pack(
    person: Person,
    items: Sequence[Item],
    sent: Sequence[Sent],
    rules: TellingRules,
    now_ms: int,
    zone: tzinfo,
) -> Packed:
    """Divide what a person is to be told into messages."""
    groups = [(item,) for item in items if item.alarm]
    others = tuple(item for item in items if not item.alarm)
    if not others:
        return Packed(tuple(groups))
    budget = person.messages_per_hour_max or rules.messages_per_hour_max
    recent = sorted(each for each in sent if each.at_ms > now_ms - HOUR_MS)
    until_ms = quiet_until_ms(person, now_ms, zone)
    if until_ms <= now_ms:
        until_ms = _free_ms(recent, budget, now_ms)
    in_flood = bool(recent) and _last_summary_ms(recent) + rules.group_interval_s * 1000 > now_ms
    own_max = (budget + 1) // 2
    if until_ms <= now_ms:
        if len(others) <= min(rules.flood_incidents, own_max - len(recent)) and not in_flood:
            return Packed((*groups, *((item,) for item in others)))
        until_ms = max(now_ms, _next_summary_ms(recent, budget, own_max, rules))
    if until_ms <= now_ms:
        return Packed((*groups, others))
    return Packed(tuple(groups), others, until_ms)


def _free_ms(recent: Sequence[Sent], budget: int, now_ms: int) -> int:
    """Return when the budget has room for one more."""
    return now_ms if len(recent) < budget else recent[len(recent) - budget].at_ms + HOUR_MS


def _last_summary_ms(recent: Sequence[Sent]) -> int:
    return max((each.at_ms for each in recent if each.summary), default=-HOUR_MS)


def _next_summary_ms(recent: Sequence[Sent], budget: int, own_max: int, rules: TellingRules) -> int:
    """Return when a summary may go: spread over the hour what is left for them."""
    after_summary_ms = _last_summary_ms(recent) + round(rules.group_interval_s * 1000)
    if len(recent) < own_max:
        return after_summary_ms
    share_ms = HOUR_MS // max(1, budget - own_max)
    return max(after_summary_ms, recent[-1].at_ms + min(share_ms, HOUR_MS))
