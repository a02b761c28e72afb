"""What platforms tell of cases, taken: each event once, none moves a case backwards by coming late.

``decide`` is pure; ``Hearing`` applies it in the caller's transaction and records each event.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, func, select, update
from sqlalchemy import insert as plain_insert

from collector.cases.life import Stage
from collector.people import audit
from collector.people.roles import Actor, Role
from collector.platforms import queue
from collector.platforms.protocol import Status
from collector.platforms.stages import ORDER, StageError, Stages
from collector.platforms.tables import platform_statuses
from collector.tables import cases


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"
    KNOWN = "known"
    BACKWARDS = "backwards"
    REFUSED = "refused"
    UNKNOWN_CASE = "unknown_case"


class Source(StrEnum):
    """How it was heard."""

    CALLBACK = "callback"
    POLL = "poll"
    LOOK_UP = "look_up"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of an event, and why if it was not applied."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Backwards:
    """It is of an earlier time than what is known."""


def decide(stage: str, told: str, at_ms: int | None, last_at_ms: int | None) -> tuple[str, ...] | Backwards:
    """Return the stages that a case goes through now, in order; none where it is there already.

    A platform may leave stages out, or its telling of them may be lost: they are passed through. An earlier
    stage is a step of its own (dispatched again, done again) only where the platform's clock says that it
    came after what was heard last.
    """
    if Stage.VOIDED in (stage, told):  # from anywhere, and for good
        return () if stage == told else (told,) if stage != Stage.VOIDED else Backwards()
    here, there = ORDER.index(stage), ORDER.index(told)
    if here == there:
        return ()
    if there > here:
        return ORDER[here + 1 : there + 1]
    if at_ms is not None and last_at_ms is not None and at_ms > last_at_ms:
        return (told,)
    return Backwards()


class Hearing:
    """Takes what one platform tells."""

    def __init__(self, platform: str, stages: Stages) -> None:
        """``platform`` is who acts."""
        self._platform, self._stages = platform, stages
        self.actor = Actor(platform, Role.COMMAND)

    def hear(self, connection: Connection, status: Status, source: Source, now_ms: int) -> Heard:
        """Take one event; repetitions change nothing."""
        case_id = queue.case_by(connection, self._platform, status.case, status.number)
        first = queue.first_of(connection, case_id) if case_id else None
        if first is None or first.platform != self._platform:
            told = status.case or status.number
            return Heard(Outcome.UNKNOWN_CASE, f"no case {told[:100]!r} was sent to {self._platform}")
        event_id = self._event_id(status, case_id)
        before = connection.execute(
            select(platform_statuses.c.outcome, platform_statuses.c.reason).where(
                platform_statuses.c.platform == self._platform, platform_statuses.c.event_id == event_id
            )
        ).first()
        if before and before.outcome != Outcome.REFUSED:
            return Heard(Outcome.KNOWN)
        heard = self._apply(connection, case_id, status, now_ms)
        if not before and heard.outcome is Outcome.KNOWN and source in (Source.LOOK_UP, Source.ANSWER):
            return heard  # nothing happened: only what was told is written down
        values = {"outcome": str(heard.outcome), "reason": heard.reason[:500], "received_ms": now_ms}
        if before:
            connection.execute(
                update(platform_statuses)
                .where(platform_statuses.c.platform == self._platform)
                .where(platform_statuses.c.event_id == event_id)
                .values(values)
            )
        else:
            new = {"event_id": event_id, "case_id": case_id, "stage": status.stage, "code": status.code}
            new |= {"platform": self._platform, "source": str(source)}
            connection.execute(plain_insert(platform_statuses).values(new | values | {"at_ms": status.at_ms}))
        return heard

    def _event_id(self, status: Status, case_id: str) -> str:
        """Return it made this case's: platforms number events within cases, too."""
        return f"{case_id[:16]}:{status.event_id}"[:64] if len(status.event_id) < 32 else status.event_id

    def _apply(self, connection: Connection, case_id: str, status: Status, now_ms: int) -> Heard:
        case = connection.execute(
            select(cases.c.stage, cases.c.platform_number).where(cases.c.id == case_id)
        ).one()
        if status.number and case.platform_number not in ("", status.number):
            told = f"the platform calls this case {case.platform_number}, and now {status.number}"
            return Heard(Outcome.REFUSED, f"{told}: it may be there twice; look there")
        queue.proved(connection, case_id)
        self._stages.file(connection, case_id, status.number, self.actor, now_ms)
        stage = connection.scalar(select(cases.c.stage).where(cases.c.id == case_id))
        last_at_ms = connection.scalar(
            select(func.max(platform_statuses.c.at_ms)).where(
                platform_statuses.c.case_id == case_id, platform_statuses.c.outcome == Outcome.APPLIED.value
            )
        )
        steps = decide(str(stage), status.stage, status.at_ms, last_at_ms)
        if isinstance(steps, Backwards):
            return Heard(
                Outcome.BACKWARDS, f"the case is {stage} already; this came late, or is a mistake there"
            )
        if not steps:
            return Heard(Outcome.KNOWN)
        at_ms = min(status.at_ms or now_ms, now_ms)
        try:
            with connection.begin_nested():
                for step in steps:
                    self._stages.step(
                        connection, case_id, step, self.actor, at_ms,
                        note=status.note, department=status.department,
                    )  # fmt: skip
        except StageError as error:
            return Heard(Outcome.REFUSED, str(error))
        audit.note(
            connection, self.actor, now_ms, "case.platform_status", case_id,
            {"from": stage, "to": status.stage, "code": status.code, "event": status.event_id},
        )  # fmt: skip
        return Heard(Outcome.APPLIED)
