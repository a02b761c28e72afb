"""What is written as TOML is read as the same, and people can read it."""

import datetime as dt
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toml_files import as_toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = (
    TEXTS
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.dates()
    | st.times()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(
        TEXTS, VALUES | st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=3), max_size=5
    )
)
def test_whatever_is_written_reads_back_equal(data: dict[str, object]) -> None:
    """Keys and texts of any characters, tables within tables."""
    assert tomllib.loads(as_toml(data)) == data


def test_tables_stand_below_each_other_and_their_rows_on_lines() -> None:
    """As the example plan is written."""
    rows = [{"at": dt.time(12), "level": 0}, {"at": dt.time(18), "level": 100}]
    data = {"programs": [{"id": "a", "rows": rows}], "name": "x", "place": {"deg": 1.5}}
    assert as_toml(data) == (
        'name = "x"\nplace = { deg = 1.5 }\n\n[[programs]]\nid = "a"\nrows = [\n'
        "  { at = 12:00:00, level = 0 },\n  { at = 18:00:00, level = 100 },\n]\n"
    )


def test_long_lists_are_broken() -> None:
    """No line is longer than people's terminals show."""
    data = {"lamps": [f"lamp-{number}" for number in range(200)]}
    text = as_toml(data)
    assert max(map(len, text.splitlines())) <= 110
    assert len(text.splitlines()) < 30
    assert tomllib.loads(text) == data


def test_what_toml_has_no_form_of_is_a_mistake_of_ours() -> None:
    """None is left out before."""
    with pytest.raises(TypeError, match="None has no form"):
        as_toml({"a": None})
