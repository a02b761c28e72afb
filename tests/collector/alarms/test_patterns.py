"""Regular expressions of matchers agree with Python's, and end in time whatever is asked."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.alarms.patterns import PATTERN_CHARACTERS_MAX, PatternError, pattern

_ATOMS = st.sampled_from(
    ["a", "b", "-", "水", ".", "[ab]", "[^a]", "[a-c-]", "\\d", "\\.", "\\w", "\\s", "[\\d_]"]
)
_PATTERNS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@given(_PATTERNS, st.text("ab-c水.1_ \n", max_size=12))
def test_a_pattern_matches_what_pythons_does(written: str, text: str) -> None:
    """Anchored at both ends."""
    expected = re.fullmatch(written, text, re.ASCII) is not None
    assert pattern(written).matches(text) is expected


@pytest.mark.parametrize(
    "written", ["(a+)+b", "(a|a)*b", "(a*)*b", "(a|aa)+b", "(.*)(.*)(.*)(.*)(.*)b", "((a?){9}a{9})*b"]
)
def test_what_hangs_a_backtracking_engine_is_answered(written: str) -> None:
    """Each of these takes such an engine longer than the city stands."""
    assert not pattern(written).matches("a" * 500)
    assert pattern(written).matches("a" * 450 + "b")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("(a", "a parenthesis is not closed"),
        ("a)", "closes nothing"),
        ("[a", "a bracket is not closed"),
        ("*a", "repeats or closes nothing"),
        ("^a$", "is not needed, it is anchored"),
        ("a{2", "after { come numbers"),
        ("a{3,2}", "the smaller first"),
        ("a{1000}", "up to 100"),
        ("(a{100}){100}", "too much"),
        ("(((((a{9}){9}){9}){9}){9})", "too much"),
        ("a" * (PATTERN_CHARACTERS_MAX + 1), "more than 200 characters"),
        ("(" * 50 + ")" * 50, "groups within more than"),
        ("(?=a)", "repeats or closes nothing"),
        ("\\b", "is not known"),
        ("a*?", "lazy repetition"),
        ("[z-a]", "is no range"),
        ("a\\", "a backslash at the end"),
    ],
)
def test_what_is_no_pattern_is_refused_with_the_reason(written: str, said: str) -> None:
    """Also what the syntax knows and we do not: look-around, back-references."""
    with pytest.raises(PatternError, match=re.escape(said)):
        pattern(written)


@given(st.text("ab()[]{}*+?|.\\^$-,12", max_size=20))
def test_any_text_is_a_pattern_or_refused(written: str) -> None:
    """Nothing else is raised."""
    with suppress(PatternError):
        pattern(written).matches("aab")
