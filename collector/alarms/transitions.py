"""The transition tables of an alarm's life (ISA-18.2, OPC UA Part 9), as data.

What is at the source (phase) and what keeps it from being annunciated (shelving, suppression, out of service)
are orthogonal. ``lifecycle`` puts them together, and the tests walk along them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

State = TypeVar("State", bound=StrEnum)
Turned = TypeVar("Turned", bound=StrEnum)


class Phase(StrEnum):
    """Where the condition stands, by ISA-18.2."""

    NORM = "NORM"
    UNACK = "UNACK"
    ACKED = "ACKED"
    RTNUN = "RTNUN"  # returned to normal, unacknowledged
    LATCHED_UNACK = "LATCHED_UNACK"  # returned to normal, and waits for a reset
    LATCHED_ACKED = "LATCHED_ACKED"


class Shelving(StrEnum):
    """Whether somebody has put it aside for a time."""

    UNSHELVED = "unshelved"
    TIMED = "timed"
    ONE_SHOT = "one_shot"  # until it returns to normal


class Happening(StrEnum):
    """What moves it."""

    RAISED = "raised"
    CLEARED = "cleared"
    CHATTERING_BEGAN = "chattering_began"
    CHATTERING_ENDED = "chattering_ended"
    ACKNOWLEDGED = "acknowledged"
    RESET = "reset"
    SHELVED = "shelved"
    SHELVED_ONE_SHOT = "shelved_one_shot"
    UNSHELVED = "unshelved"
    SHELVING_EXPIRED = "shelving_expired"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"


class Turn(StrEnum):
    """What a happening is to the phase."""

    RAISED = "raised"
    WORSE = "raised more severe"
    CLEARED = "cleared"
    CLEARED_LATCHING = "cleared, latching"
    ACKNOWLEDGED = "acknowledged"
    RESET = "reset"
    RETURNED = "nothing keeps it quiet any more"


class ShelvingTurn(StrEnum):
    """What a happening is to the shelving."""

    TIMED = "shelved for a time"
    ONE_SHOT = "shelved until normal"
    UNSHELVED = "unshelved"
    EXPIRED = "its time is over"
    NORMAL = "returned to normal"
    ESCALATED = "became the highest priority"


def _grid(
    turns: type[Turned], rows: Mapping[State, tuple[State | None, ...]]
) -> dict[tuple[State, Turned], State]:
    """Lay a table out by state and turn; None is refused."""
    return {
        (state, turn): to
        for state, row in rows.items()
        for turn, to in zip(turns, row, strict=True)
        if to is not None
    }


NORM, UNACK, ACKED, RTNUN, LATCH_U, LATCH_A = Phase
NEVER = None
# fmt: off
PHASES: Mapping[tuple[Phase, Turn], Phase] = _grid(Turn, {
    #        raised worse  cleared  latching acknowledged reset  returned
    NORM:    (UNACK, UNACK, NEVER,   NEVER,   NEVER,   NEVER, NORM),
    UNACK:   (UNACK, UNACK, RTNUN,   LATCH_U, ACKED,   NEVER, UNACK),
    ACKED:   (ACKED, UNACK, NORM,    LATCH_A, NEVER,   NEVER, UNACK),
    RTNUN:   (UNACK, UNACK, NEVER,   NEVER,   NORM,    NEVER, NORM),
    LATCH_U: (UNACK, UNACK, NEVER,   NEVER,   LATCH_A, RTNUN, LATCH_U),
    LATCH_A: (UNACK, UNACK, NEVER,   NEVER,   NEVER,   NORM,  LATCH_U),
})
"""Where each turn leads; what is not here is refused."""

OPEN, TIMED, ONE_SHOT = Shelving
SHELVING: Mapping[tuple[Shelving, ShelvingTurn], Shelving] = _grid(ShelvingTurn, {
    #         for a time, until normal, unshelved, expired, normal, highest
    OPEN:     (TIMED, ONE_SHOT, NEVER, NEVER, OPEN,  OPEN),
    TIMED:    (TIMED, ONE_SHOT, OPEN,  OPEN,  TIMED, OPEN),
    ONE_SHOT: (TIMED, ONE_SHOT, OPEN,  OPEN,  OPEN,  OPEN),
})
# fmt: on
