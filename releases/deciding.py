"""What becomes of a release on trial. Pure.

A release put in force beside one that works is on trial until the gateway that runs out of it has proved
itself. Each start without that proof is counted; after the last the one before it is taken up again.
"""

from dataclasses import dataclass
from enum import StrEnum

STARTS_MAX = 3


@dataclass(frozen=True)
class Trial:
    """A release that has been put in force, the one to go back to, and how often it was started."""

    release: str
    previous: str
    starts: int = 0


class Verdict(StrEnum):
    """What is to be done before a start."""

    NOTHING = "nothing"
    FORGET = "forget"  # the power was cut before the switch, or after the way back: there is no trial
    CONFIRM = "confirm"
    COUNT = "count"
    ROLL_BACK = "roll_back"


def decide(trial: Trial | None, *, current: str, proved: str, complete: frozenset[str]) -> Verdict:
    """Return the verdict; ``proved`` is the release that proved itself last, ``complete`` are those there."""
    if trial is None:
        return Verdict.NOTHING
    if trial.release != current:
        return Verdict.FORGET
    if proved == trial.release:
        return Verdict.CONFIRM
    if trial.starts >= STARTS_MAX and trial.previous in complete:
        return Verdict.ROLL_BACK
    return Verdict.COUNT


def kept(names: frozenset[str], *, current: str, previous: str, trial: Trial | None) -> frozenset[str]:
    """Return the releases that are needed: in force, to go back to, on trial."""
    wanted = {current, previous}
    if trial is not None:
        wanted |= {trial.release, trial.previous}
    return names & wanted
