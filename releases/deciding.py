"""What becomes of a release on trial. Pure.

A release put in force beside one that works is on trial until the gateway that runs out of it has proved
itself. Each start without that proof is counted; after the last the one before it is taken up again.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

STARTS_MAX = 3
PROOF_S_MAX = 180.0
"""From the start of a new release to its proof; it must have been at work for 20 s of it."""
CONTACT_S_MAX = 120.0
"""And so long more until it has contact, where the one before it had."""


class Proof(NamedTuple):
    """Which release has proved itself last, and whether it had contact with the centre; "" where none has."""

    release: str = ""
    contact: bool = False


@dataclass(frozen=True)
class Trial:
    """A release that has been put in force, the one to go back to, and how often it was started."""

    release: str
    previous: str
    starts: int = 0
    needs_contact: bool = False
    """Whether it must reach the centre to prove itself, as the one before did."""

    def is_proved_by(self, proof: Proof) -> bool:
        """Say whether this is its proof, and a whole one."""
        return proof.release == self.release and (proof.contact or not self.needs_contact)


class Verdict(StrEnum):
    """What is to be done before a start."""

    NOTHING = "nothing"
    FORGET = "forget"  # the power was cut before the switch, or after the way back: there is no trial
    CONFIRM = "confirm"
    COUNT = "count"
    ROLL_BACK = "roll_back"


def decide(trial: Trial | None, *, current: str, proof: Proof, complete: frozenset[str]) -> Verdict:
    """Return the verdict before a start; ``complete`` are the releases that are there."""
    if trial is None:
        return Verdict.NOTHING
    if trial.release != current:
        return Verdict.FORGET
    if trial.is_proved_by(proof):
        return Verdict.CONFIRM
    if trial.starts >= STARTS_MAX and trial.previous in complete:
        return Verdict.ROLL_BACK
    return Verdict.COUNT


def decide_in_time(trial: Trial, *, current: str, proof: Proof, complete: frozenset[str]) -> Verdict:
    """Return the verdict on a release that runs, when the time it had to prove itself is over."""
    if trial.release != current:
        return Verdict.FORGET
    if trial.is_proved_by(proof):
        return Verdict.CONFIRM
    return Verdict.ROLL_BACK if trial.previous in complete else Verdict.NOTHING


def kept(names: frozenset[str], *, current: str, previous: str, trial: Trial | None) -> frozenset[str]:
    """Return the releases that are needed: in force, to go back to, on trial."""
    wanted = {current, previous}
    if trial is not None:
        wanted |= {trial.release, trial.previous}
    return names & wanted
