"""Answers in counts: ten thousand are a few events, and none is uncounted."""

import math

from hypothesis import given
from hypothesis import strategies as st

from contract.desired import Outcome, Refusal
from edge.desired.refusals import Counted, Refusals
from tests.edge.desired.making import PLAN


def refused(refusal: Refusal, reason: str = "", sequence: int = 0) -> Counted:
    """Return a refusal, of a document that a key vouches for if it has a sequence."""
    return Counted(PLAN, Outcome.REFUSED, refusal, reason, 1, sequence, f"{sequence:032x}")


def test_the_first_is_told_at_once_and_the_rest_once_an_interval() -> None:
    """Each sort on its own."""
    refusals = Refusals(60)
    assert refusals.idle_s(0) == math.inf
    refusals.add(refused(Refusal.FORGED, "one"))
    assert [each.count for each in refusals.take(0)] == [1]
    for number in range(9_999):
        refusals.add(refused(Refusal.FORGED, f"number {number}"))
    refusals.add(refused(Refusal.EXPIRED, "another sort"))
    assert [(each.refusal, each.count) for each in refusals.take(1)] == [(Refusal.EXPIRED, 1)]
    assert refusals.idle_s(1) == 59
    assert [(each.reason, each.count) for each in refusals.take(60)] == [("number 9998", 9_999)]
    assert refusals.take(200, everything=True) == []


def test_the_highest_document_that_is_vouched_for_stays_named() -> None:
    """Replays of old ones, or forgeries, cannot hide from a centre what became of its newest."""
    refusals = Refusals(60)
    for sequence in (3, 9, 4, 0):
        refusals.add(refused(Refusal.ROLLED_BACK, "", sequence))
    [told] = refusals.take(0)
    assert (told.count, told.sequence, told.digest) == (4, 9, f"{9:032x}")


@given(st.lists(st.tuples(st.sampled_from(list(Refusal)), st.floats(0, 50)), max_size=60))
def test_all_are_counted_once_however_they_come(arrivals: list[tuple[Refusal, float]]) -> None:
    """Whatever is told when."""
    refusals, now_s, told = Refusals(60), 0.0, 0
    for refusal, after_s in arrivals:
        now_s += after_s
        refusals.add(refused(refusal))
        told += sum(each.count for each in refusals.take(now_s))
    assert told + sum(each.count for each in refusals.take(now_s, everything=True)) == len(arrivals)
