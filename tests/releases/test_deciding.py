"""Which version is newer, and what becomes of a release on trial."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.deciding import STARTS_MAX, Trial, Verdict, decide, kept
from releases.versions import is_older, is_version, key

NUMBERS = st.lists(st.integers(0, 999_999), min_size=2, max_size=4)
NAMES = st.sampled_from(["", "a", "b", "c"])


@given(NUMBERS, NUMBERS)
def test_versions_are_ordered_by_their_numbers(one: list[int], two: list[int]) -> None:
    """Not by their letters, and a zero at the end adds nothing."""

    def written(numbers: list[int]) -> str:
        return ".".join(map(str, numbers))

    length = max(len(one), len(two))
    padded = [numbers + [0] * (length - len(numbers)) for numbers in (one, two)]
    assert is_older(written(one), written(two)) == (padded[0] < padded[1])


def test_candidates_come_before_their_release() -> None:
    """And in their own order."""
    ordered = ["1.2", "1.10a1", "1.10b1", "1.10rc2", "1.10rc10", "1.10.0", "1.10.1"]
    assert sorted(ordered, key=key) == ordered


@pytest.mark.parametrize("text", ["", "1", "1.", "v1.2", "1.2-3", "1.2\n", "1.2.3.4.5", "../1.2", "1.2rc"])
def test_what_is_no_version_is_none(text: str) -> None:
    """Folders are named by them."""
    assert not is_version(text)
    with pytest.raises(ValueError, match="is no version"):
        key(text)


@given(NAMES, NAMES, st.integers(0, 5), NAMES, NAMES, st.frozensets(NAMES))
def test_a_trial_ends_by_its_proof_or_goes_back_after_its_starts(
    release: str, previous: str, starts: int, current: str, proved: str, complete: frozenset[str]
) -> None:
    """Never back to what is not there, never confirmed by another's proof."""
    trial = Trial(release, previous, starts)
    verdict = decide(trial, current=current, proved=proved, complete=complete)
    if release != current:
        assert verdict is Verdict.FORGET
    elif proved == release:
        assert verdict is Verdict.CONFIRM
    else:
        may_leave = starts >= STARTS_MAX and previous in complete
        assert verdict is (Verdict.ROLL_BACK if may_leave else Verdict.COUNT)
    assert decide(None, current=current, proved=proved, complete=complete) is Verdict.NOTHING


@given(st.frozensets(NAMES), NAMES, NAMES, st.none() | st.builds(Trial, NAMES, NAMES))
def test_what_is_in_force_or_can_be_gone_back_to_is_kept(
    names: frozenset[str], current: str, previous: str, trial: Trial | None
) -> None:
    """And nothing else."""
    wanted = {current, previous} | ({trial.release, trial.previous} if trial else set())
    assert kept(names, current=current, previous=previous, trial=trial) == names & wanted
