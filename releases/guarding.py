"""What happens to a release on trial before each start and when its time is over; how its proof is read."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

from releases.deciding import (
    CONTACT_S_MAX,
    PROOF_S_MAX,
    STARTS_MAX,
    Proof,
    Trial,
    Verdict,
    decide,
    decide_in_time,
)
from releases.shelf import Shelf

PROOF = Path("/var/lib/gengfu/edge/proof.json")
_PROOF_BYTES_MAX = 4096


def proved(proof: Path = PROOF) -> Proof:
    """Return what a gateway has proved last. The file is its own: it is read as a stranger's."""
    try:
        descriptor = os.open(proof, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Proof()
            data = json.loads(file.read(_PROOF_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return Proof()
    if not isinstance(data, dict):
        return Proof()
    return Proof(str(data.get("release", "")), data.get("contact") is True)


def guard(shelf: Shelf, proof: Path = PROOF) -> str:
    """Decide on a release on trial before it is started, and return what was done, for the log."""
    trial, current = shelf.trial(), shelf.current()
    names = shelf.names()
    if not current and names:
        return _rescued(shelf, names)
    given = proved(proof)
    verdict = decide(trial, current=current, proof=given, complete=names)
    if trial is None or verdict is Verdict.NOTHING:
        return ""
    match verdict:
        case Verdict.FORGET:
            shelf.forget_trial()
            return f"{trial.release} is not in force: its trial is over"
        case Verdict.CONFIRM:
            shelf.confirm(trial)
            return f"{trial.release} has proved itself"
        case Verdict.ROLL_BACK:
            has_worked = given.release == trial.release
            lacked = "had no contact with the centre" if has_worked else "never at work for long"
            return _left(shelf, trial, f"started {trial.starts} times and {lacked}")
        case _:
            shelf.note_trial(replace(trial, starts=trial.starts + 1))
            return f"{trial.release} is on trial: start {trial.starts + 1} of {STARTS_MAX}"


def judge(shelf: Shelf, release: str, proof: Path = PROOF) -> tuple[str, bool]:
    """Decide on a release that runs on trial and has had its time; return what was done, and if it was left.

    ReleaseError where an update is under way: this one is to be judged again after it.
    """
    with shelf.alone():
        trial, given = shelf.trial(), proved(proof)
        if trial is None or trial.release != release:
            return "", False
        verdict = decide_in_time(trial, current=shelf.current(), proof=given, complete=shelf.names())
        if verdict is Verdict.CONFIRM:
            shelf.confirm(trial)
            return f"{release} has proved itself", False
        if verdict is not Verdict.ROLL_BACK:
            return "", False
        lacked = "had no contact with the centre" if given.release == release else "was not at work"
        return _left(shelf, trial, f"{lacked} within {PROOF_S_MAX + CONTACT_S_MAX:.0f} s"), True


def _left(shelf: Shelf, trial: Trial, reason: str) -> str:
    """Take up the one before; return what is to be said of it."""
    shelf.roll_back(trial, reason)
    return f"{trial.release} was left, {reason}: back to {trial.previous}"


def _rescued(shelf: Shelf, names: frozenset[str]) -> str:
    """The link is gone or leads nowhere: anything that is whole is better than nothing."""
    previous = shelf.previous()
    chosen = previous or max(names, key=lambda name: shelf.path(name).stat().st_mtime)
    shelf.switch(chosen)
    return f"no release was in force: {chosen} is now"
