"""What a gateway is sent, and which command a lamp is under."""

import json
from pathlib import Path

import pytest

from lighting import checking, documents
from lighting.commands import Command, Reason, command
from lighting.documents import Condition, Conditions, DocumentError, Override, Overrides
from lighting.timeline import Cause, CauseKind, Comparison, Gate, Step, Threshold, moved

PLAN = checking.load(Path(checking.__file__).with_name("plan.example.toml"))
EIGHT = [f"lamp-{number}" for number in range(1, 9)]
HOUR_MS = 3_600_000


def override(level: int, start_ms: int, expiration_ms: int, *lamps: str) -> Override:
    """Return one with a reason."""
    return Override(
        lamps=list(lamps), level=level, start_ms=start_ms, expiration_ms=expiration_ms, reason="works"
    )


def step(level: int, *gates: Gate, dark: bool = False) -> Step:
    """Return a step of a timeline."""
    night = checking.SOLSTICES[0]
    return Step(5, level, gates, dark, night, "trunk-road", None, Cause(CauseKind.FIXED_TIME, "23:30"))


def test_a_part_is_for_its_gateway_alone() -> None:
    """Without groups, other cabinets, and calendars and programs that nobody there follows."""
    part = documents.part_of(PLAN, "lighting-2")
    assert [cabinet.gateway for cabinet in part.cabinets] == ["lighting-2"]
    assert part.groups == []
    assert checking.mistakes(part) == []
    with pytest.raises(ValueError, match="no cabinet 'lighting-3'"):
        documents.part_of(PLAN, "lighting-3")


def test_a_part_must_have_the_lamps_that_the_gateway_has() -> None:
    """Neither more nor fewer, and it must be that gateway's."""
    text = documents.written(documents.part_of(PLAN, "lighting-1"))
    assert documents.read_plan(text, "lighting-1", EIGHT).name == PLAN.name
    for gateway, lamps, said in (
        ("lighting-1", [*EIGHT, "lamp-9"], "the lamp 'lamp-9' of lighting-1 is in no plan"),
        ("lighting-1", EIGHT[1:], "lighting-1 has no lamp 'lamp-1'"),
        ("lighting-2", EIGHT, "the plan has no cabinet 'lighting-2'"),
    ):
        with pytest.raises(DocumentError, match=said):
            documents.read_plan(text, gateway, lamps)


def test_a_plan_asks_only_points_that_the_gateway_reads() -> None:
    """A side street's light sensor: told with the key that asks it and what there is instead."""
    text = documents.written(documents.part_of(PLAN, "lighting-1"))
    documents.read_plan(text, "lighting-1", EIGHT, {"lux/illuminance": False, "inputs/input_1": True})
    asks = "programs[1].active_periods[0].sensor: the gateway reads no lux/illuminance; "
    numbered = text.replace("lux/illuminance", "inputs/input_1")
    for told, given, points in (
        (asks + "devices are inputs", text, {"inputs/input_1": True}),
        (asks + "points of lux are lux/light", text, {"inputs/input_1": True, "lux/light": False}),
        ("inputs/input_1 is on or off, and no measure of light", numbered, {"inputs/input_1": True}),
    ):
        with pytest.raises(DocumentError) as caught:
            documents.read_plan(given, "lighting-1", EIGHT, points)
        assert told in caught.value.problems[0]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema": 1}', '{"schema": 2}', "null", '"\\ud800"', "NaN"]
)
def test_what_is_no_plan_is_told(text: str) -> None:
    """Never another exception."""
    with pytest.raises(DocumentError) as caught:
        documents.read_plan(text, "lighting-1", EIGHT)
    assert caught.value.problems


def test_overrides_end_and_are_for_lamps_that_there_are() -> None:
    """Each problem with its place."""
    sound = Overrides(overrides=[override(0, 0, HOUR_MS, "lamp-1")])
    assert documents.read_overrides(documents.written(sound), EIGHT, 3600) == sound
    for said, given, longest_s in (
        (r"overrides\[0\].expiration_ms: lasts longer than 3599 s", sound, 3599),
        (
            r"overrides\[0\].lamps: there is no lamp 'x' here",
            Overrides(overrides=[override(0, 0, 9, "x")]),
            9,
        ),
    ):
        with pytest.raises(DocumentError, match=said):
            documents.read_overrides(documents.written(given), EIGHT, longest_s)
    data = json.loads(documents.written(sound))
    data["overrides"][0]["expiration_ms"] = 0
    with pytest.raises(DocumentError, match="ends before it begins; give a later expiration_ms"):
        documents.read_overrides(json.dumps(data), EIGHT, 3600)


def test_conditions_come_back_as_facts() -> None:
    """And none holds for less than no time."""
    held = Conditions(conditions=[Condition(condition="fog", from_ms=5, until_ms=9)])
    assert documents.read_conditions(documents.written(held)).facts == [("fog", 5, 9)]
    with pytest.raises(DocumentError, match="ends before it begins; give a later until_ms"):
        documents.read_conditions('{"conditions": [{"condition": "fog", "from_ms": 9, "until_ms": 9}]}')


def test_the_last_override_that_holds_wins_and_then_the_plan_again() -> None:
    """From its start to its expiration, which is not included; other lamps are not concerned."""
    overrides = [override(10, 100, 300, "lamp-1", "lamp-2"), override(20, 200, 250, "lamp-1")]
    levels = [
        command(step(60), {}, overrides, "lamp-1", now).level for now in (99, 100, 199, 200, 249, 250, 300)
    ]
    assert levels == [60, 10, 10, 20, 20, 10, 60]
    assert command(step(60), {}, overrides, "lamp-2", 200) == Command(10, Reason.OVERRIDE, 100, 300, "works")
    assert command(step(60), {}, overrides, "lamp-3", 200) == Command(
        60, Reason.PROGRAM, 5, None, "trunk-road"
    )


def test_a_sensor_that_is_known_decides_else_the_sun() -> None:
    """Any open gate is enough; where nothing is known, whether it is night."""
    lux, switch = Threshold("lux/a", 20, 35), Comparison("inputs/b", "eq", 1)
    for opened, dark, level, reason in (
        ({lux: True, switch: False}, False, 60, Reason.SENSOR),
        ({lux: False, switch: None}, True, 0, Reason.SENSOR),
        ({lux: None}, True, 60, Reason.PROGRAM),
        ({}, False, 0, Reason.PROGRAM),
    ):
        told = command(step(60, lux, switch, dark=dark), opened, [], "lamp-1", 9)  # type: ignore[arg-type]
        assert (told.level, told.reason) == (level, reason)


def test_a_light_sensor_holds_between_its_levels() -> None:
    """So that lamps do not flicker at dusk."""
    lux = Threshold("lux/a", 20, 35)
    seen: list[bool | None] = [None]
    for value in (25, 19.9, 20, 35, 35.1, 20, 19.9):
        seen.append(moved(lux, value, seen[-1]))
    assert seen == [None, None, True, True, True, False, False, True]


@pytest.mark.parametrize(
    ("operator", "opens"),
    [("eq", [1]), ("ne", [0, 2]), ("ge", [1, 2]), ("gt", [2]), ("le", [0, 1]), ("lt", [0])],
)
def test_a_comparison_is_as_it_is_called(operator: str, opens: list[int]) -> None:
    """The point's value stands on the left."""
    gate = Comparison("a/b", operator, 1)  # type: ignore[arg-type]
    assert [value for value in range(3) if moved(gate, value, None)] == opens
