"""Events: what happened and must not be missed. They travel in their own lane, which drains first.

An alarm's ``id`` belongs to one occurrence: a cleared alarm never becomes active again, a new one is made.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from contract.names import Mark, Name, Text, TimeMs
from contract.samples import ClockState, Value

EventId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]


class Priority(StrEnum):
    """Alarm priority by ISA-18.2, low to highest."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    HIGHEST = "highest"


class AlarmRaised(msgspec.Struct, frozen=True, tag="alarm_raised"):
    """A declared condition became active.

    ``rule`` is the declared alarm's name and ``problem`` the problem class it stands for; ``part`` is the
    16-digit code of the city part (GB/T 30428.2) that the device watches, empty if none is declared.
    """

    id: EventId
    time_ms: TimeMs
    rule: Name
    device: Name
    point: Name
    problem: Name
    priority: Priority
    message: Text
    part: Text = ""
    value: Value = None
    limit: float | None = None
    clock: ClockState = ClockState.SYNCHRONISED


class AlarmCleared(msgspec.Struct, frozen=True, tag="alarm_cleared"):
    """The condition of alarm ``id`` returned to normal."""

    id: EventId
    time_ms: TimeMs
    rule: Name
    device: Name
    point: Name
    value: Value = None
    clock: ClockState = ClockState.SYNCHRONISED


class ControlAction(StrEnum):
    """What a control did, or declined to do."""

    STARTED = "started"
    STOPPED = "stopped"
    INHIBITED = "inhibited"  # its start condition held, but an inhibit did too
    FAILED = "failed"  # the output did not follow the command
    LOCKED_OUT = "locked_out"  # it ran without effect too often


class ControlChanged(msgspec.Struct, frozen=True, tag="control_changed"):
    """A declared control acted; ``reason`` names the deciding condition with its values."""

    id: EventId
    time_ms: TimeMs
    control: Name
    device: Name
    point: Name
    action: ControlAction
    reason: Text
    clock: ClockState = ClockState.SYNCHRONISED


class CommandOutcome(StrEnum):
    """How a command ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"  # interrupted between persisting and proof


class CommandResult(msgspec.Struct, frozen=True, tag="command_result"):
    """The answer to command ``command_id``; ``value`` is what was read back."""

    id: EventId
    time_ms: TimeMs
    command_id: EventId
    outcome: CommandOutcome
    reason: Text = ""
    value: Value = None
    clock: ClockState = ClockState.SYNCHRONISED


UNSET = ", by a clock that was not set"
"""Ends the reason of a gap whose times are from before a synchronisation, and could not be put right."""


class Gap(msgspec.Struct, frozen=True, tag="gap"):
    """Something that will never arrive; ``count`` is None where nobody can know it."""

    id: EventId
    time_ms: TimeMs
    origin: Name
    reason: Text
    from_ms: TimeMs
    to_ms: TimeMs
    first_sequence: Mark = 0
    last_sequence: Mark = 0
    count: Mark | None = None
    clock: ClockState = ClockState.SYNCHRONISED


class ClockStepped(msgspec.Struct, frozen=True, tag="clock_stepped"):
    """The gateway's time was, and was then found to be; ``before`` and ``clock`` say what either is worth.

    Where ``to_ms`` is earlier and ``clock`` is holdover, times go on slowly until they are right again.
    """

    id: EventId
    time_ms: TimeMs
    from_ms: TimeMs
    to_ms: TimeMs
    before: ClockState
    clock: ClockState = ClockState.SYNCHRONISED


Event = AlarmRaised | AlarmCleared | ControlChanged | CommandResult | Gap | ClockStepped
