"""Tables of names: every name in full on arrival, and counted ones cost nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ContractError
from contract.name_tables import in_order, names, told

counted = st.builds(
    lambda stem, number, width: f"{stem}{number:0{width}}",
    st.sampled_from(["a", "a-", "lamp_", ""]),
    st.integers(0, 120),
    st.integers(1, 3),
)


@given(st.lists(counted | st.from_regex(r"[a-z0-9][a-z0-9_-]{0,12}", fullmatch=True), unique=True))
def test_names_come_back(given_names: list[str]) -> None:
    """In whatever order they were."""
    assert names(told(tuple(given_names))) == given_names
    assert names(told(tuple(in_order(given_names)))) == in_order(given_names)


@pytest.mark.parametrize("first", ["lamp-8", "lamp-08", "lamp-098", "7", "l1-9"])
def test_names_that_count_on_are_left_empty(first: str) -> None:
    """With or without leading zeros, over a carry too."""
    stem = first.rstrip("0123456789")
    width = len(first) - len(stem)
    following = [f"{stem}{int(first[len(stem) :]) + step:0{width}}" for step in range(5)]
    assert told(tuple(following)) == [first, "", "", "", ""]


@pytest.mark.parametrize("table", [[""], ["a", ""], ["9" * 64, ""]])
def test_what_cannot_count_on_is_refused(table: list[str]) -> None:
    """A table comes from anybody."""
    with pytest.raises(ContractError, match="follow"):
        names(table)
