"""Where sources stand, read from SQL and written back with all that follows for them and for others.

Everything runs in its caller's transaction.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update
from sqlalchemy import insert as plain_insert

from collector.alarms import inhibition
from collector.alarms.annunciating import annunciated
from collector.alarms.flood import Flood
from collector.alarms.inhibition import PREFIX, InhibitRule
from collector.alarms.labels import Labels, labels_of
from collector.alarms.lifecycle import Standing, annunciates, phase_of, step
from collector.alarms.tables import conditions
from collector.alarms.transitions import Happening, Shelving
from contract.events import Priority

_BEGIN = plain_insert(conditions).returning(conditions)
_MOVE = update(conditions).where(conditions.c.row == bindparam("moved_row")).returning(conditions)
SOURCE = ("gateway", "rule", "device", "point", "condition")
_BY_ROW = select(conditions).where(conditions.c.row == bindparam("of_row"))
_OF_SOURCE = select(conditions).where(*(conditions.c[name] == bindparam(name) for name in SOURCE))
"""Made once: to put a statement together takes longer than to execute it, and a storm brings many."""

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


def standing_of(row: Row[Any]) -> Standing:
    """Return where a row of ``conditions`` stands."""
    return Standing(
        phase=phase_of(active=row.active, acked=row.acked, latched=row.latched),
        priority=Priority(row.priority),
        source_active=row.source_active,
        chattering=row.chattering_since_ms is not None,
        shelving=Shelving(row.shelving),
        shelved_until_ms=row.shelved_until_ms,
        suppressed=frozenset(json.loads(row.suppressed)),
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


def of_source(connection: Connection, source: tuple[str, str, str, str, str]) -> Row[Any] | None:
    """Return the row of a source."""
    return connection.execute(_OF_SOURCE, dict(zip(SOURCE, source, strict=True))).first()


class Standings:
    """Writes where sources stand."""

    def __init__(self, rules: Collection[InhibitRule], flood: Flood) -> None:
        """``rules`` say who inhibits whom, ``flood`` what one is."""
        self._rules, self._flood = rules, flood
        self.unsettled = True
        """Some inhibition may not be as it should: at the start, and where there were too many targets."""

    def begin(self, connection: Connection, first: dict[str, Any], after: Standing, change: Change) -> None:
        """Write down a source heard of for the first time; ``first`` has what the standing has not."""
        moved = {"changed_ms": change.at_ms, "changed_by": change.who, "change": str(change.happening)}
        told_ms = change.at_ms if annunciates(Standing(), after) else None
        values = dict.fromkeys(UNKNOWN_AT_FIRST) | {
            "annunciated_ms": told_ms,
            "version": 1,
            "set_aside": "{}",
        }
        row = connection.execute(_BEGIN, values | columns_of(after) | moved | first).one()
        self._follow_up(connection, Standing(), after, None, row, change)

    def put(
        self,
        connection: Connection,
        row: Row[Any],
        after: Standing,
        change: Change,
        **further: Any,
    ) -> None:
        """Write where a source stands now, and do what follows; ``further`` are other columns."""
        before = standing_of(row)
        values = columns_of(after) | further | {"set_aside": _set_aside(row.set_aside, after, change)}
        is_other = before != after or further.get("alarm_id", row.alarm_id) != row.alarm_id
        if is_other and not _repeats(before, after):
            values |= {"changed_ms": change.at_ms, "changed_by": change.who, "change": str(change.happening)}
            values["version"] = row.version + 1
        if change.happening is Happening.ACKNOWLEDGED:
            values |= {"acked_by": change.who, "acked_ms": change.at_ms}
        elif before.acked and not after.acked:
            values |= {"acked_by": None, "acked_ms": None}
        if annunciates(before, after):
            values["annunciated_ms"] = change.at_ms
        now = connection.execute(_MOVE, values | {"moved_row": row.row}).one()
        self._follow_up(connection, before, after, row, now, change)

    def inhibited(self, connection: Connection, labels: Labels, standing: Standing) -> Standing:
        """Return a standing with the inhibitions that hold now: an alarm that is over has none."""
        labels = {**labels, "priority": str(standing.priority)}
        wanted = inhibition.reasons(connection, self._rules, labels) if standing.active else set()
        has = {reason for reason in standing.suppressed if reason.startswith(PREFIX)}
        for reason in sorted(wanted - has):
            standing = step(standing, Happening.SUPPRESSED, reason=reason)
        for reason in sorted(has - wanted):
            standing = step(standing, Happening.UNSUPPRESSED, reason=reason)
        return standing

    def inhibited_row(self, connection: Connection, row: Row[Any], standing: Standing) -> Standing:
        """Do as ``inhibited``, for a source by its row."""
        return self.inhibited(connection, labels_of(row), standing)

    def settle(self, connection: Connection, row: Row[Any], who: str, at_ms: int) -> None:
        """Bring the inhibitions of one source up to date."""
        before = standing_of(row)
        after = self.inhibited_row(connection, row, before)
        if after != before:
            is_more = len(after.suppressed) > len(before.suppressed)
            happening = Happening.SUPPRESSED if is_more else Happening.UNSUPPRESSED
            self.put(connection, row, after, Change(happening, who, at_ms))

    def _follow_up(
        self,
        connection: Connection,
        before: Standing,
        after: Standing,
        old: Row[Any] | None,
        row: Row[Any],
        change: Change,
    ) -> None:
        if annunciates(before, after):
            annunciated(connection, row.row, row.problem, row.area, after.priority, change.at_ms, self._flood)
        was, now = _inhibits(before), _inhibits(after)
        relabelled = old is not None and labels_of(old) != labels_of(row)
        if old is not None and was and (not now or relabelled):
            self._settle_targets(connection, old, change)
        if now and (not was or relabelled):
            self._settle_targets(connection, row, change)

    def _settle_targets(self, connection: Connection, source: Row[Any], change: Change) -> None:
        """A source became active, or is over: its targets go by that."""
        found = inhibition.targets(connection, self._rules, labels_of(source), TARGETS_MAX)
        self.unsettled |= len(found) == TARGETS_MAX
        for row in found:
            if row.row != source.row:
                self.settle(connection, row, f"{source.gateway}/{source.rule}"[:100], change.at_ms)


def _set_aside(told: str, after: Standing, change: Change) -> str:
    """Return who keeps it quiet since when and why, by what keeps it so; only what people did."""
    keys = {
        Happening.SHELVED: "shelved",
        Happening.SHELVED_ONE_SHOT: "shelved",
        Happening.OUT_OF_SERVICE: "out_of_service",
    }
    key = keys.get(change.happening, f"suppressed/{change.reason}" if change.reason else "")
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
