"""What the demo shows and says: it fits a small terminal, and its verdict keeps early apart from bad."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from gengfu.demo.picture import Picture
from gengfu.demo.play import judged
from gengfu.demo.story import STEPS, Story, View
from gengfu.demo.telling import verdict
from gengfu.language import Language

PLAN = (Path(str(files("gengfu.demo"))) / "files" / "lamp-plan.toml").read_text()
TITLES = {"cover_open": {"en": "Manhole cover open or displaced", "zh": "井盖移位或开启"}}
FIGURES = {
    "samples_taken": 466, "samples_stored": 466, "lost": 0, "duplicated": 0, "failed_reads": 0,
    "alarms_raised": 1, "cases_raised": 1, "cases_duplicated": 0, "cases_verified": 0, "sprinkler_runs": 1,
    "broker_kills": 0, "queued_at_kill": 0,
    "lamp_plans_in_force": 3, "lamp_checks": 1570, "lamp_deviations": 0, "lamp_alarms": 1,
}  # fmt: skip


def alarm(device: str, problem: str, message: str, cleared_ms: int | None = None) -> dict[str, Any]:
    """An alarm as the centre's API gives it, as far as the picture looks."""
    return {
        "gateway": "lighting-1",
        "device": device,
        "problem": problem,
        "message": message,
        "cleared_ms": cleared_ms,
    }


def case(part: str, title: str, owner: str) -> dict[str, Any]:
    """A case as the city platform gives it, as far as the picture looks."""
    return {
        "case": {
            "class": {"title": {"en": title, "zh": "自来水管破裂"}},
            "part": {"code": part, "name": "供水器"},
            "place": {"lon": 106.5},
            "departments": {"owner": owner},
        }
    }


def busy(dust: float = 241.0) -> View:
    """A moment with everything at once, at its longest."""
    return View(
        1234.0,
        values={
            "site/station/pm10": dust,
            "site/relays/relay_1": False,
            **{f"street/cover-{number}/inclination": 139.7 for number in (1, 2, 3)},
            "street/pressure/pressure": 280.0,
        },
        alarms=[
            alarm("pressure", "pipe_burst", "Pressure of the water main below 140 kPa", 5),
            alarm("cover-2", "cover_open", "Manhole cover tilted more than 15 degrees"),
            alarm("cover-1", "cover_open", "Manhole cover tilted more than 15 degrees", 5),
        ],
        cases=[case(str(number), "Water main burst", "市自来水公司") for number in range(3)],
        broker_kills=1,
        waiting=100,
        queued_at_kill=4,
        lamps={
            f"lighting-{number}": {f"lamp-{lamp}": (lamp - 11) * 13 for lamp in range(11, 19)}
            for number in (1, 2, 3)
        },
        lamp_plans={"lighting-1": "in_force", "lighting-2": "in_force", "lighting-3": "sent"},
        centre_up=False,
        broker_up=False,
    )


def drawn(view: View, story: Story, language: Language) -> str:
    """The picture as a terminal of 80 columns shows it."""
    console = Console(width=80, height=40, force_terminal=False)
    with console.capture() as capture:
        console.print(Picture(language, TITLES).draw(view, story))
    return capture.get()


def told(steps: int) -> Story:
    """A story of which so many steps have happened."""
    story = Story()
    story.happened = {step.name: 10.0 for step in STEPS[:steps]}
    return story


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("steps", [0, 6, len(STEPS)])
def test_picture_fits_80_columns_and_24_lines(language: Language, steps: int) -> None:
    """With everything at its longest, in both languages, nothing is cut off."""
    picture = drawn(busy(), told(steps), language)
    assert len(picture.splitlines()) <= 24
    assert "…" not in picture
    assert picture.count("市自来水公司") == 2, "the owners of the newest two cases"
    assert f"{steps}/{len(STEPS)}" in picture


def test_picture_tells_active_alarms_from_ended_ones() -> None:
    """The active one stands first; in Chinese it goes by its case class, where there is one."""
    english, chinese = drawn(busy(), told(3), "en"), drawn(busy(), told(3), "zh")
    assert "alarms (1 active, 2 ended)" in english
    assert english.index("cover-2: Manhole cover tilted more than 15 degrees") < english.index("· ended")
    assert "cover-2：井盖移位或开启" in chinese
    assert "Pressure of the water main" in chinese


def test_lamps_are_drawn_as_shades_with_the_failed_one_crossed_out() -> None:
    """A cabinet a line, and whether it has its plan; an alarm that has ended crosses nobody out."""
    view = busy()
    assert "lamps lighting-1  · ░ ▒ ▒ ▓ ▓ █ █  plan in force" in drawn(view, told(3), "en")
    assert "lamps lighting-3  · ░ ▒ ▒ ▓ ▓ █ █  without the plan" in drawn(view, told(3), "en")
    view.alarms.append(alarm("lamp-14", "lamp_failure", "lamp-14 is dark"))
    view.alarms.append(alarm("lamp-15", "lamp_failure", "lamp-15 is dark", 5))
    assert "路灯 lighting-1  · ░ ▒ × ▓ ▓ █ █  计划生效" in drawn(view, told(3), "zh")


def test_a_lamp_s_alarm_says_in_which_cabinet_and_names_the_lamp_once() -> None:
    """There is a lamp of that name in each; at its longest, ended, it still fits."""
    view = busy()
    message = "lamp-14 is commanded to 100 % and is dark: it draws 1.2 W"
    view.alarms[:] = [alarm("lamp-14", "lamp_failure", message, 5)]
    assert f"│ lighting-1/{message} · ended │" in drawn(view, told(3), "en")


def test_each_level_of_the_demo_s_plan_is_another_shade() -> None:
    """So that dimming is seen."""
    levels = sorted({int(level) for level in re.findall(r"level = (\d+)", PLAN)})
    view = View(1.0, lamps={"lighting-1": {f"lamp-{level:03}": level for level in levels}})
    assert "lamps lighting-1  · ░ ▒ ▓ █  without" in drawn(view, told(3), "en")


def test_sprinkler_rests_only_after_a_run_and_over_the_limit() -> None:
    """Else it is off."""
    assert "resting (at least 10 s)" in drawn(busy(), told(5), "en")
    assert "sprinkler: off" in drawn(busy(), told(4), "en")
    assert "sprinkler: off" in drawn(busy(dust=149.0), told(5), "en")


def test_last_line_says_what_to_do() -> None:
    """Before the first values, during the story, after it."""
    assert "waiting for the first values …" in drawn(View(1.0), told(0), "en")
    assert "Ctrl-C ends it" in drawn(busy(), told(14), "en")
    assert "the story is complete; Ctrl-C counts both ends" in drawn(busy(), told(len(STEPS)), "en")


def test_early_is_not_bad() -> None:
    """Missing steps alone are early, said in one line; a loss is bad however far the story came."""
    assert judged(FIGURES, told(len(STEPS))) == "good"
    assert judged(FIGURES, told(5)) == "early"
    for key in ("lost", "duplicated", "cases_duplicated", "lamp_deviations"):
        assert {judged({**FIGURES, key: 1}, told(steps)) for steps in (5, len(STEPS))} == {"bad"}
    missing = told(5).missing
    lines = verdict(FIGURES, missing, "en", "early").splitlines()
    assert lines[-2:] == [
        f"5 of {len(STEPS)} steps of the story happened",
        "Ended before the story was over; until then nothing was lost or doubled, no lamp strayed.",
    ]
    bad = verdict(FIGURES, missing, "en", "bad")
    assert bad.count("did not happen: ") == len(STEPS) - 5
    assert bad.endswith("NOT as it should be.")
