"""Matchers read and written in Alertmanager's form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.alarms.labels import LABELS, MatcherError, Operator, hold, matcher, matchers

HERE = {"gateway": "gw-1", "problem": "pipe_burst", "priority": "high"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('gateway="gw-1"', True),
        ("gateway=gw-1", True),
        ('gateway != "gw-1"', False),
        ('gateway=~"gw-\\d"', True),
        ('gateway=~"w-1"', False),  # anchored
        ('problem!~"pipe_.*"', False),
        ('area=""', True),  # a label that is not there is empty
        ('area!=""', False),
        ('area=~".+"', False),
    ],
)
def test_a_matcher_holds_of_labels(text: str, holds: bool) -> None:
    """As in Alertmanager."""
    assert matcher(text).matches(HERE) is holds


@given(st.sampled_from(LABELS), st.sampled_from([Operator.EQUAL, Operator.NOT_EQUAL]), st.text(max_size=30))
def test_a_matcher_is_read_as_it_was_written(name: str, operator: Operator, value: str) -> None:
    """Quotes and backslashes too."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    read = matcher(f'{name}{operator}"{escaped}"')
    assert (read.name, read.operator, read.value) == (name, operator, value)
    assert matcher(str(read)) == read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no matcher"),
        ("gateway", "is no matcher"),
        ('colour="red"', "is no label"),
        ('gateway="gw-1', "the quotes are not closed"),
        ('gateway=~"("', "a parenthesis is not closed"),
        ('gateway="' + "x" * 501 + '"', "more than 500"),
    ],
)
def test_what_is_no_matcher_is_refused(text: str, said: str) -> None:
    """With what to write."""
    with pytest.raises(MatcherError, match=said):
        matcher(text)


@pytest.mark.parametrize("texts", [[], ['gateway=~".*"'], ['gateway!="x"', 'area=""']])
def test_matchers_that_match_everything_are_refused(texts: list[str]) -> None:
    """A slip would silence the city."""
    with pytest.raises(MatcherError, match="match every alarm"):
        matchers(texts)


def test_all_matchers_must_hold() -> None:
    """One that does not is enough."""
    both = matchers(['gateway="gw-1"', 'priority=~"high|highest"'])
    assert hold(both, HERE)
    assert not hold(both, HERE | {"priority": "low"})
