"""A gateway that dies or hangs leaves no valve open, and no street dark."""

import pytest

from tests.faults.dead_gateway import Run, bad, play


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """Two that are killed, two that hang; each is started again."""
    return play(4, 2, 1)


def test_the_board_closes_the_valve_by_itself_and_the_contactor_holds(runs: list[Run]) -> None:
    """And whoever starts again reads what they are."""
    assert [run for run in runs if bad(run)] == []
    assert {run.how for run in runs} == {"killed", "stopped"}


def test_without_a_timer_the_valve_stays_open() -> None:
    """The control: it is the board's timer that closes it."""
    [run] = play(1, 1, 0, has_timer=False)
    assert run.wrong == []
    assert not run.closed
