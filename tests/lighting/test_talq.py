"""Plans as TALQ and back: what is exported is TALQ's, and what comes back makes lamps do the same."""

import copy
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lighting import nights, talq
from lighting.addresses import Addresses
from lighting.checking import load, mistakes
from lighting.compiling import Compiler, Fact
from lighting.plan import Calendar, Plan
from lighting.talq import Frame, TalqError
from lighting.timeline import Step
from tests.lighting.anywhere import around, ways
from tests.lighting.oracle import PLACES
from tests.lighting.random_plans import random_facts, random_plan
from tests.lighting.talq_schemas import VARIABLE, Schemas

FOLDER = Path(talq.__file__).parents[1]
EXAMPLES = [FOLDER / "plan.example.toml", *sorted((FOLDER / "examples").glob("*.toml"))]
KINDS = {"controlPrograms": "ControlProgramOne", "calendars": "Calendar", "groups": "Group"}
YEAR_MS = (1_798_776_000_000, 1_830_312_000_000)
"""From noon of 1 January 2027 at UTC+8, 365 days."""


def example(name: str = "plan.example.toml") -> Plan:
    """Return an example plan."""
    return load(next(path for path in EXAMPLES if path.name == name))


def by_chance(wanted: int) -> Iterator[Plan]:
    """Yield sound plans by chance."""
    chance = Random(20)
    for _ in range(tries := 60 * wanted):
        where = PLACES[chance.choice(list(PLACES))]
        plan = random_plan(chance, *where, around=dt.date(2027, 1, 1) + nights.DAY * chance.randrange(365))
        if not mistakes(plan):
            wanted -= 1
            yield plan
        if not wanted:
            return
    raise AssertionError(f"{tries} plans by chance are not enough")


def year(plan: Plan, facts: list[Fact]) -> dict[str, list[Step]]:
    """Return the steps of a year for each calendar and place; rules are counted otherwise in TALQ."""
    compiler, found = Compiler(plan), {}
    for calendar in plan.calendars:
        for place in set(plan.place_of.values()):
            steps = compiler.timeline(calendar.id, place, *YEAR_MS, facts).steps
            found[f"{calendar.id} {place}"] = [step._replace(rule=None) for step in steps]
    return found


def lamps(plan: Plan) -> dict[str, set[str]]:
    """Return the lamps of each calendar."""
    addresses = Addresses(plan)
    found: dict[str, set[str]] = {}
    for it in plan.assignments:
        own = {str(lamp) for text in it.addresses for lamp in addresses.lamps(text)}
        found.setdefault(it.calendar, set()).update(own)
    return found


def facts_of(plan: Plan) -> list[Fact]:
    """Return conditions that hold for some hours here and there."""
    hour_ms = 3_600_000
    starts = [
        (name, YEAR_MS[0] + (700 * n + 100 * number) * hour_ms)
        for n in range(12)
        for number, name in enumerate(plan.conditions)
    ]
    return [Fact(name, from_ms, from_ms + 31 * hour_ms) for name, from_ms in starts]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_comes_back_as_it_went(path: Path) -> None:
    """A year of steps, with their nights, programs and causes; and the same lamps."""
    plan = load(path)
    back, remarks = talq.imported(json.dumps(talq.exported(plan)))
    assert remarks == []
    assert year(back, facts_of(plan)) == year(plan, facts_of(plan))
    assert lamps(back) == lamps(plan)
    assert (back.name, back.time_zone, back.place_of) == (plan.name, plan.time_zone, plan.place_of)
    assert (back.conditions, back.overrides) == (plan.conditions, plan.overrides)
    again = talq.exported(back)
    assert again == talq.exported(talq.imported(again).plan)


def test_plans_by_chance_come_back_as_they_went() -> None:
    """Of every kind of period, control and rule, with conditions that begin and end."""
    chance, periods, conditions = Random(3), set(), 0
    for plan in by_chance(15):
        back, _ = talq.imported(json.dumps(talq.exported(plan)))
        facts = [Fact(*each) for each in random_facts(chance, *YEAR_MS)]
        assert year(back, facts) == year(plan, facts)
        periods |= {period.kind for program in plan.programs for period in program.active_periods}
        conditions += sum(rule.condition is not None for it in plan.calendars for rule in it.rules)
    assert len(periods) == 5
    assert conditions


