"""Where a desired document stands, and what a gateway's report means for the newest one. Pure."""

from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from contract.desired import Outcome, Refusal
from contract.events import DesiredReport
from contract.signing import SigningKey


class State(StrEnum):
    """Where a document stands."""

    WAITING = "waiting"  # the broker has not had it yet
    SENT = "sent"
    STORED = "stored"  # the gateway has it, and waits for its time
    IN_FORCE = "in_force"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    EXPIRED = "expired"
    OVERRIDDEN = "overridden"  # a hand at the gateway has changed its settings since
    SUPERSEDED = "superseded"  # a newer one is to hold


OPEN = (State.WAITING, State.SENT)
RETRIED = frozenset((Refusal.STORAGE_UNAVAILABLE, Refusal.OVERLOADED, Refusal.NO_KEY))
"""Refusals that may be over by themselves, or by a hand at the gateway."""
WANTED = (*OPEN, State.STORED, State.IN_FORCE, State.REFUSED, State.ROLLED_BACK)
"""In these a document is what its gateway is to hold."""


def is_passed(newest: Row[Any], report: DesiredReport, highest: int) -> bool:
    """Say whether the gateway has used the newest document's number, or a higher one, for another."""
    is_named = report.digest == newest.digest
    if is_named and report.outcome is not Outcome.REFUSED:
        return False
    return highest > newest.sequence or (is_named and report.refusal is Refusal.REPLAYED)


def is_unheard(newest: Row[Any]) -> bool:
    """Say whether the gateway never took the document."""
    not_for_itself = (*RETRIED, Refusal.ROLLED_BACK, Refusal.REPLAYED)
    return newest.state in OPEN or (newest.state == State.REFUSED and newest.refusal in not_for_itself)


def is_of_former_key(newest: Row[Any], report: DesiredReport, key: SigningKey) -> bool:
    """Say whether the newest document is refused for a key that this centre has changed since."""
    is_refused = report.digest == newest.digest and report.refusal is Refusal.NO_KEY
    return is_refused and not key.has_signed(newest.jws)
