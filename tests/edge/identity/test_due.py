"""When a certificate is renewed: in time, not all at once, and also by who does not know the time."""

from hypothesis import given
from hypothesis import strategies as st

from edge.identity.due import Rule, due_ms, is_due
from edge.identity.trust import Known, Validity

DAY_MS = 86_400_000
HELD = Validity(1_790_000_000_000, 1_790_000_000_000 + 90 * DAY_MS)
RULE = Rule(0.5, 120)


@given(st.floats(0.1, 0.9), st.floats(0, 1))
def test_it_is_due_after_its_share_and_before_its_end(share: float, jitter: float) -> None:
    """A tenth of its life later at most, and never so late that it is over."""
    at_ms = due_ms(HELD, share, jitter)
    life_ms = HELD.not_after_ms - HELD.not_before_ms
    assert share * life_ms - 1 <= at_ms - HELD.not_before_ms <= (share + 0.1) * life_ms + 1
    assert at_ms <= HELD.not_after_ms


def test_a_set_clock_alone_decides() -> None:
    """A link that is down says nothing of the certificate."""
    half_ms = HELD.not_before_ms + 45 * DAY_MS
    assert not is_due(HELD, Known(half_ms - 1, is_set=True), RULE, 0, down_s=9e9)
    assert is_due(HELD, Known(half_ms, is_set=True), RULE, 0, down_s=0)


def test_without_time_a_link_that_stays_down_is_reason_to_ask() -> None:
    """The certificate may be over, and nobody here can know."""
    known = Known(HELD.not_before_ms, is_set=False)
    assert not is_due(HELD, known, RULE, 0, down_s=119)
    assert is_due(HELD, known, RULE, 0, down_s=120)
    assert is_due(HELD, Known(HELD.not_after_ms, is_set=False), RULE, 0, down_s=0)
