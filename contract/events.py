"""Events: what happened and must not be missed. They travel in their own lane, which drains first.

An alarm's ``id`` belongs to one occurrence: a cleared alarm never becomes active again, a new one is made.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from contract.commands import CommandRefusal
from contract.desired import Outcome, Refusal
from contract.limits import INTEGER_MAX, LAMP_CHANGES_MAX, LAMP_FAILURES_MAX
from contract.names import Mark, Name, NameOrNone, Text, TimeMs
from contract.samples import ClockState, Value

EventId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
DigestOrNone = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{32})?\Z")]
Count = Annotated[int, msgspec.Meta(ge=1, le=INTEGER_MAX)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=2 * 86400)]
"""Of a night, whole seconds."""
Energy = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
LampChanges = Annotated[list["LampChange"], msgspec.Meta(max_length=LAMP_CHANGES_MAX)]
"""The first of a night; where there were more, the last of them stands for the rest."""


class Priority(StrEnum):
    """Alarm priority by ISA-18.2, low to highest."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    HIGHEST = "highest"


class AlarmRaised(msgspec.Struct, frozen=True, tag="alarm_raised", omit_defaults=True):
    """A declared condition became active.

    ``rule`` is the declared alarm's name and ``problem`` the problem class it stands for; ``part`` is the
    16-digit code of the city part (GB/T 30428.2) that the device watches, empty if none is declared.
    ``condition`` says which one of the rule's it is (high_high, high, low, low_low, rate, deviation,
    discrete, stale, flatline, baseline), empty for what is no rule's. ``planned``: its device was under
    maintenance, so nobody is to be told, and no case is made of it.
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
    condition: NameOrNone = ""
    planned: bool = False


class AlarmCleared(msgspec.Struct, frozen=True, tag="alarm_cleared", omit_defaults=True):
    """The condition of alarm ``id`` returned to normal, or it ended for another ``reason``."""

    id: EventId
    time_ms: TimeMs
    rule: Name
    device: Name
    point: Name
    value: Value = None
    clock: ClockState = ClockState.SYNCHRONISED
    reason: Text = ""


class MaintenanceChanged(msgspec.Struct, frozen=True, tag="maintenance_changed", omit_defaults=True):
    """Planned work at a device began, is to end at another time, or ended (``until_ms`` 0)."""

    id: EventId
    time_ms: TimeMs
    device: Name
    until_ms: TimeMs = 0
    who: Text = ""
    clock: ClockState = ClockState.SYNCHRONISED


class Holder(StrEnum):
    """Who says what an output does; the order is the order of precedence, highest first."""

    LOCK = "lock"  # the local maintenance lock: it never ends by itself
    INHIBIT = "inhibit"  # a safety inhibit
    LOCAL = "local"  # somebody at the cabinet
    CENTRE = "centre"  # somebody at the centre; always ends
    RULE = "rule"  # the declared conditions


class ControlAction(StrEnum):
    """What a control did, or declined to do."""

    STARTED = "started"
    STOPPED = "stopped"
    SWITCHED = "switched"  # the output reads back as commanded
    INHIBITED = "inhibited"  # its start condition held, but an inhibit did too
    FAILED = "failed"  # the output did not follow the command, or does not answer
    FOUND = "found"  # the output reads otherwise than anybody here has commanded
    PROVED = "proved"  # a point shows the effect of a run
    NO_EFFECT = "no_effect"  # it does not
    LOCKED_OUT = "locked_out"  # it ran without effect too often
    OVER_BUDGET = "over_budget"  # the day's runs or running time are used up
    TOOK_OVER = "took_over"  # the other of two outputs, for one that failed
    HELD = "held"  # by hand, or from the centre
    RELEASED = "released"
    LOCKED = "locked"  # for maintenance
    UNLOCKED = "unlocked"


class ControlChanged(msgspec.Struct, frozen=True, tag="control_changed", omit_defaults=True):
    """A declared control acted; ``reason`` names the deciding condition with its values.

    ``holder`` is who holds the output from now on, ``who`` the person where it is one. ``cause`` is the id of
    the run, or of the command that holds it: what belongs to one run has one. ``sent`` is what is sent with
    this, ``read_back`` what the output read last.
    """

    id: EventId
    time_ms: TimeMs
    control: Name
    device: Name
    point: Name
    action: ControlAction
    reason: Text
    clock: ClockState = ClockState.SYNCHRONISED
    holder: Holder = Holder.RULE
    who: Text = ""
    cause: DigestOrNone = ""
    sent: Value = None
    read_back: Value = None


class CommandOutcome(StrEnum):
    """How a command ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"  # interrupted between persisting and proof


