"""Whatever a machine's clock does, no sample is out of order, or on a wrong time that looks right."""

from tests.faults.clocks import is_sound, play


def test_no_sample_is_misordered_or_on_a_wrong_time_unmarked() -> None:
    """Four machines of four boots each; a gateway that believes any possible year is the control."""
    told, control = play(1, 4), play(1, 4, credulous=True)
    assert told.samples > 5000
    assert is_sound(told, control), (told, control)
