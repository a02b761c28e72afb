"""``gengfu alarms``, as operators read it on 80 columns; the centre is stood in for."""

import json
from functools import partial
from typing import Any

import pytest

from gengfu.commands.alarms import app
from tests.gengfu.operators import CHINESE, ENGLISH, typed

pytestmark = pytest.mark.usefixtures("in_china")
said = partial(typed, app)

AT_MS = 1_800_000_000_000
CONDITION = {
    "row": 17,
    "gateway": "gw-1",
    "rule": "main-pressure",
    "device": "main-pressure-north",
    "point": "pressure",
    "condition": "low_low",
    "problem": "pipe_burst",
    "priority": "high",
    "part": "5001030132000007",
    "area": "500103001001",
    "message": "Pressure of the main under the western ring road is far too low",
    "state": "UNACK",
    "acked": False,
    "acked_by": None,
    "shelving": "unshelved",
    "shelved_until_ms": None,
    "suppressed": [],
    "out_of_service": False,
    "set_aside": [],
    "silenced": "",
    "chattering_since_ms": None,
    "raised_ms": AT_MS,
    "occurrences": 1,
    "changed_ms": AT_MS,
    "changed_by": "gw-1",
    "change": "raised",
    "version": 4,
}
SHELVED = CONDITION | {
    "acked": True,
    "acked_by": "wang",
    "shelving": "timed",
    "shelved_until_ms": AT_MS + 3_600_000,
    "suppressed": ["maintenance"],
    "out_of_service": True,
    "silenced": "a" * 32,
    "occurrences": 3,
    "set_aside": [{"what": "shelved", "by": "wang", "at_ms": AT_MS, "comment": "the crew knows"}],
}
SILENCE = {
    "id": "a" * 32,
    "matchers": ['gateway="gw-1"', 'problem=~"pipe_.*"'],
    "ends_at_ms": AT_MS,
    "created_by": "wang",
    "comment": "they work there",
    "state": "active",
}
FIGURES = {
    "last_10min": 14,
    "per_10min_mean": 1.4,
    "per_10min_peak": 14,
    "last_day": 201,
    "flooded_share": 0.02,
    "floods": [
        {"began_ms": AT_MS, "ended_ms": None, "count": 14, "problems": {"pipe_burst": 12, "": 2}, "areas": {}}
    ],
    "standing": {
        "active": 9,
        "unacked": 3,
        "shelved": 1,
        "suppressed": 2,
        "out_of_service": 0,
        "chattering": 1,
        "stale": 6,
    },
    "top": [CONDITION | {"count": 70, "share": 0.35}],
    "shares": {"low": 0.5, "medium": 0.3, "high": 0.15, "highest": 0.05},
    "beyond": ["per_10min_mean", "last_day", "floods", "chattering", "stale", "shares"],
}


def test_a_list_has_priority_state_time_and_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """In both languages, within 80 columns; what is set aside says by what."""
    page = {"items": [CONDITION, SHELVED], "next": "1-1"}
    told, asked = said(monkeypatch, ["list", "--gateway", "gw-1"], page)
    assert asked == [
        ("GET", "/conditions", {"gateway": "gw-1", "problem": "", "limit": 50, "state": "active"})
    ]
    for words in (
        "17",
        "high",
        "UNACK",
        "01-15 16:00",
        "gw-1/main-pressure/",
        "acknowledged by wang",
        "3 times",
    ):
        assert words in told, told
    for words in ("shelved until 01-15 17:00", "suppressed: maintenance", "out of service", "more follow"):
        assert words in told, told
    told, _ = said(monkeypatch, ["list"], page, CHINESE)
    for words in (
        "优先级",
        "高",
        "未确认",
        "已由 wang 确认",
        "搁置至 01-15 17:00",
        "已抑制：maintenance",
        "停用",
    ):
        assert words in told, told


@pytest.mark.parametrize(("env", "words"), [(ENGLISH, "no alarms there"), (CHINESE, "没有报警")])
def test_an_empty_list_says_so(monkeypatch: pytest.MonkeyPatch, env: dict[str, str], words: str) -> None:
    """And all sources are asked for by leaving the list out."""
    told, asked = said(monkeypatch, ["list", "--state", "all"], {"items": [], "next": None}, env)
    assert told == f"{words}\n"
    assert "state" not in asked[0][2]


