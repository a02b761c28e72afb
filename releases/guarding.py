"""What happens to a release on trial before each start, and how a gateway's proof is read."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

from releases.deciding import STARTS_MAX, Verdict, decide
from releases.shelf import Shelf

PROOF = Path("/var/lib/gengfu/edge/proof.json")
_PROOF_BYTES_MAX = 4096


def proved(proof: Path = PROOF) -> tuple[str, bool]:
    """Return which release has proved itself last, and whether it had contact; "" where none has.

    The file is the gateway's own: it is read as a stranger's.
    """
    try:
        descriptor = os.open(proof, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return "", False
            data = json.loads(file.read(_PROOF_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return "", False
    if not isinstance(data, dict):
        return "", False
    return str(data.get("release", "")), data.get("contact") is True


def guard(shelf: Shelf, proof: Path = PROOF) -> str:
    """Decide on a release on trial before it is started, and return what was done, for the log."""
    trial, current = shelf.trial(), shelf.current()
    names = shelf.names()
    if not current and names:
        return _rescued(shelf, names)
    verdict = decide(trial, current=current, proved=proved(proof)[0], complete=names)
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
            reason = f"started {trial.starts} times and never at work for long"
            shelf.roll_back(trial, reason)
            return f"{trial.release} was {reason}: back to {trial.previous}"
        case _:
            shelf.note_trial(replace(trial, starts=trial.starts + 1))
            return f"{trial.release} is on trial: start {trial.starts + 1} of {STARTS_MAX}"


def _rescued(shelf: Shelf, names: frozenset[str]) -> str:
    """The link is gone or leads nowhere: anything that is whole is better than nothing."""
    previous = shelf.previous()
    chosen = previous or max(names, key=lambda name: shelf.path(name).stat().st_mtime)
    shelf.switch(chosen)
    return f"no release was in force: {chosen} is now"
