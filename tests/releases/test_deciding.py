"""Which version is newer, and what becomes of a release on trial."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.deciding import STARTS_MAX, Proof, Trial, Verdict, decide, decide_in_time, kept
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


TRIALS = st.builds(Trial, NAMES, NAMES, st.integers(0, 5), st.booleans())


@given(TRIALS, NAMES, st.builds(Proof, NAMES, st.booleans()), st.frozensets(NAMES))
def test_a_trial_ends_by_its_proof_or_goes_back_after_its_starts(
    trial: Trial, current: str, proof: Proof, complete: frozenset[str]
) -> None:
    """Never back to what is not there, never by another's proof, nor without contact where it needs some."""
    proves = proof.release == trial.release and (proof.contact or not trial.needs_contact)
    verdict = decide(trial, current=current, proof=proof, complete=complete)
    in_time = decide_in_time(trial, current=current, proof=proof, complete=complete)
    if trial.release != current:
        assert verdict is in_time is Verdict.FORGET
    elif proves:
        assert verdict is in_time is Verdict.CONFIRM
    else:
        may_leave = trial.previous in complete
        is_over = trial.starts >= STARTS_MAX
        assert verdict is (Verdict.ROLL_BACK if may_leave and is_over else Verdict.COUNT)
        assert in_time is (Verdict.ROLL_BACK if may_leave else Verdict.NOTHING)
    assert decide(None, current=current, proof=proof, complete=complete) is Verdict.NOTHING


@given(st.frozensets(NAMES), NAMES, NAMES, st.none() | st.builds(Trial, NAMES, NAMES))
def test_what_is_in_force_or_can_be_gone_back_to_is_kept(
    names: frozenset[str], current: str, previous: str, trial: Trial | None
) -> None:
    """And nothing else."""
    wanted = {current, previous} | ({trial.release, trial.previous} if trial else set())
    assert kept(names, current=current, previous=previous, trial=trial) == names & wanted