def test_json_is_what_the_centre_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """For scripts."""
    told, _ = said(monkeypatch, ["list", "--json"], {"items": [CONDITION], "next": None})
    assert json.loads(told) == [CONDITION]
    told, _ = said(monkeypatch, ["figures", "--json"], FIGURES)
    assert json.loads(told) == FIGURES


@pytest.mark.parametrize(
    ("words", "step", "body"),
    [
        (["ack", "17"], "acknowledge", {}),
        (["reset", "17"], "reset", {}),
        (["shelve", "17", "--for", "2h"], "shelve", {"for_s": 7200.0}),
        (["shelve", "17", "--once"], "shelve", {"one_shot": True}),
        (["unshelve", "17"], "unshelve", {}),
        (["suppress", "17"], "suppress", {"reason": "maintenance"}),
        (["suppress", "17", "--reason", "tests", "--end"], "unsuppress", {"reason": "tests"}),
        (["service", "17", "out"], "out-of-service", {}),
        (["service", "17", "in"], "in-service", {}),
    ],
)
def test_each_step_goes_by_the_version_that_stands_or_was_seen(
    monkeypatch: pytest.MonkeyPatch, words: list[str], step: str, body: dict[str, Any]
) -> None:
    """``--version`` is that of what the operator has seen; then nothing is looked at first."""
    sent = body | {"comment": "x"}
    told, asked = said(monkeypatch, [*words, "--comment", "x"], SHELVED)
    assert asked == [
        ("GET", "/conditions/17", None),
        ("POST", f"/conditions/17/{step}", sent | {"version": 4}),
    ]
    assert "shelved: wang, 01-15 16:00 - the crew knows" in told
    _, asked = said(monkeypatch, [*words, "--comment", "x", "--version", "3"], SHELVED)
    assert asked == [("POST", f"/conditions/17/{step}", sent | {"version": 3})]


@pytest.mark.parametrize(
    ("words", "said_"),
    [
        (["shelve", "17"], "give either --for or --once"),
        (["shelve", "17", "--for", "2h", "--once"], "give either --for or --once"),
        (["shelve", "17", "--for", "soon"], "--for: 'soon' is no duration"),
        (["silence", 'gateway="gw-1"', "--for", "1h"], "give MATCHER, --for and --comment"),
    ],
)
def test_what_is_missing_is_asked_for(monkeypatch: pytest.MonkeyPatch, words: list[str], said_: str) -> None:
    """Before the centre hears of it."""
    told, asked = said(monkeypatch, words, CONDITION, code=1)
    assert (said_ in told, asked) == (True, [])


def test_silences_are_begun_ended_and_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the whole id, which ends one."""
    words = ["silence", 'gateway="gw-1"', 'problem=~"pipe_.*"', "--for", "1h", "--comment", "they work there"]
    told, asked = said(monkeypatch, words, SILENCE)
    matchers = ['gateway="gw-1"', 'problem=~"pipe_.*"']
    body = {"matchers": matchers, "for_s": 3600.0, "comment": "they work there"}
    assert asked == [("POST", "/silences", body)]
    assert "wang" in told
    _, asked = said(monkeypatch, ["silence", "--end", "a" * 32], SILENCE)
    assert asked == [("DELETE", f"/silences/{'a' * 32}", None)]
    told, asked = said(monkeypatch, ["silences"], {"items": [SILENCE], "next": None}, CHINESE)
    assert asked == [("GET", "/silences", {"limit": 50, "state": "active"})]
    assert "生效" in told
    assert "".join(line[:32].split()[0] for line in told.splitlines()[1:] if line.startswith("a")) == "a" * 32
    told, _ = said(monkeypatch, ["silences", "--state", "all"], {"items": [], "next": None})
    assert told == "no silences\n"


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (
            ENGLISH,
            [
                "a flood since 01-15 16:00: 14 alarms",
                "pipe_burst 12, - 2",
                "50% / 30% / 20%",
                "beyond its target",
            ],
        ),
        (CHINESE, ["报警泛滥，始于 01-15 16:00：14 条", "日报警数", "超出目标", "最频繁"]),
    ],
)
def test_figures_stand_beside_their_targets(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], words: list[str]
) -> None:
    """And the flood that lasts is summed up."""
    told, _ = said(monkeypatch, ["figures"], FIGURES, env)
    for each in words:
        assert each in told, told
