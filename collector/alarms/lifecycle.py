"""The life of an alarm source at the centre, pure: ISA-18.2's states in OPC UA Part 9's names.

``transitions`` has the tables; ``step`` puts what is at the source and what keeps it quiet together.
"""

from dataclasses import dataclass, replace

from collector.alarms.transitions import PHASES, SHELVING, Happening, Phase, Shelving, ShelvingTurn, Turn
from contract.events import Priority

PRIORITIES = tuple(Priority)
"""Low to highest."""
MAINTENANCE = "maintenance"
"""The one reason for which people may suppress what has the highest priority: planned work."""


class LifecycleError(ValueError):
    """The life does not allow it; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a source stands. ``source_active`` is what it says; while it chatters, the alarm stands."""

    phase: Phase = Phase.NORM
    priority: Priority = Priority.LOW
    source_active: bool = False
    chattering: bool = False
    shelving: Shelving = Shelving.UNSHELVED
    shelved_until_ms: int | None = None
    suppressed: frozenset[str] = frozenset()
    out_of_service: bool = False

    @property
    def active(self) -> bool:
        """Say whether the alarm is active."""
        return self.phase in (Phase.UNACK, Phase.ACKED)

    @property
    def acked(self) -> bool:
        """Say whether nobody needs to acknowledge it."""
        return self.phase in (Phase.NORM, Phase.ACKED, Phase.LATCHED_ACKED)

    @property
    def latched(self) -> bool:
        """Say whether it is over, and waits for a reset."""
        return self.phase in (Phase.LATCHED_UNACK, Phase.LATCHED_ACKED)

    @property
    def quiet(self) -> bool:
        """Say whether something keeps it from being annunciated."""
        return bool(self.shelving is not Shelving.UNSHELVED or self.suppressed or self.out_of_service)


def phase_of(*, active: bool, acked: bool, latched: bool) -> Phase:
    """Return the phase by OPC UA's three."""
    if active:
        return Phase.ACKED if acked else Phase.UNACK
    if latched:
        return Phase.LATCHED_ACKED if acked else Phase.LATCHED_UNACK
    return Phase.NORM if acked else Phase.RTNUN


def step(
    before: Standing,
    happening: Happening,
    *,
    priority: Priority = Priority.LOW,
    latching: bool = False,
    until_ms: int | None = None,
    reason: str = "",
) -> Standing:
    """Return where ``happening`` leads; LifecycleError where it is not allowed.

    ``priority`` is of what is RAISED, ``latching`` of what is CLEARED, ``until_ms`` of both ways of shelving,
    ``reason`` of suppression. Whatever ends the last thing that kept it quiet makes it go by its current
    condition: an active one is unacknowledged again.
    """
    after = _moved(before, happening, priority, latching, until_ms, reason)
    if before.quiet and not after.quiet:
        after = replace(after, phase=PHASES[after.phase, Turn.RETURNED])
    return after


def annunciates(before: Standing, after: Standing) -> bool:
    """Say whether people are to be told of it: it is unacknowledged, and was not, or was kept from them."""
    if after.quiet or after.phase not in (Phase.UNACK, Phase.LATCHED_UNACK):
        return False
    worse = PRIORITIES.index(after.priority) > PRIORITIES.index(before.priority) and after.active
    return before.quiet or before.phase is not after.phase or worse


def _moved(
    before: Standing,
    happening: Happening,
    priority: Priority,
    latching: bool,
    until_ms: int | None,
    reason: str,
) -> Standing:
    match happening:
        case Happening.RAISED:
            after = _raised(before, priority)
        case Happening.CLEARED:
            after = _cleared(replace(before, source_active=False), latching)
        case Happening.CHATTERING_BEGAN:
            after = replace(before, chattering=True, phase=PHASES[before.phase, Turn.WORSE])
        case Happening.CHATTERING_ENDED:
            after = _cleared(replace(before, chattering=False), latching)
        case Happening.ACKNOWLEDGED:
            after = _turned(before, Turn.ACKNOWLEDGED, "there is nothing to acknowledge")
        case Happening.RESET:
            after = _turned(before, Turn.RESET, "it is not latched, so there is nothing to reset")
        case Happening.SHELVED | Happening.SHELVED_ONE_SHOT:
            after = _shelved(before, happening, until_ms)
        case Happening.UNSHELVED:
            after = _unshelved(before, ShelvingTurn.UNSHELVED)
        case Happening.SHELVING_EXPIRED:
            after = _unshelved(before, ShelvingTurn.EXPIRED)
        case Happening.SUPPRESSED | Happening.UNSUPPRESSED:
            after = _suppression(before, happening, reason)
        case Happening.OUT_OF_SERVICE | Happening.IN_SERVICE:
            after = _service(before, out=happening is Happening.OUT_OF_SERVICE)
    return after


def _raised(before: Standing, priority: Priority) -> Standing:
    worse = PRIORITIES.index(priority) > PRIORITIES.index(before.priority)
    after = replace(
        before,
        phase=PHASES[before.phase, Turn.WORSE if worse else Turn.RAISED],
        priority=priority,
        source_active=True,
    )
    return _unshelved(after, ShelvingTurn.ESCALATED) if priority is Priority.HIGHEST else after


def _cleared(before: Standing, latching: bool) -> Standing:
    """It is over, unless it still chatters or is still active at its source."""
    if not before.active or before.source_active or before.chattering:
        return before
    turn = Turn.CLEARED_LATCHING if latching else Turn.CLEARED
    return _unshelved(replace(before, phase=PHASES[before.phase, turn]), ShelvingTurn.NORMAL)


def _turned(before: Standing, turn: Turn, refusal: str) -> Standing:
    to = PHASES.get((before.phase, turn))
    if to is None:
        raise LifecycleError(refusal)
    return replace(before, phase=to)


def _shelved(before: Standing, happening: Happening, until_ms: int | None) -> Standing:
    if before.priority is Priority.HIGHEST:
        raise LifecycleError("its priority is the highest, which cannot be shelved; acknowledge it instead")
    if happening is Happening.SHELVED_ONE_SHOT and not before.active:
        raise LifecycleError(
            "it is not active, so it cannot be shelved until it returns to normal; shelve it for a time"
        )
    turn = ShelvingTurn.TIMED if happening is Happening.SHELVED else ShelvingTurn.ONE_SHOT
    return replace(before, shelving=SHELVING[before.shelving, turn], shelved_until_ms=until_ms)


def _unshelved(before: Standing, turn: ShelvingTurn) -> Standing:
    to = SHELVING.get((before.shelving, turn))
    if to is None:
        raise LifecycleError("it is not shelved")
    return replace(
        before,
        shelving=to,
        shelved_until_ms=before.shelved_until_ms if to is not Shelving.UNSHELVED else None,
    )


def _suppression(before: Standing, happening: Happening, reason: str) -> Standing:
    if happening is Happening.SUPPRESSED:
        if reason in before.suppressed:
            raise LifecycleError(f"it is suppressed already: {reason}")
        return replace(before, suppressed=before.suppressed | {reason})
    if reason not in before.suppressed:
        standing = ", ".join(sorted(before.suppressed)) or "it is not suppressed at all"
        raise LifecycleError(f"it is not suppressed by {reason!r}: {standing}")
    return replace(before, suppressed=before.suppressed - {reason})


def _service(before: Standing, *, out: bool) -> Standing:
    if before.out_of_service is out:
        raise LifecycleError("it is out of service already" if out else "it is in service")
    return replace(before, out_of_service=out)
