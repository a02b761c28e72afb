"""Which messages are documents: each reason by its name, and only what holds on every count is accepted."""

import json
from typing import Any

import pytest

from contract import batches
from contract.desired import DesiredKind, Outcome, Refusal
from contract.limits import MESSAGE_BYTES_MAX
from contract.samples import ClockState
from contract.signing import KeyRing
from edge.clock import Moment
from edge.desired.held import Document, Highest
from edge.desired.judging import Accepted, Again, Refused, Verifier
from tests.edge.desired.making import KEY, NOW_MS, PLAN, STRANGER, VERIFIER, harmed, signed

NOW = Moment(0, NOW_MS)
TAKEN = signed(7)
HIGHEST = Highest(7, batches.digest(TAKEN), NOW_MS, Outcome.IN_FORCE)


def refusal(
    message: bytes, *, verifier: Verifier = VERIFIER, highest: Highest | None = HIGHEST, now: Moment = NOW
) -> Refusal:
    """Return why a message is refused."""
    verdict = verifier.judge(message, PLAN, highest, now)
    assert isinstance(verdict, Refused), verdict
    assert verdict.reason
    return verdict.refusal


def test_a_higher_sequence_of_ours_is_accepted_with_or_without_one_before() -> None:
    """And the body comes with it."""
    for highest in (None, HIGHEST):
        verdict = VERIFIER.judge(signed(8), PLAN, highest, NOW)
        assert isinstance(verdict, Accepted)
        assert json.loads(verdict.document.desired.body) == {"plan": 8}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (signed(8, STRANGER), Refusal.NO_KEY),
        (harmed(signed(8)), Refusal.FORGED),
        (signed(8, gateway="gw-2"), Refusal.WRONG_GATEWAY),
        (signed(8, district="south"), Refusal.WRONG_GATEWAY),
        (signed(8, kind=DesiredKind.LAMP_OVERRIDES), Refusal.WRONG_KIND),
        (signed(7, body='{"another": 1}'), Refusal.REPLAYED),
        (signed(6), Refusal.ROLLED_BACK),
        (signed(8, effective_ms=0, expires_ms=NOW_MS), Refusal.EXPIRED),
        (signed(8, body="[]"), Refusal.INVALID),
        (b"noise", Refusal.MALFORMED),
        (KEY.sign(b"{}"), Refusal.MALFORMED),
        (bytes(MESSAGE_BYTES_MAX + 1), Refusal.TOO_LARGE),
    ],
)
def test_every_reason_has_its_name(message: bytes, expected: Refusal) -> None:
    """The first thing that is wrong decides; nothing is looked at that nobody vouches for."""
    assert refusal(message) is expected


def test_without_a_pinned_key_everything_is_refused_for_that() -> None:
    """A gateway whose settings say nothing of a centre obeys nobody."""
    nobody = Verifier(KeyRing([]), "north", "gw-1", VERIFIER.validators)
    assert refusal(signed(8), verifier=nobody) is Refusal.NO_KEY


def test_the_same_bytes_again_are_answered_and_not_taken() -> None:
    """Also when their time is over; unless the document is lost here: then it is taken once more."""
    assert isinstance(VERIFIER.judge(TAKEN, PLAN, HIGHEST, NOW), Again)
    lost = Highest(7, batches.digest(TAKEN), NOW_MS, None)
    assert isinstance(VERIFIER.judge(TAKEN, PLAN, lost, NOW), Accepted)
    assert refusal(signed(7, body="{}"), highest=lost) is Refusal.REPLAYED


def test_an_unset_clock_refuses_only_what_is_over_by_the_time_that_has_passed_for_certain() -> None:
    """The rest is taken, and judged again when the clock is known."""
    unset = Moment(0, NOW_MS, ClockState.UNSET)
    assert refusal(signed(8, effective_ms=0, expires_ms=NOW_MS - 1), now=unset) is Refusal.EXPIRED
    assert isinstance(VERIFIER.judge(signed(8, expires_ms=NOW_MS + 1), PLAN, HIGHEST, unset), Accepted)


def test_a_validator_tells_its_problems_and_may_fail() -> None:
    """The first few are told; one that raises refuses the document instead of ending the gateway."""

    def fails(_document: Document) -> list[str]:
        raise RecursionError("too deep")

    validators: dict[DesiredKind, Any] = {PLAN: lambda _document: [f"group {number}" for number in range(9)]}
    verdict = Verifier(VERIFIER.keys, "north", "gw-1", validators).judge(signed(8), PLAN, None, NOW)
    assert isinstance(verdict, Refused)
    assert (verdict.refusal, verdict.reason[-10:]) == (Refusal.INVALID, "and 4 more")
    assert (
        refusal(signed(8), verifier=Verifier(VERIFIER.keys, "north", "gw-1", {PLAN: fails}))
        is Refusal.INVALID
    )