@pytest.mark.skipif(Schemas.path() is None, reason=f"{VARIABLE} names no file with TALQ's schemas")
def test_what_is_exported_validates_against_the_published_schemas() -> None:
    """Every object of every example, and of plans by chance; the control is an object that does not."""
    path = Schemas.path()
    assert path is not None
    schemas = Schemas(path)
    for plan in [*map(load, EXAMPLES), *by_chance(10)]:
        data = talq.exported(plan)
        for table, name in (KINDS | {"assignCommands": "AssignCommand", "services": "Service"}).items():
            for row in data[table]:
                assert schemas.problems(row, name) == []
    assert {"AbsoluteActivePeriod", "AstroAndSensorActivePeriod", "ValueActivePeriod"} <= schemas.used
    assert {"ControlProgramOne", "Calendar", "Group", "AssignCommand", "LevelState"} <= schemas.used
    data = talq.exported(example())
    for table, name, change in (
        ("controlPrograms", "ControlProgramOne", {"fixedTimeControls": None}),
        ("calendars", "Calendar", {"ownerCMS": None}),
        ("calendars", "Calendar", {"rules": [{"program": "p", "startDate": "--13-01"}]}),
        ("calendars", "Calendar", {"rules": [{"program": "p", "condition": {"type": "fog"}}]}),
        ("groups", "Group", {"members": ["lighting-1/lamp-1"]}),
    ):
        assert schemas.problems(data[table][0] | change, name)
    data["controlPrograms"][0]["fixedTimeControls"][0]["command"]["state"]["value"] = 101
    assert schemas.problems(data["controlPrograms"][0], "ControlProgramOne")


def test_rules_with_conditions_are_no_rules_for_others() -> None:
    """Whoever knows no conditions must not take fog for every night; they stand in the extension."""
    plan = example("riverside.toml")
    data = talq.exported(plan)
    assert [it["rule"]["condition"] for it in data["x-gengfu-plan"]["rules"]] == ["closed", "event"]
    others = {key: value for key, value in data.items() if key != "x-gengfu-plan"}
    assert "closed" not in json.dumps(others)
    assert "dark" not in [rule["program"] for it in data["calendars"] for rule in it["rules"]]
    beyond = {key: value for key, value in data["x-gengfu-plan"].items() if key != "rules"}
    without, _ = talq.imported(others, Frame(beyond))
    assert all(rule.condition is None for it in without.calendars for rule in it.rules)
    assert year(without, []) == year(plan, [])


def test_a_calendar_in_talqs_own_words() -> None:
    """Days are ccDay with 1 for Monday, yearly dates gMonthDay, and a season over new year is two rules."""
    [facades, _] = talq.exported(example("riverside.toml"))["calendars"]
    assert facades["rules"] == [
        {"program": "show", "startDate": "2027-02-05", "endDate": "2027-02-21"},
        {"program": "show", "startDate": "--10-01", "endDate": "--10-07"},
        {"program": "show", "startDate": "--12-31", "endDate": "--12-31"},
        {"program": "show", "startDate": "--01-01", "endDate": "--01-01"},
        {"program": "facades-weekend", "condition": {"type": "ccDay", "days": [{"start": 5}, {"start": 6}]}},
    ]


FOREIGN = Frame(
    {
        "name": "foreign",
        "time_zone": "Asia/Shanghai",
        "place": {"latitude_deg": 30.0, "longitude_deg": 104.0},
        "cabinets": [{"gateway": "north", "lamps": ["lamp-{1-2}"]}],
    },
    {"4EB333B9-1/fLampActuator": "north/lamp-1", "4EB333B9-2/fLampActuator": "north/lamp-2"},
)


