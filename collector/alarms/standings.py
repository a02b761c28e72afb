"""Where sources stand, read from SQL and written back with all that follows for them and for others.

Everything runs in its caller's transaction.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from collector.alarms import inhibition
from collector.alarms.flood import Flood
from collector.alarms.inhibition import PREFIX, InhibitRule
from collector.alarms.labels import Labels, labels_of
from collector.alarms.lifecycle import Standing, annunciates, phase_of, step
from collector.alarms.sources import SOURCE, Source, Sources
from collector.alarms.tables import conditions
from collector.alarms.transitions import Happening, Shelving
from collector.held import Held
from contract.events import Priority

_BY_ROW = select(conditions).where(conditions.c.row == bindparam("of_row"))
_OF_SOURCE = select(conditions).where(*(conditions.c[name] == bindparam(name) for name in SOURCE))

TARGETS_MAX = 2_000
"""So many are inhibited or let go in the transaction of their source; the timer does the rest."""


UNKNOWN_AT_FIRST = ("acked_by", "acked_ms", "chattering_since_ms", "chattering_alarm_id")


@dataclass(frozen=True, slots=True)
class Change:
    """Who moved a source, by what, when; ``reason`` is of suppression, ``comment`` for others."""

    happening: Happening
    who: str
    at_ms: int
    comment: str = ""
    reason: str = ""


def standing_of(row: Row[Any] | Held) -> Standing:
    """Return where a row of ``conditions`` stands."""
    return Standing(
        phase=phase_of(active=row.active, acked=row.acked, latched=row.latched),
        priority=Priority(row.priority),
        source_active=row.source_active,
        chattering=row.chattering_since_ms is not None,
        shelving=Shelving(row.shelving),
        shelved_until_ms=row.shelved_until_ms,
        suppressed=frozenset(json.loads(row.suppressed)) if row.suppressed != "[]" else frozenset(),
        out_of_service=row.out_of_service,
    )


def columns_of(standing: Standing) -> dict[str, Any]:
    """Return the columns that say so; whether it chatters is told by others."""
    return {
        "priority": str(standing.priority),
        "source_active": standing.source_active,
        "active": standing.active,
        "acked": standing.acked,
        "latched": standing.latched,
        "shelving": str(standing.shelving),
        "shelved_until_ms": standing.shelved_until_ms,
        "suppressed": json.dumps(sorted(standing.suppressed)),
        "out_of_service": standing.out_of_service,
    }


def one(connection: Connection, row: int) -> Row[Any] | None:
    """Return a row by its number."""
    return connection.execute(_BY_ROW, {"of_row": row}).first()


def of_source(connection: Connection, source: Source) -> Row[Any] | None:
    """Return the row of a source."""
    return connection.execute(_OF_SOURCE, dict(zip(SOURCE, source, strict=True))).first()


class Standings:
    """Writes where sources stand."""

    def __init__(self, rules: Collection[InhibitRule], flood: Flood) -> None:
        """``rules`` say who inhibits whom, ``flood`` what one is."""
        self._rules, self._flood = rules, flood
        self.unsettled = True
        """Some inhibition may not be as it should: at the start, and where there were too many targets."""

    def sources(self, connection: Connection) -> Sources:
        """Return the sources of a transaction; they are written as the context ends."""
        return Sources(connection, self._flood)

    def begin(self, sources: Sources, first: Mapping[str, Any], after: Standing, change: Change) -> None:
        """Write down a source heard of for the first time; ``first`` has what the standing has not."""
        moved = {"changed_ms": change.at_ms, "changed_by": change.who, "change": str(change.happening)}
        told_ms = change.at_ms if annunciates(Standing(), after) else None
        values = dict.fromkeys(UNKNOWN_AT_FIRST) | {
            "annunciated_ms": told_ms,
            "version": 1,
            "set_aside": "{}",
        }
        held = sources.begin(values | columns_of(after) | moved | dict(first))
        self._follow_up(sources, Standing(), after, None, held, change)

    def put(self, sources: Sources, held: Held, after: Standing, change: Change, **further: Any) -> None:
        """Write where a source stands now, and do what follows; ``further`` are other columns."""
        before, labels = standing_of(held), labels_of(held)
        values = columns_of(after) | further | {"set_aside": _set_aside(held.set_aside, after, change)}
        is_other = before != after or further.get("alarm_id", held.alarm_id) != held.alarm_id
        if is_other and not _repeats(before, after):
            values |= {"changed_ms": change.at_ms, "changed_by": change.who, "change": str(change.happening)}
            values["version"] = held.version + 1
        if change.happening is Happening.ACKNOWLEDGED:
            values |= {"acked_by": change.who, "acked_ms": change.at_ms}
        elif before.acked and not after.acked:
            values |= {"acked_by": None, "acked_ms": None}
        if annunciates(before, after):
            values["annunciated_ms"] = change.at_ms
        sources.change(held, values)
        self._follow_up(sources, before, after, labels, held, change)

    def inhibited(self, sources: Sources, labels: Labels, standing: Standing) -> Standing:
        """Return a standing with the inhibitions that hold now: an alarm that is over has none."""
        labels = {**labels, "priority": str(standing.priority)}
        wanted = inhibition.reasons(sources.written, self._rules, labels) if standing.active else set()
        has = {reason for reason in standing.suppressed if reason.startswith(PREFIX)}
        for reason in sorted(wanted - has):
            standing = step(standing, Happening.SUPPRESSED, reason=reason)
        for reason in sorted(has - wanted):
            standing = step(standing, Happening.UNSUPPRESSED, reason=reason)
        return standing

    def settle(self, sources: Sources, held: Held, who: str, at_ms: int) -> None:
        """Bring the inhibitions of one source up to date."""
        before = standing_of(held)
        after = self.inhibited(sources, labels_of(held), before)
        if after != before:
            is_more = len(after.suppressed) > len(before.suppressed)
            happening = Happening.SUPPRESSED if is_more else Happening.UNSUPPRESSED
            self.put(sources, held, after, Change(happening, who, at_ms))

    def _follow_up(
        self,
        sources: Sources,
        before: Standing,
        after: Standing,
        labels_before: Labels | None,
        held: Held,
        change: Change,
    ) -> None:
        """Tell of it, and let those go by it that it inhibits; no labels before: it was not known."""
        if annunciates(before, after):
            sources.annunciated(held, after.priority, change.at_ms)
        was, now, labels = _inhibits(before), _inhibits(after), labels_of(held)
        relabelled = labels_before is not None and labels_before != labels
        if labels_before is not None and was and (not now or relabelled):
            self._settle_targets(sources, labels_before, held, change)
        if now and (not was or relabelled):
            self._settle_targets(sources, labels, held, change)

    def _settle_targets(self, sources: Sources, labels: Labels, source: Held, change: Change) -> None:
        """A source became active, or is over: its targets go by that."""
        found = inhibition.targets(sources.written, self._rules, labels, TARGETS_MAX)
        self.unsettled |= len(found) == TARGETS_MAX
        for row in found:
            if row.row != source.row:
                who = f"{labels['gateway']}/{labels['rule']}"[:100]
                self.settle(sources, sources.hold(row), who, change.at_ms)


def _set_aside(told: str, after: Standing, change: Change) -> str:
    """Return who keeps it quiet since when and why, by what keeps it so; only what people did."""
    keys = {
        Happening.SHELVED: "shelved",
        Happening.SHELVED_ONE_SHOT: "shelved",
        Happening.OUT_OF_SERVICE: "out_of_service",
    }
    key = keys.get(change.happening, f"suppressed/{change.reason}" if change.reason else "")
    if told == "{}" and not key:
        return told
    entries = json.loads(told) | {key: {"by": change.who, "at_ms": change.at_ms, "comment": change.comment}}
    standing = {f"suppressed/{reason}" for reason in after.suppressed}
    standing |= {"shelved"} if after.shelving is not Shelving.UNSHELVED else set()
    standing |= {"out_of_service"} if after.out_of_service else set()
    return json.dumps({key: entries[key] for key in sorted(standing & set(entries))}, ensure_ascii=False)


def _repeats(before: Standing, after: Standing) -> bool:
    """Say whether it only goes on chattering, which changes nothing for people."""
    return before.chattering and replace(before, source_active=after.source_active) == after


def _inhibits(standing: Standing) -> bool:
    """Say whether others may be suppressed because of it: what is out of service says nothing."""
    return standing.active and not standing.out_of_service
