"""Keys are set in files that people wrote, and nothing else becomes another."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.settings import EXAMPLE as CENTRE_EXAMPLE
from edge.settings import EXAMPLE as EDGE_EXAMPLE
from toml_files import SettingError, with_keys

TEXT = """# mine
schema = 1
[broker]
host = "a"     # where it is
# port = 1883  # the usual one

# what comes next
[[lines]]
name = "broker"
port = 5
"""


def test_a_key_is_set_where_it_stands_or_is_shown_with_its_comment() -> None:
    """Value, shown default, and a key that stands nowhere."""
    made = with_keys(TEXT, {"broker": {"host": "b", "port": 8883, "ca": "x"}})
    assert made.splitlines()[2:6] == [
        "[broker]",
        'ca = "x"',
        'host = "b"     # where it is',
        "port = 8883    # the usual one",
    ]


def test_the_table_without_a_name_is_the_head_of_the_file() -> None:
    """What stands there is set, what does not is put first; tables keep their keys of the same name."""
    made = with_keys(TEXT, {"": {"schema": 2, "host": "head"}})
    assert made.splitlines()[:4] == ['host = "head"', "# mine", "schema = 2", "[broker]"]
    assert tomllib.loads(made)["broker"] == {"host": "a"}


def test_a_table_that_stands_nowhere_comes_last() -> None:
    """Also where the file does not end in a line break."""
    made = with_keys(TEXT.rstrip("\n"), {"identity": {"centre": "https://x"}})
    assert made.endswith('port = 5\n\n[identity]\ncentre = "https://x"\n')


def test_what_cannot_be_set_alone_is_told_with_what_to_write() -> None:
    """A value over several lines, or one that is not there in the form that is looked for."""
    text = '[centre]\npublic_keys = [\n  "a",\n]\n'
    with pytest.raises(SettingError, match=r'by hand:\n\[centre\]\npublic_keys = \["b"\]'):
        with_keys(text, {"centre": {"public_keys": ["b"]}})


VALUES = st.one_of(
    st.text(max_size=20),
    st.integers(-(10**9), 10**9),
    st.booleans(),
    st.lists(st.text(max_size=5), max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([TEXT, EDGE_EXAMPLE.read_text(), CENTRE_EXAMPLE.read_text()]), VALUES, VALUES)
def test_only_what_is_asked_for_changes(
    text: str, one: str | int | bool | list[str], other: str | int | bool | list[str]
) -> None:
    """Whatever the values; all comments of other lines stay."""
    wanted = {"broker": {"host": one, "port": other}}
    made = with_keys(text, wanted)
    before, after = tomllib.loads(text), tomllib.loads(made)
    assert after.pop("broker") == before.pop("broker") | wanted["broker"]
    assert after == before
    assert made.count("\n") == text.count("\n")
