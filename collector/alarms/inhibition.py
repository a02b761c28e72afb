"""Which alarms are suppressed because another is active, by rules in Alertmanager's form.

The decision is pure (``InhibitRule.inhibits``); what is asked of SQL only narrows down whom to ask.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from collector.alarms.labels import Labels, Matcher, hold, labels_of
from collector.alarms.tables import conditions
from contract.events import Priority

PREFIX = "inhibited:"
LOOKED_AT_ONCE_MAX = 500
Written = Callable[[], Connection]
"""Returns where to ask, once all that was changed is written there."""


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """While a source is active, targets are suppressed whose ``equal`` labels are the source's."""

    name: str
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Return what it says of a target."""
        return PREFIX + self.name

    def inhibits(self, source: Labels, target: Labels) -> bool:
        """Decide for two alarms; what is both does not inhibit what is both, and so never itself."""
        return (
            hold(self.source, source)
            and self.may_inhibit(target)
            and not (hold(self.source, target) and hold(self.target, source))
            and all(source.get(name, "") == target.get(name, "") for name in self.equal)
        )

    def may_inhibit(self, target: Labels) -> bool:
        """Say whether it is a target at all; the highest priority never is."""
        return target.get("priority") != Priority.HIGHEST and hold(self.target, target)


def reasons(written: Written, rules: Iterable[InhibitRule], target: Labels) -> set[str]:
    """Return why a target is suppressed, by what is active now."""
    return {
        rule.reason
        for rule in rules
        if rule.may_inhibit(target)
        and any(
            rule.inhibits(labels_of(row), target)
            for row in _active(written(), rule.source, rule.equal, target, sources=True)
        )
    }


def targets(written: Written, rules: Iterable[InhibitRule], source: Labels, count_max: int) -> list[Row[Any]]:
    """Return the active alarms of which ``source`` may decide, each once, at most so many."""
    found: dict[int, Row[Any]] = {}
    for rule in rules:
        if not hold(rule.source, source):
            continue
        for row in _active(written(), rule.target, rule.equal, source, sources=False):
            if rule.inhibits(source, labels_of(row)):
                found[row.row] = row
                if len(found) == count_max:
                    return list(found.values())
    return list(found.values())


def _active(
    connection: Connection,
    matchers: Sequence[Matcher],
    equal: Sequence[str],
    labels: Labels,
    *,
    sources: bool,
) -> Iterable[Row[Any]]:
    where: list[ColumnElement[bool]] = [conditions.c.active]
    if sources:  # what is out of service says nothing
        where.append(~conditions.c.out_of_service)
    where += [said for each in matchers if (said := each.where()) is not None]
    where += [conditions.c[name] == labels.get(name, "") for name in equal]
    after = 0
    while True:
        query = select(conditions).where(conditions.c.row > after, *where).order_by(conditions.c.row)
        rows = connection.execute(query.limit(LOOKED_AT_ONCE_MAX)).all()
        yield from rows
        if len(rows) < LOOKED_AT_ONCE_MAX:
            return
        after = rows[-1].row
