"""What a gateway was told by hand, as far as it took that: what the next word builds on.

A document that the gateway refused for what it says, or rolled back, would be refused again with all that
is built on it; then the one counts that it has in force. What is on its way counts as taken.
"""

from typing import Any, NamedTuple

from pydantic import BaseModel
from sqlalchemy import Connection, Row, select

from collector.desired.states import OPEN, State
from collector.tables import desired
from contract.desired import DesiredKind, Refusal, decode
from contract.signing import payload_of
from lighting.documents import Condition, Conditions, Override, Overrides
from lighting.plan import Overrides as Limits

_FOR_WHAT_IT_SAYS = frozenset((Refusal.INVALID, Refusal.MALFORMED, Refusal.TOO_LARGE))


class Hand(NamedTuple):
    """A document's body and, where a newer one was refused, that one's and the reason; empty for none."""

    body: str = ""
    refused: str = ""
    reason: str = ""


class Allowed(NamedTuple):
    """How long an override may last at one gateway: by the plan pushed last, and by another in force."""

    pushed_s: float
    pushed_from_ms: int
    followed_s: float | None = None

    def longest_s(self, until_ms: int) -> float:
        """Return it for an override that ends then; the plan pushed last counts for what it will meet."""
        if self.followed_s is None:
            return self.pushed_s
        return min(self.pushed_s, self.followed_s) if self.pushed_from_ms < until_ms else self.followed_s


class _Limited(BaseModel):
    """Of a plan, how long overrides may be."""

    overrides: Limits = Limits()


def overrides(
    connection: Connection, gateway: str, now_ms: int
) -> tuple[list[Override], list[Override], str]:
    """Return the overrides that are not over; those that were refused with the newest document, and why."""
    hand = _hand(connection, gateway, DesiredKind.LAMP_OVERRIDES)
    stands, refused = (
        [it for it in Overrides.model_validate_json(body).overrides if it.expiration_ms > now_ms]
        if body
        else []
        for body in (hand.body, hand.refused)
    )
    return stands, [it for it in refused if it not in stands], hand.reason


def conditions(connection: Connection, gateway: str, now_ms: int) -> list[Condition]:
    """Return the conditions that are not over."""
    body = _hand(connection, gateway, DesiredKind.LAMP_CONDITIONS).body
    known = Conditions.model_validate_json(body).conditions if body else []
    return [it for it in known if it.until_ms > now_ms]


def allowed(connection: Connection, gateway: str, pushed: Limits, now_ms: int) -> Allowed:
    """Return how long overrides may last there; ``pushed`` is of the plan that was pushed last."""
    newest = _newest(connection, gateway, DesiredKind.LAMP_PLAN)
    followed = _in_force(connection, gateway, DesiredKind.LAMP_PLAN)
    if newest is None or followed is None or followed.sequence == newest.sequence:
        return Allowed(pushed.longest_s, newest.effective_ms if newest else 0)
    if newest.state in OPEN and newest.effective_ms <= now_ms:
        return Allowed(pushed.longest_s, 0)  # it is on its way, and arrives before an override does
    followed_s = _Limited.model_validate_json(_body(followed)).overrides.longest_s
    return Allowed(pushed.longest_s, newest.effective_ms, followed_s)


def _hand(connection: Connection, gateway: str, kind: DesiredKind) -> Hand:
    newest = _newest(connection, gateway, kind)
    if newest is None:
        return Hand()
    refused = newest.state == State.REFUSED and newest.refusal in _FOR_WHAT_IT_SAYS
    if not refused and newest.state != State.ROLLED_BACK:
        return Hand(_body(newest))
    taken = _in_force(connection, gateway, kind)
    return Hand(_body(taken) if taken else "", _body(newest), newest.reason)


def _newest(connection: Connection, gateway: str, kind: DesiredKind) -> Row[Any] | None:
    query = select(desired).where(desired.c.gateway == gateway, desired.c.kind == str(kind))
    return connection.execute(query.order_by(desired.c.sequence.desc()).limit(1)).first()


def _in_force(connection: Connection, gateway: str, kind: DesiredKind) -> Row[Any] | None:
    query = select(desired).where(desired.c.gateway == gateway, desired.c.kind == str(kind))
    query = query.where(desired.c.state == str(State.IN_FORCE))
    return connection.execute(query.order_by(desired.c.sequence.desc()).limit(1)).first()


def _body(row: Row[Any]) -> str:
    return decode(payload_of(row.jws)).body