class CommandResult(msgspec.Struct, frozen=True, tag="command_result", omit_defaults=True):
    """The answer to command ``command_id``, or to ``count`` messages on its topic; ``value`` was read back.

    ``command_id`` is empty where no key vouches for one; ``digest`` is that of the message, so that its
    centre knows a command of its own. ``refusal`` "replayed" with an outcome other than refused answers a
    command that came again.
    """

    id: EventId
    time_ms: TimeMs
    command_id: DigestOrNone
    outcome: CommandOutcome
    reason: Text = ""
    value: Value = None
    clock: ClockState = ClockState.SYNCHRONISED
    refusal: CommandRefusal | None = None
    digest: DigestOrNone = ""
    count: Count = 1


class WriteOutcome(StrEnum):
    """How far the writing of a point by hand has come."""

    BEGUN = "begun"  # on record before anything is sent
    DONE = "done"  # the point reads back as written
    FAILED = "failed"  # it does not, or nobody answers: ``reason`` says which


class PointWritten(msgspec.Struct, frozen=True, tag="point_written", omit_defaults=True):
    """Somebody at the cabinet wrote ``value`` to a point that no control and no lamp has.

    ``former`` is what it read before, ``read_back`` what it read after; None where it could not be read.
    The events of one writing have one ``cause``.
    """

    id: EventId
    time_ms: TimeMs
    device: Name
    point: Name
    outcome: WriteOutcome
    cause: EventId
    value: Value
    who: Text = ""
    former: Value = None
    read_back: Value = None
    reason: Text = ""
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


class DesiredReport(msgspec.Struct, frozen=True, tag="desired_report", omit_defaults=True):
    """What became of a desired document, or of ``count`` messages that were refused for one reason.

    ``digest`` is that of the JWS, ``sequence`` the document's, 0 where nobody vouches for it; of several
    messages they are those of one. ``kind`` is "unknown" where the topic named none of ours. ``refusal``
    "replayed" with an outcome other than refused answers a document that came again. ``highest`` is the
    highest sequence ever taken here, and ``highest_issued_ms`` when the centre issued it: a centre that knows
    less numbers on from there.
    """

    id: EventId
    time_ms: TimeMs
    kind: Name
    outcome: Outcome
    sequence: Mark = 0
    digest: DigestOrNone = ""
    refusal: Refusal | None = None
    reason: Text = ""
    count: Count = 1
    highest: Mark = 0
    highest_issued_ms: TimeMs = 0
    clock: ClockState = ClockState.SYNCHRONISED


class LampChange(msgspec.Struct, frozen=True, array_like=True):
    """A level in per cent, from when on, and its reason (TALQ: default, override, sensor, program)."""

    at_ms: TimeMs
    level: Percent
    reason: Name


class LampNight(msgspec.Struct, frozen=True, tag="lamp_night"):
    """One lamp in one night, noon to noon: planned, commanded, measured, corrected. Told at its end.

    A gateway that stops tells it so far. Told again under the same ``id`` it has all of that and more: of
    several the one with the latest ``time_ms`` stands.

    ``should_s`` is how long it was to burn, but for the time in which it was seen without power because its
    circuit was to be off; of it the lamp was seen to burn for ``lit_s`` and seen dark for
    ``dark_s``; nobody saw the rest (no answer, no power, the gateway was off). ``astray_s`` is how long it
    was seen to burn while it was to be off. ``baseline_wh`` is what it would have taken at full light from
    sunset to sunrise, as far as it is known what it took; 0 where its rated power is not declared.
    ``energy_wh`` is None where nobody measured.
    A circuit ``feeds`` so many lamps that have records of their own.
    """

    id: EventId
    time_ms: TimeMs
    lamp: Name
    device: Name
    night: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
    plan: Mark
    planned: LampChanges
    commanded: LampChanges
    measured: LampChanges
    should_s: Seconds
    lit_s: Seconds
    dark_s: Seconds
    astray_s: Seconds
    unpowered_s: Seconds
    corrected: Mark
    energy_wh: Energy | None = None
    baseline_wh: Energy = 0
    failures: Annotated[list[Name], msgspec.Meta(max_length=LAMP_FAILURES_MAX)] = []
    part: Text = ""
    clock: ClockState = ClockState.SYNCHRONISED
    feeds: Mark = 0


Event = (
    AlarmRaised
    | AlarmCleared
    | ControlChanged
    | CommandResult
    | Gap
    | ClockStepped
    | DesiredReport
    | LampNight
    | MaintenanceChanged
    | PointWritten
)
