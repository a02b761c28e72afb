"""From what shows to what is likely wrong: a table of judgements, and a ranking. Pure.

``WEIGHTS`` says how much each symptom speaks for each cause; symptoms add up. What a person should try next
is worded elsewhere, in both languages. Where no cause stands out, that is said.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from edge.commissioning.symptoms import Symptom


class Cause(StrEnum):
    """What may be wrong."""

    PORT_MISSING = "port_missing"
    PORT_BUSY = "port_busy"
    NO_POWER_OR_CUT = "no_power_or_cut"
    SWAPPED_WIRES = "swapped_wires"
    WRONG_BAUD = "wrong_baud"
    WRONG_PARITY = "wrong_parity"
    WRONG_MODE = "wrong_mode"
    WRONG_UNIT = "wrong_unit"
    ADDRESS_CONFLICT = "address_conflict"
    OTHER_MASTER = "other_master"
    ECHO = "echo"
    LATE_ANSWERS = "late_answers"
    NOISE = "noise"
    MISSING_TERMINATION = "missing_termination"
    FLOATING_LINE = "floating_line"
    DIRECTION = "direction"
    REPEATED = "repeated"
    LOOSE_CONTACT = "loose_contact"
    WRONG_PROFILE = "wrong_profile"
    OTHER_PROTOCOL = "other_protocol"
    SLOW_ADAPTER = "slow_adapter"


C = Cause
WEIGHTS: dict[str, dict[Cause, float]] = {
    "port_missing": {C.PORT_MISSING: 10},
    "port_busy": {C.PORT_BUSY: 10},
    "silent": {
        C.NO_POWER_OR_CUT: 3,
        C.WRONG_UNIT: 1.6,
        C.SWAPPED_WIRES: 1.4,
        C.WRONG_BAUD: 1.2,
        C.WRONG_PARITY: 1.0,
        C.WRONG_MODE: 0.3,
    },
    "nobody_answers": {C.SWAPPED_WIRES: 2.2, C.NO_POWER_OR_CUT: 1.5, C.WRONG_BAUD: 0.8, C.WRONG_PARITY: 0.4},
    "breaks": {C.SWAPPED_WIRES: 4, C.FLOATING_LINE: 2.5},
    "answers_at_other_baud": {C.WRONG_BAUD: 9},
    "answers_with_other_parity": {C.WRONG_PARITY: 9},
    "answers_in_other_mode": {C.WRONG_MODE: 9},
    "answers_at_other_unit": {C.WRONG_UNIT: 6},
    "sometimes_silent": {C.LOOSE_CONTACT: 3.5, C.NO_POWER_OR_CUT: 2, C.NOISE: 1.5, C.LATE_ANSWERS: 1},
    "garbled": {C.ADDRESS_CONFLICT: 4, C.NOISE: 2.5, C.MISSING_TERMINATION: 2.4, C.WRONG_PARITY: 1},
    "sometimes_garbled": {
        C.NOISE: 4,
        C.MISSING_TERMINATION: 3.5,
        C.LOOSE_CONTACT: 1.5,
        C.ADDRESS_CONFLICT: 1,
    },
    "several_garbled": {C.NOISE: 1.5, C.MISSING_TERMINATION: 1.6, C.FLOATING_LINE: 0.3},
    "tail_lost": {C.DIRECTION: 3, C.LOOSE_CONTACT: 2, C.NO_POWER_OR_CUT: 1, C.NOISE: 0.8},
    "head_lost": {C.DIRECTION: 5, C.FLOATING_LINE: 1.5},
    "floating": {C.FLOATING_LINE: 5, C.MISSING_TERMINATION: 2, C.DIRECTION: 1.5},
    "garbage_around": {C.NOISE: 3, C.FLOATING_LINE: 2.5, C.MISSING_TERMINATION: 2, C.OTHER_MASTER: 0.5},
    "late": {C.LATE_ANSWERS: 6, C.SLOW_ADAPTER: 1},
    "other_unit": {C.OTHER_MASTER: 3, C.OTHER_PROTOCOL: 2.5, C.LATE_ANSWERS: 1},
    "other_form": {C.OTHER_PROTOCOL: 4, C.OTHER_MASTER: 2, C.LATE_ANSWERS: 1.5},
    "other_frames": {C.OTHER_MASTER: 5, C.ADDRESS_CONFLICT: 2},
    "answered_twice": {C.REPEATED: 5, C.ADDRESS_CONFLICT: 3},
    "two_answers": {C.ADDRESS_CONFLICT: 6, C.OTHER_MASTER: 2, C.LATE_ANSWERS: 1},
    "refuses": {C.WRONG_PROFILE: 6, C.WRONG_UNIT: 2},
    "foreign_requests": {C.OTHER_MASTER: 9},
    "frames_unasked": {C.OTHER_MASTER: 5, C.LATE_ANSWERS: 2},
    "bytes_unasked": {C.NOISE: 3, C.FLOATING_LINE: 3, C.OTHER_MASTER: 2, C.WRONG_BAUD: 1},
    "echo": {C.ECHO: 5, C.DIRECTION: 1},
    "adapter_keeps_back": {C.SLOW_ADAPTER: 3, C.LATE_ANSWERS: 0.5},
}
DECISIVE = frozenset({"foreign_requests", "two_answers", "answered_twice", "other_frames", "head_lost"})
"""Symptoms that chance does not bring: once is enough."""
LEAST_SHARE = 0.25
"""What was seen seldom still speaks so much."""
CLEAR = 1.25
"""The first cause stands out where it weighs so much more than the second."""
TOLD_MAX = 6


class Likely(msgspec.Struct, frozen=True):
    """A cause, what speaks for it, and which units it concerns (none: the line)."""

    cause: Cause
    weight: float
    units: list[int]
    because: list[Symptom]


class Diagnosis(msgspec.Struct, frozen=True):
    """Causes, the likeliest first. ``clear``: the bytes tell the first from the others; else nobody can."""

    causes: list[Likely]
    clear: bool

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.causes


def diagnosed(found: Iterable[Symptom]) -> Diagnosis:
    """Rank what may be wrong."""
    weights: dict[Cause, dict[int, float]] = {}
    because: dict[Cause, list[Symptom]] = {}
    for symptom in found:
        for cause, weight in WEIGHTS[symptom.kind].items():
            speaks = weight * (1.0 if symptom.kind in DECISIVE else max(LEAST_SHARE, symptom.share))
            of_units = weights.setdefault(cause, {})
            of_units[symptom.unit_id] = of_units.get(symptom.unit_id, 0.0) + speaks
            because.setdefault(cause, []).append(symptom)
    ranked = sorted(
        (
            Likely(cause, round(_weight(of_units), 2), sorted(set(of_units) - {0}), because[cause])
            for cause, of_units in weights.items()
        ),
        key=lambda each: (-each.weight, each.cause),
    )
    clear = len(ranked) == 1 or (len(ranked) > 1 and ranked[0].weight >= CLEAR * ranked[1].weight)
    return Diagnosis(ranked[:TOLD_MAX], clear)


def _weight(of_units: dict[int, float]) -> float:
    """The line's own symptoms, and those of the unit that shows most: ten silent units are one cut wire."""
    units = [weight for unit, weight in of_units.items() if unit]
    return of_units.get(0, 0.0) + max(units, default=0.0)
