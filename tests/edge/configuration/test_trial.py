"""Settings on trial: who has to answer, and when they are proved or have failed."""

from pathlib import Path

import pytest

from edge import checks
from edge.configuration.trial import Expected, Trial, Verdict, expected
from edge.settings import Settings
from tests.edge.configuration.making import METERS, text
from toml_files import TomlFile


def settings(**changes: object) -> Settings:
    """Return settings that are sound."""
    return checks.judged(TomlFile(text(**changes), "test"), Path("test.toml"))[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "touched"),
    [
        ({}, set()),
        ({"comment": "another"}, set()),
        ({"units": (1, 7, 1)}, {"meter-2"}),
        ({"port": 7}, {"meter-1", "meter-2"}),
        ({"rest": "interval_s = 3"}, set()),
        ({"rest": "timeout_s = 3"}, set(METERS)),
    ],
)
def test_who_is_asked_in_another_way_must_answer(changes: dict[str, object], touched: set[str]) -> None:
    """How often somebody is asked, or what a comment says, does not matter."""
    found = expected(settings(), settings(**changes), METERS)
    assert found.devices == touched
    assert found.lines == {"near": {"meter-1", "meter-2"}, "far": {"meter-3"}}


def test_who_did_not_answer_before_is_not_waited_for() -> None:
    """A new device neither."""
    found = expected(settings(), settings(units=(5, 6, 7)), ["meter-1", "somebody"])
    assert found.devices == {"meter-1"}
    assert found.lines == {"near": {"meter-1"}}


RENAMED = {"names": ("water", "sludge", "rain")}


@pytest.mark.parametrize(
    ("changes", "must", "lines"),
    [
        (RENAMED, set(), {"near": {"water", "sludge"}, "far": {"rain"}}),
        ({**RENAMED, "port": 7}, {"water", "sludge"}, {"near": {"water", "sludge"}, "far": {"rain"}}),
        ({**RENAMED, "units": (1, 77, 1)}, {"sludge"}, {"near": {"water", "sludge"}, "far": {"rain"}}),
        (
            {**RENAMED, "units": (5, 6, 7)},
            set(RENAMED["names"]),
            {"near": {"water", "sludge"}, "far": {"rain"}},
        ),
        (
            {**RENAMED, "near": "bus-1", "far": "bus-2"},
            set(RENAMED["names"]),
            {"bus-1": {"water", "sludge"}, "bus-2": {"rain"}},
        ),
        (
            {**RENAMED, "near": "bus-1", "port": 7, "units": (5, 6, 1)},
            {"water", "sludge"},
            {"bus-1": {"water", "sludge"}, "far": {"rain"}},
        ),
        (
            {"names": ("meter-2", "meter-1", "meter-3")},
            {"meter-1", "meter-2"},
            {"near": {"meter-1", "meter-2"}, "far": {"meter-3"}},
        ),
    ],
)
def test_who_is_renamed_is_known_by_line_and_unit(
    changes: dict[str, object], must: set[str], lines: dict[str, set[str]]
) -> None:
    """Whoever goes and whoever comes on one line is the same, where it cannot be told otherwise."""
    found = expected(settings(), settings(**changes), METERS)
    assert found.devices == must
    assert found.lines == lines


def test_of_more_that_come_than_have_gone_one_must_answer() -> None:
    """Which of them are new cannot be told."""
    after = settings(names=("water", "sludge", "meter-3"), units=(5, 6, 1))
    found = expected(settings(), after, ["meter-1", "meter-3"])
    assert found.devices == set()
    assert found.lines == {"near": {"water", "sludge"}, "far": {"meter-3"}}


def test_who_takes_the_place_of_a_silent_one_is_missed_where_another_has_gone() -> None:
    """It may be the one that has gone, under another name and at a unit that is known to be dead."""
    after = settings(names=("water", "other", "meter-3"), units=(2, 9, 1))
    found = expected(settings(), after, ["meter-1", "meter-3"])
    assert found.lines["near"] == {"water", "other"}
    one = settings(names=("water", "meter-2", "meter-3"), units=(9, 2, 1))
    assert expected(settings(), one, ["meter-1", "meter-3"]).devices == {"water"}


def test_a_renamed_device_with_a_dead_unit_is_not_proved_by_contact() -> None:
    """Its neighbours answer, the centre is heard: it is missed all the same."""
    after = settings(names=("meter-1", "sludge", "meter-3"), units=(1, 77, 1))
    trial = Trial(expected(settings(), after, METERS), began_s=0, timeout_s=60)
    verdict = trial.judge(60, heard=True, answering={"meter-1", "meter-3"}, unpowered=())
    assert verdict == (Verdict.FAILED, "sludge, in place of one that answered before, did not answer")


TRIAL = Trial(
    Expected(
        frozenset({"meter-2"}), {"near": frozenset({"meter-1", "meter-2"}), "far": frozenset({"meter-3"})}
    ),
    began_s=100,
    timeout_s=60,
)
ALL = set(METERS)


@pytest.mark.parametrize(
    ("heard", "answering", "unpowered", "missing"),
    [
        (True, ALL, set(), ""),
        (True, {"meter-2", "meter-3"}, set(), ""),
        (False, ALL, set(), "the centre was not heard"),
        (True, {"meter-1", "meter-3"}, set(), "meter-2, which answered before, did not answer"),
        (True, {"meter-1", "meter-3"}, {"meter-2"}, ""),
        (True, {"meter-1", "meter-2"}, set(), "nobody answered on far"),
        (True, {"meter-1", "meter-2"}, {"meter-3"}, ""),
        (
            False,
            set(),
            set(),
            "the centre was not heard; meter-2, which answered before, did not answer; "
            "nobody answered on far, near",
        ),
    ],
)
def test_a_trial_is_proved_at_once_and_fails_when_its_time_is_over(
    heard: bool, answering: set[str], unpowered: set[str], missing: str
) -> None:
    """Until then it is under way, and what is missing is told."""

    def judged(now_s: float) -> tuple[Verdict, str]:
        return TRIAL.judge(now_s, heard=heard, answering=answering, unpowered=unpowered)

    if missing:
        assert judged(159.9) == (Verdict.UNDER_WAY, missing)
        assert judged(160) == (Verdict.FAILED, missing)
    else:
        assert judged(100) == judged(160) == (Verdict.PROVED, "")