def foreign() -> dict[str, Any]:
    """Return objects as another CMS would write them."""
    command = {"state": {"name": "LevelState", "value": 70}, "rampToLevelTime": 30.0}
    return {
        "services": [{"name": "ControlService", "dayOffset": 12}],
        "controlPrograms": [
            {
                "type": "ControlProgramOne",
                "id": "Main Road 50%",
                "ownerCMS": "https://cms.example",
                "activePeriods": [{"name": "AstroClockActivePeriod", "sunsetOffset": 5, "sunriseOffset": -5}],
                "fixedTimeControls": [{"startTime": "18:00:00", "command": command}],
                "dynamicControls": [{"effect": {"type": "ExternalControlEffect"}}],
            }
        ],
        "calendars": [
            {
                "id": "C1",
                "ownerCMS": "https://cms.example",
                "rules": [
                    {
                        "program": "Main Road 50%",
                        "condition": {"type": "ccDate", "dates": [{"start": "--12-24", "end": "--12-26"}]},
                    },
                    {
                        "program": "Main Road 50%",
                        "condition": {"type": "ccDay", "days": [{"start": 5, "end": 7}]},
                    },
                ],
                "defaultProgram": "Main Road 50%",
            }
        ],
        "assignCommands": [
            {
                "addresses": [
                    {"resource": "devices", "address": f"4EB333B9-{n}/fLampActuator"} for n in (1, 2)
                ],
                "entity": {"resource": "calendars", "address": "C1"},
                "cmsRefId": "42",
            }
        ],
    }


def test_another_systems_objects_make_a_plan() -> None:
    """Names become ours, days and dates are rules, and everything that was left out is told."""
    plan, remarks = talq.imported(foreign(), FOREIGN)
    assert [program.id for program in plan.programs] == ["main-road-50"]
    assert plan.calendars == [
        Calendar.model_validate(
            {
                "id": "c1",
                "default_program": "main-road-50",
                "rules": [
                    {"program": "main-road-50", "start_date": "--12-24", "end_date": "--12-26"},
                    {"program": "main-road-50", "days": ["fri", "sat", "sun"]},
                ],
            }
        )
    ]
    assert lamps(plan) == {"c1": {"north/lamp-1", "north/lamp-2"}}
    assert remarks == [
        "controlPrograms[0].dynamicControls: is not taken: sensors that change levels in between",
        "controlPrograms[0].id: 'Main Road 50%' is called 'main-road-50' here",
        "controlPrograms[0].fixedTimeControls[0].command.rampToLevelTime: is not taken: "
        "lamps go to the level at once",
        "calendars[0].id: 'C1' is called 'c1' here",
    ]


