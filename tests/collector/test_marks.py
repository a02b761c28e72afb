"""Marks: whatever the network does, every batch is journalled once and in order."""

from hypothesis import given
from hypothesis import strategies as st

from collector.marks import Decision, Jump, Mark, RepeatLimiter, decide, reconcile
from contract.messages import CONTESTED
from contract.stretches import Stretch

COUNT = 12
deliveries = st.lists(st.integers(1, COUNT), max_size=60)


def delivered(mark: Mark | None, sequences: list[int], journal: list[int]) -> Mark | None:
    """Deliver batches to a lane; what is taken goes into ``journal``."""
    for sequence in sequences:
        if decide(mark, sequence) is Decision.TAKE:
            journal.append(sequence)
            mark = Mark(sequence)
    return mark


@given(st.lists(deliveries, min_size=1, max_size=6))
def test_any_interleaving_duplication_and_loss_ends_with_every_batch_once_in_order(
    attempts: list[list[int]],
) -> None:
    """Whatever arrived in whatever order, in the end the gateway goes back to the mark and resends."""
    journal: list[int] = []
    mark: Mark | None = None
    for attempt in attempts:
        mark = delivered(mark, attempt, journal)
        assert journal == list(range(1, (mark.upto if mark else 0) + 1))
    acknowledged = mark.upto if mark else 0
    delivered(mark, list(range(acknowledged + 1, COUNT + 1)), journal)
    assert journal == list(range(1, COUNT + 1))


@given(st.lists(st.integers(1, COUNT) | st.integers(-COUNT, -1), max_size=60))
def test_hellos_old_and_new_never_move_a_mark_back_nor_hide_a_loss(steps: list[int]) -> None:
    """Negative steps are hellos that hold batches from that number on; a jump names what is skipped."""
    mark: Mark | None = None
    seen: list[int] = []
    for step in steps:
        before = mark.upto if mark else 0
        if step > 0:
            mark = delivered(mark, [step], seen)
        else:
            mark, jump = reconcile(mark, -step)
            if jump:
                seen += range(jump.first, jump.last + 1)
        assert (mark.upto if mark else 0) >= before
        assert seen == list(range(1, (mark.upto if mark else 0) + 1))


def test_each_decision_has_its_case() -> None:
    """Continue, have, hole; without a mark only the first batch is taken."""
    assert decide(Mark(4), 5) is Decision.TAKE
    assert decide(Mark(4), 4) is Decision.HAVE
    assert decide(Mark(4), 6) is Decision.HOLE
    assert decide(None, 1) is Decision.TAKE
    assert decide(None, 2) is Decision.UNKNOWN


def test_a_jump_forgets_the_digest_of_what_was_never_received() -> None:
    """An acknowledgement must not vouch for a batch that nobody here has seen."""
    assert reconcile(Mark(4, "d" * 32), 9) == (Mark(8, ""), Jump(5, 8))
    assert reconcile(Mark(4, "d" * 32), 5) == (Mark(4, "d" * 32), None)
    assert reconcile(Mark(4, "d" * 32), 2) == (Mark(4, "d" * 32), None)
    assert reconcile(None, 3) == (Mark(2, ""), Jump(1, 2))
    assert reconcile(None, 1) == (Mark(0, ""), None)
    assert reconcile(Mark(4, CONTESTED), 9) == (Mark(8, CONTESTED), Jump(5, 8))


def test_what_was_delivered_under_numbers_of_another_buffer_is_lost_and_ends_the_epoch() -> None:
    """Whether the restored centre has more under this epoch than its gateway has delivered, or less."""
    one, other, third = "1" * 32, "2" * 32, "3" * 32
    here = Mark(9, "d" * 32, (Stretch(one, 1), Stretch(other, 5)))
    ended = Mark(9, CONTESTED, here.stretches)
    assert reconcile(here, 8, [Stretch(one, 1), Stretch(third, 4)]) == (ended, Jump(4, 7, parted=True))
    assert reconcile(here, 13, [Stretch(one, 1)]) == (ended, Jump(5, 12, parted=True))
    assert reconcile(here, 13, [Stretch(third, 7)]) == (ended, Jump(1, 12, parted=True)), (
        "from 1, for all we know"
    )
    assert reconcile(ended, 13, [Stretch(one, 1)]) == (ended, Jump(5, 12, parted=True)), (
        "however often it is told"
    )
    assert reconcile(here, 5, [Stretch(one, 1)]) == (here, None), "all of it is here"
    assert reconcile(here, 13, [Stretch(third, 11)]) == (
        Mark(12, "", (*here.stretches, Stretch("", 10), Stretch(third, 11))),
        Jump(10, 12),
    ), "nobody knows"


def test_repetitions_pass_once_an_interval_and_the_limiter_forgets_the_longest_quiet() -> None:
    """One key does not hold up another, and the memory is bounded."""
    limiter = RepeatLimiter[str](1.0, keys_max=2)
    assert limiter.passes("a", 10.0)
    assert not limiter.passes("a", 10.9)
    assert limiter.passes("b", 10.9)
    assert limiter.passes("a", 11.0)
    assert limiter.passes("c", 11.0)  # b is forgotten
    assert limiter.passes("b", 11.0)
    assert not limiter.passes("c", 11.5)
