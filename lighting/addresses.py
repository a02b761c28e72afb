"""Which lamps a text means: ``cabinet/lamp-7``, ``cabinet/lamp-{1-8}``, ``cabinet/*`` or a group's id."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from contract.limits import NAME_CHARACTERS_MAX
from contract.names import NAME_PATTERN
from lighting.plan import LAMPS_MAX, Plan

GROUPS_DEEP_MAX = 16
"""Groups in groups."""

_RANGE = re.compile(r"^(?P<head>[^{}]*)\{(?P<first>[0-9]{1,6})-(?P<last>[0-9]{1,6})\}(?P<tail>[^{}]*)$")
_NAME = re.compile(NAME_PATTERN)


class Lamp(NamedTuple):
    """A lamp, or a circuit of lamps that are switched together, of one gateway."""

    gateway: str
    lamp: str

    def __str__(self) -> str:
        """As plans write it."""
        return f"{self.gateway}/{self.lamp}"


class AddressError(ValueError):
    """A text means no lamp; the message says why and ``remedy`` what to write."""

    def __init__(self, what: str, remedy: str, *, of_groups: bool = False) -> None:
        """Keep both; ``of_groups`` where no single member is wrong, but how groups lie in each other."""
        super().__init__(what)
        self.remedy = remedy
        self.of_groups = of_groups
        self.group: str | None = None
        """The group whose member is wrong, where a text meant lamps through groups."""


def expanded(text: str) -> list[str]:
    """Return the names that ``lamp-{1-8}`` stands for, or the one name; AddressError if they are none."""
    found = _RANGE.match(text)
    if found:
        first, last, width = int(found["first"]), int(found["last"]), len(found["first"])
        if first > last:
            raise AddressError(f"{text!r} counts down", f"write {{{found['last']}-{found['first']}}}")
        if last - first >= LAMPS_MAX:
            raise AddressError(f"{text!r} are more than {LAMPS_MAX} names", "divide it")
        names = [f"{found['head']}{number:0{width}d}{found['tail']}" for number in range(first, last + 1)]
    else:
        names = [text]
    for name in (names[0], names[-1]):
        if len(name) > NAME_CHARACTERS_MAX or not _NAME.match(name):
            raise AddressError(
                f"{name[:80]!r} is no name of a lamp",
                f"write up to {NAME_CHARACTERS_MAX} characters of a-z, 0-9, - and _; lamp-{{1-8}} is eight",
            )
    return names


class Addresses:
    """The lamps and groups of a plan."""

    def __init__(self, plan: Plan) -> None:
        """AddressError where a cabinet's lamps are no names; ``checking`` tells each with its line."""
        self._plan = plan
        self.lamps_of: dict[str, list[str]] = {}
        for cabinet in plan.cabinets:
            names = [name for text in cabinet.lamps for name in expanded(text)]
            self.lamps_of.setdefault(cabinet.gateway, []).extend(names)
        self._known = {gateway: set(lamps) for gateway, lamps in self.lamps_of.items()}
        self._members: Mapping[str, Sequence[str]] = {group.id: group.members for group in plan.groups}
        self._of_groups: dict[str, tuple[list[Lamp], int]] = {}
        """Lamps of groups that were asked for, and how many groups deep they lie."""

    def all(self) -> Iterator[Lamp]:
        """Yield every lamp of the plan."""
        for gateway, lamps in self.lamps_of.items():
            for lamp in lamps:
                yield Lamp(gateway, lamp)

    def calendars(self) -> dict[Lamp, str]:
        """Return which calendar each lamp follows; the plan is sound."""
        return {
            lamp: assignment.calendar
            for assignment in self._plan.assignments
            for text in assignment.addresses
            for lamp in self.lamps(text)
        }

    def lamps(self, text: str, within: tuple[str, ...] = ()) -> list[Lamp]:
        """Return the lamps that an address means, each once; AddressError says why it means none."""
        if "/" not in text:
            return self._of_group(text, within)
        gateway, _, lamp = text.partition("/")
        if gateway not in self.lamps_of:
            raise AddressError(f"there is no cabinet {gateway!r}", f"write one of {_listed(self.lamps_of)}")
        names = self.lamps_of[gateway] if lamp == "*" else expanded(lamp)
        for name in names:
            if name not in self._known[gateway]:
                remedy = f"write one of {_listed(self.lamps_of[gateway])}, or {gateway}/*"
                raise AddressError(f"the cabinet {gateway!r} has no lamp {name!r}", remedy)
        return [Lamp(gateway, name) for name in names]

    def _of_group(self, group: str, within: tuple[str, ...]) -> list[Lamp]:
        if group not in self._members:
            known = f"write one of {_listed(self._members)}" if self._members else "there are no groups here"
            raise AddressError(f"there is no group {group!r}", f"{known}; a lamp is written cabinet/lamp")
        if group in within:
            way = " in ".join((group, *reversed(within[within.index(group) :])))
            what = f"the group {group!r} contains itself: {way}"
            raise AddressError(what, "take it out of one of them", of_groups=True)
        if group not in self._of_groups:
            self._of_groups[group] = self._gathered(group, within)
        found, deep = self._of_groups[group]
        if len(within) + deep > GROUPS_DEEP_MAX:
            raise _too_deep(group)
        return found

    def _gathered(self, group: str, within: tuple[str, ...]) -> tuple[list[Lamp], int]:
        if len(within) >= GROUPS_DEEP_MAX:
            raise _too_deep(group)
        found: dict[Lamp, None] = {}
        deep = 1
        for member in self._members[group]:
            try:
                found |= dict.fromkeys(self.lamps(member, (*within, group)))
            except AddressError as error:
                error.group = error.group or (None if error.of_groups else group)
                raise
            if member in self._of_groups:
                deep = max(deep, 1 + self._of_groups[member][1])
        return list(found), deep


def _too_deep(group: str) -> AddressError:
    what = f"the group {group!r} lies more than {GROUPS_DEEP_MAX} groups deep"
    return AddressError(what, "take some out between", of_groups=True)


def _listed(names: Mapping[str, object] | Sequence[str]) -> str:
    shown = list(names)[:8]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
