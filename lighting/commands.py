"""Which command a lamp is under: the override that holds, else what its timeline says (TALQ's Command)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from lighting.documents import Override
from lighting.timeline import Gate, Step


class Reason(StrEnum):
    """What a command comes from, by TALQ's names."""

    DEFAULT = "default"
    OVERRIDE = "override"
    SENSOR = "sensor"
    PROGRAM = "program"


class Command(NamedTuple):
    """A level with where it comes from; ``expiration_ms`` is when an override ends, None for the others."""

    level: int
    reason: Reason
    start_ms: int
    expiration_ms: int | None = None
    told: str = ""
    """What people read: the override's reason, or the program's id."""


def command(
    step: Step,
    opened: Mapping[Gate, bool | None],
    overrides: Sequence[Override],
    lamp: str,
    now_ms: int,
) -> Command:
    """Return the command that a lamp is under at ``now_ms``; ``step`` is the one its timeline has then."""
    for override in reversed(overrides):
        if lamp in override.lamps and override.start_ms <= now_ms < override.expiration_ms:
            return Command(
                override.level, Reason.OVERRIDE, override.start_ms, override.expiration_ms, override.reason
            )
    sensed = any(opened.get(gate) is not None for gate in step.gates)
    reason = Reason.SENSOR if sensed else Reason.PROGRAM
    return Command(step.level_where(opened), reason, step.start_ms, None, step.program)
