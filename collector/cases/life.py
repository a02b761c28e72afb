"""The life of a case as data: which step leads where, who may take it, what it needs. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from collector.cases.words import CaseError
from collector.people.roles import CENTRE, Actor, Role


class Stage(StrEnum):
    """The seven stages of a case, in order (GB/T 30428), and the end of one that was none."""

    COLLECTED = "collected"
    FILED = "filed"
    DISPATCHED = "dispatched"
    IN_HAND = "in_hand"
    REPORTED = "reported"
    VERIFIED = "verified"
    EVALUATED = "evaluated"
    VOIDED = "voided"


class Step(StrEnum):
    """What somebody does with a case."""

    FILE = "file"
    DISPATCH = "dispatch"
    TAKE_IN_HAND = "take_in_hand"
    REPORT = "report"
    VERIFY = "verify"
    RETURN_FOR_REWORK = "return_for_rework"
    EVALUATE = "evaluate"
    REDISPATCH = "redispatch"
    ASK_EXTENSION = "ask_extension"
    EXTEND = "extend"
    REFUSE_EXTENSION = "refuse_extension"
    VOID = "void"
    MERGE = "merge"
    REWORK = "rework"
    RELAPSE = "relapse"


class Party(StrEnum):
    """Who takes steps: people by their roles, and who is none."""

    READ_ONLY = "read_only"
    TECHNICIAN = "technician"
    LIGHTING = "lighting"
    COMMAND = "command"
    ADMINISTRATOR = "administrator"
    PLATFORM = "platform"
    SENSOR = "sensor"
    CENTRE = "centre"


PLATFORM = Actor("platform", Role.ADMINISTRATOR)
"""The city platform, where it says what became of a case."""
SENSOR = Actor("sensor", Role.ADMINISTRATOR)
"""A sensor, by what it measures."""

OPEN = (Stage.COLLECTED, Stage.FILED, Stage.DISPATCHED, Stage.IN_HAND, Stage.REPORTED)
CLOSED = (Stage.VERIFIED, Stage.EVALUATED, Stage.VOIDED)
UNDER_WAY = (Stage.DISPATCHED, Stage.IN_HAND)

_DESK = (Party.COMMAND, Party.ADMINISTRATOR, Party.PLATFORM)
_FIELD = (Party.TECHNICIAN, *_DESK)


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table. ``to`` is None where the stage stays; ``back``: to the stage before this one."""

    step: Step
    stages: tuple[Stage, ...]
    to: Stage | None
    parties: tuple[Party, ...]
    needs: tuple[str, ...] = ()
    back: bool = False


LIFE = (
    Transition(Step.FILE, (Stage.COLLECTED,), Stage.FILED, (*_DESK, Party.CENTRE)),
    Transition(Step.DISPATCH, (Stage.FILED,), Stage.DISPATCHED, (*_DESK, Party.CENTRE), ("department",)),
    Transition(Step.TAKE_IN_HAND, (Stage.DISPATCHED,), Stage.IN_HAND, _FIELD),
    Transition(Step.REPORT, UNDER_WAY, Stage.REPORTED, _FIELD, ("note",)),
    Transition(Step.REPORT, OPEN[:4], Stage.REPORTED, (Party.SENSOR,)),
    Transition(Step.VERIFY, (Stage.REPORTED,), Stage.VERIFIED, (*_DESK, Party.SENSOR)),
    Transition(Step.RETURN_FOR_REWORK, (Stage.REPORTED,), Stage.DISPATCHED, _DESK, ("reason",)),
    Transition(Step.EVALUATE, (Stage.VERIFIED,), Stage.EVALUATED, _DESK),
    Transition(Step.REDISPATCH, UNDER_WAY, Stage.DISPATCHED, _DESK, ("department", "reason")),
    Transition(Step.ASK_EXTENSION, UNDER_WAY, None, _FIELD, ("deadline_ms", "reason")),
    Transition(Step.EXTEND, UNDER_WAY, None, _DESK, ("deadline_ms",)),
    Transition(Step.REFUSE_EXTENSION, UNDER_WAY, None, _DESK, ("reason",)),
    Transition(Step.VOID, OPEN, Stage.VOIDED, _DESK, ("reason",)),
    Transition(Step.MERGE, OPEN, Stage.VOIDED, _DESK, ("other",)),
    Transition(Step.REWORK, (Stage.REPORTED, *CLOSED[:2]), Stage.DISPATCHED, (Party.SENSOR,), ("reason",)),
    Transition(Step.RELAPSE, (Stage.REPORTED,), None, (Party.SENSOR,), back=True),
)
"""The whole table. What has no row here is not allowed."""


def party_of(actor: Actor) -> Party:
    """Say what somebody is in a case's life: a person who is called as a sensor is stays a person."""
    if actor is PLATFORM:
        return Party.PLATFORM
    if actor is SENSOR:
        return Party.SENSOR
    return Party.CENTRE if actor is CENTRE else Party(str(actor.role))


def transition(step: Step, stage: Stage, party: Party) -> Transition:
    """Return the row that allows it; CaseError says from where, or who else, it is allowed."""
    rows = [row for row in LIFE if row.step is step]
    fitting = [row for row in rows if party in row.parties]
    for row in fitting:
        if stage in row.stages:
            return row
    if not fitting:
        others = sorted({str(each) for row in rows for each in row.parties})
        raise CaseError("not_yours", step=step, party=party, parties=others)
    stages = [each for each in Stage if any(each in row.stages for row in fitting)]
    raise CaseError("wrong_stage", step=step, stage=stage, stages=[str(each) for each in stages])