PROGRAM, CALENDAR = ("controlPrograms", 0), ("calendars", 0)
REFUSED: list[tuple[tuple[str | int, ...], Any, str]] = [
    ((*PROGRAM, "type"), "ControlProgramTwo", "controlPrograms[0].type: is 'ControlProgramTwo'"),
    ((*PROGRAM, "fixedTimeControls"), [], "programs[0].fixed_time_controls: must not be empty"),
    (
        (*PROGRAM, "fixedTimeControls", 0, "startTime"),
        "18:00:00Z",
        "startTime: '18:00:00Z' is no time of day",
    ),
    ((*PROGRAM, "fixedTimeControls", 0, "startTime"), None, "startTime: None is no time of day"),
    ((*PROGRAM, "fixedTimeControls", 0, "command", "state", "name"), "CCTColorState", "state: is a 'CCT"),
    ((*PROGRAM, "fixedTimeControls", 0, "command", "state", "value"), 101, "level: must be at most 100"),
    ((*PROGRAM, "fixedTimeControls", 0, "command"), "full", "fixedTimeControls[0].command: is no object"),
    ((*PROGRAM, "activePeriods", 0, "name"), "MoonPeriod", "activePeriods[0].name: 'MoonPeriod' is no"),
    ((*PROGRAM, "activePeriods", 0, "sunsetOffset"), 300, "sunset_offset_min: must be at most 240"),
    ((*PROGRAM, "activePeriods"), {}, "controlPrograms[0].activePeriods: is no list"),
    (
        (*PROGRAM, "activePeriods", 0),
        {"name": "SensorActivePeriod", "sensor": {}, "onLevel": 1, "offLevel": 2},
        "activePeriods[0].sensor: names no sensor",
    ),
    (
        (*PROGRAM, "activePeriods", 0),
        {
            "name": "ValueActivePeriod",
            "reference": {"resource": "devices", "address": "a/b"},
            "operator": "EQ",
            "state": {"name": "TextState", "value": "x"},
        },
        "activePeriods[0].state: is a 'TextState'",
    ),
    (("services", 0, "dayOffset"), 0, "services[0]: days go from midnight to midnight"),
    (("services", 0), {"name": "ControlService"}, "services[0]: days go from midnight to midnight"),
    ((*CALENDAR, "defaultProgram"), "P2", "there is no program 'p2'"),
    ((*CALENDAR, "rules", 0, "startDate"), "--01-01", "condition: stands beside startDate or endDate"),
    ((*CALENDAR, "rules", 0, "condition", "dates", 0, "start"), "---05", "dates[0]: is a day of every month"),
    ((*CALENDAR, "rules", 0, "condition", "dates", 0, "start"), "--12-31", "dates[0]: ends before it starts"),
    ((*CALENDAR, "rules", 0, "condition", "dates", 0, "start"), "--02-30", "--02-30 is in no year"),
    ((*CALENDAR, "rules", 0, "condition", "type"), "ccMoon", "condition.type: 'ccMoon' is unknown"),
    ((*CALENDAR, "rules", 1, "condition", "occurrences"), ["2"], "asks for certain weeks of a month"),
    ((*CALENDAR, "rules", 1, "condition", "days", 0, "end"), 4, "5 to 4 are no days of the week"),
    ((*CALENDAR, "rules", 1, "condition", "days"), [], "days: names no day"),
    (("assignCommands", 0, "entity", "address"), "", "assignCommands[0]: takes a calendar away"),
    (("assignCommands", 0, "addresses", 0, "resource"), "gateways", "addresses[0]: is of 'gateways'"),
    (("assignCommands", 0, "addresses", 0, "address"), "x/y/z", "there is no cabinet 'x'"),
    (("assignCommands", 0, "addresses"), [], "assignments[0].addresses: must not be empty"),
    (("assignCommands",), "none", "assignCommands: is no list"),
    (("x-gengfu-plan",), [], "x-gengfu-plan: is no object"),
    (("x-gengfu-plan",), {"name": "n"}, "x-gengfu-plan.schema: None is unknown"),
    (("x-gengfu-plan",), {"schema": 1, "rules": [{"calendar": "C1"}]}, "rules[0]: is no rule with its place"),
    (
        ("x-gengfu-plan",),
        {"schema": 1, "rules": [{"calendar": "c", "at": 0, "rule": {}}]},
        "there is no calendar 'c'",
    ),
]


@pytest.mark.parametrize(("where", "value", "said"), REFUSED, ids=[said[:60] for *_, said in REFUSED])
def test_what_would_make_lamps_do_something_else_is_refused(
    where: tuple[str | int, ...], value: Any, said: str
) -> None:
    """With the member that it is about."""
    data: Any = copy.deepcopy(foreign())
    around(data, where)[where[-1]] = value
    with pytest.raises(TalqError) as caught:
        talq.imported(data, FOREIGN)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not valid JSON"),
        (b"[]", "must be an object with services, controlPrograms"),
        (b'{"a":' * 100_000, "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"{}", "nothing says the plan's place"),
    ],
)
def test_what_is_no_talq_is_refused(data: bytes, said: str) -> None:
    """Whatever the file holds."""
    with pytest.raises(TalqError, match=said):
        talq.imported(data)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 300)
    | st.floats()
    | st.sampled_from(["", "--02-29", "x", "é/ "]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_anything_else_is_refused_or_taken_and_never_raises_otherwise(data: st.DataObject) -> None:
    """One member of a sound file is exchanged for anything."""
    given_data: Any = json.loads(
        json.dumps(data.draw(st.sampled_from([talq.exported(example()), foreign()])))
    )
    way = data.draw(st.sampled_from(list(ways(given_data))))
    around(given_data, way)[way[-1]] = data.draw(JSON)
    try:
        plan, _ = talq.imported(
            json.dumps(given_data), FOREIGN if "x-gengfu-plan" not in given_data else None
        )
    except TalqError as error:
        told = error.problems
    else:
        told = ["sound"] if mistakes(plan) == [] else []
    assert told
