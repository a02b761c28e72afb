"""Turns to connect again: one each, all different, told when they change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.turns import SPARE, TurnBook
from contract.limits import ROUND_S_MAX
from contract.messages import Turn

NAMES = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=30)


@given(groups=st.lists(NAMES, min_size=1, max_size=4))
def test_everybody_has_a_turn_of_its_own_in_one_round(groups: list[list[str]]) -> None:
    """However the fleet has grown."""
    book = TurnBook(50 * SPARE)
    for group in groups:
        book.add(group)
    everybody = {name for group in groups for name in group}
    turns = {name: book.to_tell(name, greeted=True) for name in everybody}
    after_s = sorted(turn.after_s for turn in turns.values() if turn)
    assert after_s == pytest.approx([place / 50 for place in range(len(everybody))])
    assert all(turn and turn.of_s == pytest.approx(len(everybody) / 50) for turn in turns.values())


def test_a_turn_is_told_to_who_greets_and_to_who_does_not_know_it() -> None:
    """One that has not changed costs no byte."""
    book = TurnBook(10 * SPARE)
    assert book.to_tell("b", greeted=True) is None
    book.add(["b"])
    assert book.to_tell("b", greeted=False) == Turn(0, 0.1)
    assert book.to_tell("b", greeted=False) is None
    assert book.to_tell("b", greeted=True) == Turn(0, 0.1)
    book.add(["a"])
    assert book.to_tell("b", greeted=False) == Turn(0.1, 0.2)
    assert book.to_tell("b", greeted=False) is None


def test_a_round_has_an_end() -> None:
    """Ten thousand gateways, one a second: the contract allows no longer round than an hour."""
    book = TurnBook(1)
    book.add(f"{number:05}" for number in range(10_000))
    assert book.to_tell("09999", greeted=True) == Turn(ROUND_S_MAX, ROUND_S_MAX)
