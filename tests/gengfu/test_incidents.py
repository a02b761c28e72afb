"""``gengfu incidents``, as operators read it on 80 columns; the centre is stood in for."""

import json
from functools import partial
from typing import Any

import pytest

from collector.incidents.views import IncidentView, IncidentWithMembersView
from gengfu.commands.incidents import app
from tests.gengfu.operators import CHINESE, ENGLISH, typed

pytestmark = pytest.mark.usefixtures("in_china")
said = partial(typed, app)

AT_MS = 1_800_000_000_000
ID, OTHER = "a" * 32, "b" * 32
INCIDENT: dict[str, Any] = {
    "id": ID,
    "rule": "many_neighbours",
    "title": {
        "en": "Burst under the western ring road, many neighbours at once",
        "zh": "西环路爆管，多处同时报警",
    },
    "labels": {"problem": "pipe_burst"},
    "area": "500103001001",
    "priority": "highest",
    "opened_ms": AT_MS,
    "last_ms": AT_MS + 60_000,
    "closed_ms": None,
    "merged_into": None,
    "sources": 3,
    "members": 103,
    "active": 12,
    "box": [106.5, 29.5, 106.6, 29.6],
    "acked_ms": None,
    "acked_by": "",
    "case_id": "c" * 32,
    "version": 4,
}
OVER = INCIDENT | {"id": OTHER, "closed_ms": AT_MS + 120_000, "acked_ms": AT_MS, "acked_by": "wang"}
MERGED = INCIDENT | {"merged_into": OTHER}
ALARM: dict[str, Any] = {
    "gateway": "gw-1",
    "alarm_id": "1" * 32,
    "at_ms": AT_MS,
    "cleared_ms": AT_MS + 30_000,
    "rule": "main-pressure",
    "device": "main-pressure-north",
    "point": "pressure",
    "problem": "pipe_burst",
    "priority": "high",
    "message": "Pressure of the main under the western ring road is far too low",
    "part": "",
}
GONE = ALARM | dict.fromkeys(
    ("cleared_ms", "rule", "device", "point", "problem", "priority", "message", "part")
)
WHOLE = INCIDENT | {"alarms": [ALARM, GONE], "alarms_left_out": 101}


def test_what_stands_in_for_the_centre_says_what_a_centre_says() -> None:
    """No field more or less."""
    for told in (INCIDENT, OVER, MERGED):
        assert IncidentView.model_validate(told).model_dump(mode="json") == told
    assert IncidentWithMembersView.model_validate(WHOLE).model_dump(mode="json") == WHOLE


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (
            ENGLISH,
            [
                "HIGHEST",
                "01-15 16:00",
                "12/103",
                "Burst under",
                "500103001001",
                ID,
                "more follow",
                "closed 01-15 16:02",
                "acknowledged by wang, 01-15 16:00",
                f"went over to {OTHER}",
            ],
        ),
        (
            CHINESE,
            [
                "最高",
                "西环路爆管",
                "01-15 16:02 已结束",
                "已由 wang 确认，01-15 16:00",
                f"已并入 {OTHER}",
                "未完",
            ],
        ),
    ],
)
def test_a_list_has_priority_time_alarms_title_and_the_whole_id(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], words: list[str]
) -> None:
    """In both languages; the id is in one piece, to be copied."""
    told, asked = said(
        monkeypatch, ["list", "--area", "5001"], {"items": [INCIDENT, OVER, MERGED], "next": "1"}, env
    )
    assert asked == [("GET", "/incidents", {"rule": "", "area": "5001", "limit": 50, "open": True})]
    for each in words:
        assert each in told, told


@pytest.mark.parametrize(("env", "words"), [(ENGLISH, "no incidents there"), (CHINESE, "没有事件")])
def test_an_empty_list_says_so(monkeypatch: pytest.MonkeyPatch, env: dict[str, str], words: str) -> None:
    """And all are asked for by leaving the state out."""
    told, asked = said(monkeypatch, ["list", "--state", "all"], {"items": [], "next": None}, env)
    assert told == f"{words}\n"
    assert "open" not in asked[0][2]
    _, asked = said(monkeypatch, ["list", "--state", "closed"], {"items": [], "next": None}, env)
    assert asked[0][2]["open"] is False


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (
            ENGLISH,
            [
                ID,
                "many_neighbours · HIGHEST · version 4",
                "open since 01-15 16:00, last alarm 01-15 16:01",
                "12 of 103 alarms active, from 3 sources",
                "unacknowledged",
                "case " + "c" * 32,
                "gw-1/main-pressure",
                "over 01-15 16:00",
                "(kept no more)",
                "101 older alarms are not shown",
            ],
        ),
        (
            CHINESE,
            [
                "最高",
                "版本 4",
                "103 条报警中 12 条活动，来自 3 个来源",
                "未确认",
                "另有 101 条较早的报警未显示",
            ],
        ),
    ],
)
def test_one_is_shown_with_its_newest_alarms(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], words: list[str]
) -> None:
    """Those that are kept no more are said to have been there."""
    told, asked = said(monkeypatch, ["show", ID], WHOLE, env)
    assert asked == [("GET", f"/incidents/{ID}", None)]
    for each in words:
        assert each in told, told


def test_it_is_acknowledged_as_it_stands_or_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--version`` is that of what the operator has seen; then nothing is looked at first."""
    path = f"/incidents/{ID}"
    _, asked = said(monkeypatch, ["ack", ID], WHOLE)
    assert asked == [("GET", path, None), ("POST", f"{path}/acknowledge", {"version": 4})]
    _, asked = said(monkeypatch, ["ack", ID, "--version", "3"], WHOLE)
    assert asked == [("POST", f"{path}/acknowledge", {"version": 3})]


def test_json_is_what_the_centre_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """For scripts."""
    told, _ = said(monkeypatch, ["list", "--json"], {"items": [INCIDENT], "next": None})
    assert json.loads(told) == [INCIDENT]
    told, _ = said(monkeypatch, ["show", ID, "--json"], WHOLE)
    assert json.loads(told) == WHOLE


@pytest.mark.parametrize("incident", ["17", "A" * 32, "../cases", ""])
def test_what_is_no_id_is_never_asked_for(monkeypatch: pytest.MonkeyPatch, incident: str) -> None:
    """It would be another address."""
    told, asked = said(monkeypatch, ["ack", incident], WHOLE, code=1)
    assert ("is no incident's id" in told, asked) == (True, [])
