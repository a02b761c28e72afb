"""A gateway that is killed in the middle of a command says that nobody knows, and does not try again."""

from contract.events import CommandOutcome
from tests.faults.killed_commands import Moment, play


def test_a_command_whose_gateway_was_killed_is_unknown_and_never_tried_again() -> None:
    """The note was on disk and nothing was done; or the relay had switched, and nobody had heard so."""
    deaths = play([Moment.NOTED, Moment.SWITCHED], seed=1)
    assert [each.wrong for each in deaths] == [[], []]
    assert [each.switched for each in deaths] == [0, 1]
    assert [{outcome for outcome, _ in each.outcomes} for each in deaths] == [
        {CommandOutcome.INDETERMINATE},
        {CommandOutcome.INDETERMINATE},
    ]


def test_a_gateway_that_remembers_nothing_is_found_out() -> None:
    """The control: it switches once it has said that nobody knows."""
    [death] = play([Moment.NOTED], seed=1, forgetful=True)
    assert "it was switched by a gateway that says that nobody knows" in death.wrong
