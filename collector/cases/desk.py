"""The desk of cases: every step of a person, the city platform or a sensor, in the caller's transaction."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, update

from collector.cases import classes, record
from collector.cases.changes import Asked, Change, Facts, Known, change
from collector.cases.due import Deadlines
from collector.cases.life import CLOSED, PLATFORM, Party, Stage, Step, party_of, transition
from collector.cases.outgoing import Kind, post
from collector.cases.settings import CaseClass, Cases
from collector.cases.tables import case_problems
from collector.cases.words import CaseError, UnknownCaseError
from collector.held import Held
from collector.people import audit
from collector.people.roles import CENTRE, Actor
from collector.tables import alarms, cases

MINUTE_MS = 60_000
_ACTIVE = (
    select(alarms.c.row)
    .where(alarms.c.case_id == bindparam("case_id"), alarms.c.cleared_ms.is_(None))
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A case after a step. ``active`` alarms of a case that was closed will bring it back."""

    case_id: str
    stage: Stage
    version: int
    active: int


class CaseDesk:
    """Takes steps by the table of ``life``; whoever posts, audits and notes them is here."""

    def __init__(self, limits: Cases, deadlines: Deadlines) -> None:
        """``deadlines`` says when cases are due."""
        self.limits, self.deadlines = limits, deadlines

    def step(
        self,
        connection: Connection,
        case_id: str,
        step: Step,
        actor: Actor,
        at_ms: int,
        *,
        note: str = "",
        reason: str = "",
        department: str = "",
        deadline_ms: int | None = None,
        other: str = "",
        version: int | None = None,
        party: Party | None = None,
    ) -> Taken:
        """Take a step, all of it or none.

        ``deadline_ms`` is of an extension, ``other`` the case that this one is merged into, ``version`` what
        the caller has seen, ``party`` what the actor is where not their role says it (a city platform).
        CaseError says what the life of the case does not allow, UnknownCaseError that there is none.
        """
        case = self.case(connection, case_id)
        if version is not None and version != case.version:
            raise CaseError("changed", version=case.version, seen=version)
        party = party or party_of(actor)
        row = transition(step, Stage(case.stage), party)
        at_ms = max(at_ms, case.stage_ms)
        asked = Asked(step, party, actor.name, at_ms, note, reason, department, deadline_ms, other)
        known = self._known(connection, case, at_ms)
        result = change(row, Facts(dict(case._mapping), asked, known, self.limits))
        if step is Step.MERGE:
            self._merge(connection, case, other, actor, at_ms)
        self._write(connection, case, result, asked)
        audit.note(connection, actor, at_ms, f"case.{step}", case_id, _told(asked))
        if party is not Party.PLATFORM:
            self._post(connection, case_id, asked, result)
        if step is Step.FILE:
            self.dispatch_if_due(connection, case_id, at_ms)
        now = self.case(connection, case_id)
        return Taken(case_id, Stage(now.stage), now.version, known.active)

    def accepted(
        self, connection: Connection, case_id: str, number: str, at_ms: int, actor: Actor = PLATFORM
    ) -> None:
        """File a case, unless it is further already: the city platform has it, and calls it ``number``."""
        if number:
            connection.execute(update(cases).where(cases.c.id == case_id).values(platform_number=number))
        case = self.case(connection, case_id)
        if case.stage == Stage.COLLECTED:
            self.step(connection, case_id, Step.FILE, actor, at_ms, party=Party.PLATFORM)
        elif case.filed_ms is None:
            connection.execute(update(cases).where(cases.c.id == case_id).values(filed_ms=at_ms))
            record.happened(connection, case_id, at_ms, "accepted", actor.name, {"number": number})

    def dispatch_if_due(self, connection: Connection, case_id: str, at_ms: int) -> None:
        """Dispatch a filed case where its class does so by itself, or somebody did while it waited.

        Not while it waits for an answer.
        """
        case = self.case(connection, case_id)
        if case.stage != Stage.FILED or case.waits_for:
            return
        department, held = case.dispatched_to, classes.of(connection, case.problem)
        if not department and held and held.entry.dispatches_by_itself:
            department = department_of(held.entry, case)
        if department:
            self.step(connection, case_id, Step.DISPATCH, CENTRE, at_ms, department=department)

    def dispatch_later(
        self, connection: Connection, case_id: str, department: str, actor: Actor, at_ms: int
    ) -> None:
        """Keep whom a platform dispatches to while inspectors are asked, until they have answered."""
        case = self.case(connection, case_id)
        if case.dispatched_to != department:
            connection.execute(update(cases).where(cases.c.id == case_id).values(dispatched_to=department))
            told = {"department": department}
            record.happened(
                connection, case_id, max(at_ms, case.stage_ms), "dispatch_waits", actor.name, told
            )

    def overtake(self, connection: Connection, case_id: str, actor: Actor, at_ms: int) -> None:
        """Wait for no answer any more: the platform says that somebody is at work there."""
        values = {"waits_for": "", "confirm_until_ms": None}
        connection.execute(update(cases).where(cases.c.id == case_id).values(values))
        record.happened(connection, case_id, at_ms, "confirmation", actor.name, {"answer": "overtaken"})

    def case(self, connection: Connection, case_id: str) -> Row[Any]:
        """Return a case's row; UnknownCaseError."""
        row = connection.execute(select(cases).where(cases.c.id == case_id)).first()
        if row is None:
            raise UnknownCaseError("unknown", case_id=case_id)
        return row

    def _known(self, connection: Connection, case: Row[Any], at_ms: int) -> Known:
        held = classes.of(connection, case.problem)
        deadline_ms, recheck_ms = at_ms + max(0, case.deadline_ms - case.opened_ms), 60 * MINUTE_MS
        if held:
            deadline_ms = self.deadlines.due(held.entry, case.grid, at_ms).at_ms
            recheck_ms = held.entry.recheck_after_min * MINUTE_MS
        before = record.stage_before(connection, case.id, Stage(case.stage))
        return Known(active_count(connection, case.id), recheck_ms, deadline_ms, before)

    def _write(self, connection: Connection, case: Row[Any], result: Change, asked: Asked) -> None:
        values = result.values | {"version": case.version + 1}
        changed = connection.execute(
            update(cases).where(cases.c.id == case.id, cases.c.version == case.version).values(values)
        )
        if not changed.rowcount:
            raise CaseError("changed", version=case.version + 1, seen=case.version)
        department = values.get("dispatched_to", case.dispatched_to)
        if result.entered is not None:
            record.entered(
                connection,
                case.id,
                result.entered,
                asked.step,
                asked.at_ms,
                who=asked.who,
                party=asked.party,
                department=department,
                note=asked.note,
                reason=asked.reason,
            )
        if result.event:
            record.happened(connection, case.id, asked.at_ms, result.event, asked.who, result.detail)

    def _post(self, connection: Connection, case_id: str, asked: Asked, result: Change) -> None:
        kind = Kind.CHANGED if result.entered is None else Kind.STAGE
        if asked.step in (Step.REWORK, Step.RETURN_FOR_REWORK, Step.RELAPSE):
            kind = Kind.REWORK
        more = {"step": asked.step.value, "who": asked.who, "note": asked.note, "reason": asked.reason}
        post(connection, case_id, kind, asked.at_ms, more)

    def _merge(self, connection: Connection, case: Row[Any], other_id: str, actor: Actor, at_ms: int) -> None:
        """Give the other case this one's alarms and problems; the desk voids this one."""
        other = self.case(connection, other_id)
        if other.stage in CLOSED:
            raise CaseError("other_closed")
        moved = connection.execute(
            update(alarms).where(alarms.c.case_id == case.id).values(case_id=other_id)
        ).rowcount
        connection.execute(
            update(case_problems).where(case_problems.c.case_id == case.id).values(case_id=other_id)
        )
        settles_ms = None if active_count(connection, other_id) else other.settles_ms
        connection.execute(
            update(cases)
            .where(cases.c.id == other_id)
            .values(version=other.version + 1, settles_ms=settles_ms)
        )
        detail = {"case_id": case.id, "number": case.number, "alarms": moved}
        record.happened(connection, other_id, at_ms, "merged", actor.name, detail)
        record.happened(
            connection,
            case.id,
            at_ms,
            "merged_into",
            actor.name,
            {"case_id": other_id, "number": other.number},
        )


def department_of(entry: CaseClass, case: Row[Any] | Held) -> str:
    """Return who a case of this class is dispatched to, empty where nobody is known."""
    return entry.department_of(case.grid, maintainer=case.maintainer, in_charge=case.in_charge)


def department_by_table(connection: Connection, case: Row[Any]) -> str:
    """Return who a case is dispatched to by its class and part, empty where nobody is known."""
    held = classes.of(connection, case.problem)
    return department_of(held.entry, case) if held else str(case.maintainer or case.in_charge)


def any_active(connection: Connection, case_id: str) -> bool:
    """Say whether an alarm of a case is active."""
    return connection.execute(_ACTIVE, {"case_id": case_id}).first() is not None


def active_count(connection: Connection, case_id: str) -> int:
    """Return how many of a case's alarms are active."""
    query = select(func.count()).where(alarms.c.case_id == case_id, alarms.c.cleared_ms.is_(None))
    return connection.scalar(query) or 0


def _told(asked: Asked) -> dict[str, Any]:
    names = ("note", "reason", "department", "deadline_ms", "other")
    return {name: getattr(asked, name) for name in names if getattr(asked, name)}
