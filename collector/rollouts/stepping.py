"""What a rollout does next, from how its targets stand. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class RolloutState(StrEnum):
    """How a rollout stands."""

    RUNNING = "running"
    STOPPED = "stopped"  # by a person, or by failures: nothing more is pushed
    DONE = "done"


class TargetState(StrEnum):
    """How a gateway of a rollout stands."""

    WAITING = "waiting"  # its wave has not come
    PUSHED = "pushed"
    IN_FORCE = "in_force"
    FAILED = "failed"
    ABSENT = "absent"  # it has not answered for so long that nobody waits; what was pushed stays wanted


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway; waves count from 0."""

    gateway: str
    wave: int
    state: TargetState


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done: gateways to push to now, or an end with its reason."""

    push: tuple[str, ...] = ()
    end: RolloutState | None = None
    reason: str = ""


def step(targets: Sequence[Target], failures_max: int) -> Step:
    """Return the next step; more failures than ``failures_max`` stop it."""
    failed = sorted(each.gateway for each in targets if each.state is TargetState.FAILED)
    if len(failed) > failures_max:
        told = f"{len(failed)} of {len(targets)} failed, {failures_max} may: {', '.join(failed[:5])}"
        return Step(end=RolloutState.STOPPED, reason=told)
    unfinished = (TargetState.WAITING, TargetState.PUSHED)
    open_waves = {each.wave for each in targets if each.state in unfinished}
    if not open_waves:
        return Step(end=RolloutState.DONE)
    current = [each for each in targets if each.wave == min(open_waves)]
    return Step(push=tuple(each.gateway for each in current if each.state is TargetState.WAITING))


def waves(gateways: Sequence[str], sizes: Sequence[int]) -> list[tuple[str, int]]:
    """Return each gateway with its wave: so many in each, the rest in one more."""
    found: list[tuple[str, int]] = []
    begin = 0
    for wave, size in enumerate(sizes):
        found += [(gateway, wave) for gateway in gateways[begin : begin + size]]
        begin += size
    return found + [(gateway, len(sizes)) for gateway in gateways[begin:]]
