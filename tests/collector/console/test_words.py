"""What the pages say: in both languages, and nothing that nobody wrote down."""

import re

import pytest

from collector.alarms.transitions import Phase
from collector.cases.life import Stage, Step
from collector.console.drawing import Forms
from collector.console.files import ASSETS, FOLDER
from collector.console.language import Words
from collector.console.words import WORDS
from collector.deadlines.limits import LimitKind
from contract.events import Priority
from contract.samples import Quality

TEMPLATES = FOLDER.with_name("templates")


def test_every_word_of_a_template_is_there() -> None:
    """A key that is misspelt would be shown as it is."""
    asked = {
        key for file in TEMPLATES.glob("*.html") for key in re.findall(r'\bt\("([a-z_]+)"', file.read_text())
    }
    assert len(asked) > 50
    assert asked - WORDS.keys() == set()


@pytest.mark.parametrize("kind", [Stage, Step, Priority, Quality, LimitKind])
def test_what_the_centre_names_has_words(kind: type[Stage]) -> None:
    """Stages, steps, priorities, qualities and limits."""
    assert {str(each) for each in kind} - WORDS.keys() <= {"rework", "relapse"}


def test_every_phase_that_is_listed_has_words() -> None:
    """By ISA-18.2."""
    shown = {str(each).lower() for each in Phase if "LATCHED" not in each}
    assert shown <= WORDS.keys()


def test_both_languages_want_the_same_values() -> None:
    """None is left out in one of them."""
    for key, (en, zh) in WORDS.items():
        assert sorted(re.findall(r"\{\d\}", en)) == sorted(re.findall(r"\{\d\}", zh)), key


def test_what_people_wrote_is_never_taken_for_a_form() -> None:
    """A reason that reads as a key of ours is shown, not filled in."""
    assert Words("en")("limit") == "limit"
    assert Words("zh")("{0} {x}") == "{0} {x}"


@pytest.mark.parametrize(
    ("ms", "told"),
    [(-5, "0 s"), (119_000, "119 s"), (120_000, "2 min"), (7_200_000, "2 h"), (172_800_000, "2 d")],
)
def test_durations_are_told_in_the_largest_unit_that_says_enough(ms: int, told: str) -> None:
    """Two of it at least."""
    assert Forms(Words("en"), 0, 480).lasting(ms) == told


def test_what_pages_bring_along_is_all_there() -> None:
    """And needs nothing from elsewhere."""
    for name in ASSETS:
        assert "://" not in (FOLDER / name).read_text().replace("http://www.w3.org/2000/svg", "")
