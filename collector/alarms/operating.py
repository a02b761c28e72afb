"""What people do with alarms: each step by what they have seen, on the audit trail, in their own words.

Two operators at once never overwrite each other: whoever has seen an older version is told what came between.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row

from collector.alarms import standings
from collector.alarms.conditions import PLANNED, Conditions
from collector.alarms.inhibition import PREFIX
from collector.alarms.lifecycle import MAINTENANCE, LifecycleError, step
from collector.alarms.standings import Change, standing_of
from collector.alarms.transitions import Happening
from collector.people import audit
from collector.people.roles import Actor
from contract.events import Priority

ACTIONS = {
    Happening.ACKNOWLEDGED: "alarm.acknowledge",
    Happening.RESET: "alarm.reset",
    Happening.SHELVED: "alarm.shelve",
    Happening.SHELVED_ONE_SHOT: "alarm.shelve",
    Happening.UNSHELVED: "alarm.unshelve",
    Happening.SUPPRESSED: "alarm.suppress",
    Happening.UNSUPPRESSED: "alarm.unsuppress",
    Happening.OUT_OF_SERVICE: "alarm.out_of_service",
    Happening.IN_SERVICE: "alarm.in_service",
}
"""What people may do, and what the audit trail calls it."""
_DONE = {
    "raised": "was raised by {who}",
    "cleared": "was cleared by {who}",
    "chattering_ended": "no longer chatters",
    "shelving_expired": "is no longer shelved",
    "shelved_one_shot": "was shelved until normal by {who}",
    "out_of_service": "was taken out of service by {who}",
    "in_service": "was put in service by {who}",
}


class UnknownError(LookupError):
    """There is no such alarm source; the text says which."""


class ConflictError(ValueError):
    """It stands otherwise than this person has seen, or its life does not allow this; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for. ``version`` is that of what they have seen.

    ``for_ms`` is of shelving for a time, ``reason`` of suppression; ``comment`` is for others.
    """

    happening: Happening
    version: int
    for_ms: int | None = None
    reason: str = ""
    comment: str = ""


class Operators:
    """Does what operators ask for."""

    def __init__(self, conditions: Conditions, *, shelve_max_ms: int) -> None:
        """``shelve_max_ms`` is the longest shelving."""
        self._conditions, self._shelve_max_ms = conditions, shelve_max_ms

    def act(self, connection: Connection, number: int, asked: Asked, actor: Actor, now_ms: int) -> None:
        """Do it to the source of row ``number``; UnknownError, ConflictError.

        To acknowledge what somebody has acknowledged already changes nothing: the row says who it was.
        """
        row = standings.one(connection, number)
        if row is None:
            raise UnknownError(f"there is no alarm {number}")
        if asked.happening is Happening.ACKNOWLEDGED and row.acked and row.acked_by is not None:
            return
        if asked.version != row.version:
            raise ConflictError(
                f"{_name(row)} {_happened(row)}, and is version {row.version} now; look again"
            )
        try:
            until_ms = self._until_ms(asked, now_ms)
            self._check_reason(asked, row)
            after = step(standing_of(row), asked.happening, until_ms=until_ms, reason=asked.reason)
        except LifecycleError as error:
            raise ConflictError(f"{_name(row)}: {error}") from error
        change = Change(asked.happening, actor.name, now_ms, asked.comment, asked.reason)
        with self._conditions.standings.sources(connection) as sources:
            self._conditions.standings.put(sources, sources.hold(row), after, change)
        detail: dict[str, Any] = {"row": row.row, "alarm_id": row.alarm_id, "comment": asked.comment}
        detail |= {"until_ms": until_ms} if until_ms else {}
        detail |= {"one_shot": True} if asked.happening is Happening.SHELVED_ONE_SHOT else {}
        detail |= {"reason": asked.reason} if asked.reason else {}
        audit.note(connection, actor, now_ms, ACTIONS[asked.happening], target_of(row), detail)

    def _until_ms(self, asked: Asked, now_ms: int) -> int | None:
        if asked.happening is Happening.SHELVED_ONE_SHOT:
            return now_ms + self._shelve_max_ms
        if asked.happening is not Happening.SHELVED:
            return None
        if not asked.for_ms or asked.for_ms > self._shelve_max_ms:
            longest = f"{self._shelve_max_ms / 3_600_000:g} h"
            raise LifecycleError(f"it can be shelved for {longest} at most (shelve_max_h)")
        return now_ms + asked.for_ms

    def _check_reason(self, asked: Asked, row: Row[Any]) -> None:
        by_others = asked.reason == PLANNED or asked.reason.startswith(PREFIX)
        if by_others and asked.happening in (Happening.SUPPRESSED, Happening.UNSUPPRESSED):
            why = "its gateway" if asked.reason == PLANNED else "the alarm that inhibits it"
            raise LifecycleError(f"{asked.reason!r} begins and ends by {why}, not by hand")
        highest = row.priority == Priority.HIGHEST
        if asked.happening is Happening.SUPPRESSED and highest and asked.reason != MAINTENANCE:
            raise LifecycleError(
                f"its priority is the highest, which is suppressed for {MAINTENANCE!r} only; "
                "acknowledge it instead"
            )


def target_of(row: Row[Any]) -> str:
    """Return what the audit trail calls a source."""
    return f"alarm/{row.gateway}/{row.rule}/{row.device}/{row.point}/{row.condition}"[:200]


def _name(row: Row[Any]) -> str:
    return "/".join(filter(None, (row.gateway, row.rule, row.device, row.point, row.condition)))


def _happened(row: Row[Any]) -> str:
    at = datetime.fromtimestamp(row.changed_ms / 1000, UTC)
    said = _DONE.get(row.change, f"was {row.change} by {{who}}").format(who=row.changed_by)
    return f"{said} at {at:%Y-%m-%dT%H:%M:%SZ}"
