"""Stretches: two accounts of one lane tell where its buffers parted."""

from hypothesis import given
from hypothesis import strategies as st

from contract.limits import STRETCHES_MAX
from contract.stretches import Stretch, continued, grown, last_common, until

Account = tuple[Stretch, ...]
boots = st.lists(st.integers(1, 4), max_size=4)


def written(account: Account, begun: int, names: str, lengths: list[int]) -> tuple[Account, int]:
    """Let boots write so many batches each, after ``begun``; return the account and the last number."""
    for index, length in enumerate(lengths):
        for _ in range(length):
            begun += 1
            account = grown(account, f"{names}{index}".ljust(32, "0"), begun)
    return account, begun


@given(boots, boots, boots, st.integers(0, 3))
def test_two_buffers_differ_in_what_follows_their_last_common_batch(
    before: list[int], ours: list[int], theirs: list[int], more: int
) -> None:
    """One is copied; both go on, the first perhaps in the boot in which it was copied."""
    common, last = written((), 0, "a", before)
    boot = common[-1].boot_id if common else "c" * 32
    first, first_last = common, last
    for _ in range(more):
        first_last += 1
        first = grown(first, boot, first_last)
    first, first_last = written(first, first_last, "b", ours)
    second, second_last = written(common, last, "d", theirs)
    for sequence in range(1, min(first_last, second_last) + 1):
        expected = last if sequence > last else None
        assert last_common(first, second, sequence) == last_common(second, first, sequence) == expected
        told = until(second, sequence)
        assert last_common(first, told, sequence) == expected, "what comes later tells nothing"


@given(boots, st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_over_a_jump_a_centre_goes_on_with_what_the_gateway_says(
    before: list[int], after: list[int], data: st.DataObject
) -> None:
    """It then agrees with it everywhere, where it has been told and where it has not."""
    known, last = written((), 0, "a", before)
    whole, end = written(known, last, "b", after)
    there = data.draw(st.integers(last + 1, end))
    for told in (until(whole, there), ()):
        joined = continued(known, last, told)
        assert all(last_common(joined, whole, sequence) is None for sequence in range(1, there + 1))
    assert continued(known, last, until(whole, there)) == until(whole, there)


def test_of_too_many_boots_the_oldest_are_forgotten_and_a_difference_is_still_seen() -> None:
    """Of how much they agree nobody knows then: of nothing, for all that is known."""
    common, last = written((), 0, "a", [2])
    first, _ = written(common, last, "b", [1] * 9)
    second, end = written(common, last, "c", [1] * (STRETCHES_MAX + 5))
    assert len(second) == STRETCHES_MAX
    assert last_common(first, second, end) == 0
    assert last_common(first, second, second[0].first - 1) is None
