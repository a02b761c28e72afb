"""A plan with a mistake is refused, by file, line, key and remedy; a sound one compiles whatever is asked."""

# ruff: noqa: E501 - a table of mistakes reads best with one a line

import datetime as dt
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lighting import checking, documents, nights
from lighting.addresses import GROUPS_DEEP_MAX, AddressError, Addresses, expanded
from lighting.compiling import Compiler, Fact
from lighting.documents import DocumentError
from lighting.plan import Calendar, CalendarRule, Plan
from lighting.reach import unreachable
from tests.lighting.anywhere import around, ways
from tests.lighting.minute_oracle import on_night
from toml_files import TomlFile, TomlFileError

FOLDER = Path(checking.__file__).parent
EXAMPLE = FOLDER / "plan.example.toml"
EXAMPLES = [EXAMPLE, *sorted((FOLDER / "examples").glob("*.toml"))]
TEXT = EXAMPLE.read_text()


def problems(text: str, tmp_path: Path) -> list[str]:
    """Return what is told of a file."""
    file = tmp_path / "plan.toml"
    file.write_text(text)
    with pytest.raises(TomlFileError) as caught:
        checking.load(file)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def line_of(text: str) -> int:
    """Return the line of the example on which ``text`` stands first."""
    return TEXT[: TEXT.index(text)].count("\n") + 1


def models(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Yield the model and all that stand in it."""
    if model in seen:
        return
    seen.add(model)
    yield model
    for field in model.model_fields.values():
        waiting: list[Any] = [field.annotation]
        while waiting:
            annotation = waiting.pop()
            waiting += get_args(annotation)
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                yield from models(annotation, seen)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_sound(path: Path) -> None:
    """What we hand out loads, and every lamp has a year of steps."""
    plan = checking.load(path)
    compiler = Compiler(plan)
    from_ms = nights.begins_ms(dt.date(2027, 1, 1), compiler.zone)
    for calendar in plan.calendars:
        assert compiler.timeline(calendar.id, plan.place, from_ms, from_ms + 365 * 86_400_000).steps


def test_every_key_stands_in_the_example() -> None:
    """A key that is not in the manual does not exist for the lighting team."""
    for model in models(Plan, set()):
        for name, field in model.model_fields.items():
            key = field.alias or name
            assert re.search(rf"(^|[{{(,#\s]){key}(\s*=|[,)])|\[\[?{key}\]", TEXT), f"{model.__name__}.{key}"


def test_the_defaults_in_the_example_are_the_defaults() -> None:
    """A commented key shows exactly what the model takes without it."""
    lines = [
        line.removeprefix("# ") if re.match(r"# [a-z_]+ = \S+$", line) else line for line in TEXT.splitlines()
    ]
    assert lines != TEXT.splitlines()
    assert TomlFile("\n".join(lines), "example").parse(Plan) == TomlFile(TEXT, "example").parse(Plan)


# What stands in the example, what instead, and what is told: where (a text of that line), and the rest.
MISTAKES = [
    ("schema = 1", "schema = 2", "schema = 1", "schema: must be 1; 2 was given"),
    ("latitude_deg = 29.56", "latitude_deg = 65.75", "place = {", "place: the sun does not set, or not rise, at 65.75 degrees about 2026-06-21; lamp plans need a sunset and a sunrise every day"),
    ("latitude_deg = 29.56", "latitude_deg = 70", "place = {", "place.latitude_deg: must be at most 66; 70 was given"),
    ("longitude_deg = 106.55", "longitude_deg = -106.55", "place = {", "place: the sun is not up at noon of Asia/Shanghai on 2026-06-21; check time_zone and longitude_deg (east is positive)"),
    ("longitude_deg = 106.60", "longitude_deg = -106.60", "place = { latitude_deg = 29.50", "cabinets[1].place: the sun is not up at noon of Asia/Shanghai on 2026-06-21; check time_zone and longitude_deg (east is positive)"),
    ("start_time = 23:30:00", "start_time = 12:00:00", "start_time = 23:30:00", "programs[0].fixed_time_controls[1].start_time: 12:00:00 does not come after 12:00:00: a night runs from noon to noon; put the times in the order of the night: 12:00 … 23:59, 00:00 … 11:59"),
    ("start_time = 23:30:00", "start_time = 05:30:00", "start_time = 05:00:00", "programs[0].fixed_time_controls[2].start_time: 05:00:00 does not come after 05:30:00: a night runs from noon to noon; put the times in the order of the night: 12:00 … 23:59, 00:00 … 11:59"),
    ("start_time = 23:30:00", "start_time = 23:30:00.5", "start_time = 23:30:00", "programs[0].fixed_time_controls[1].start_time: 23:30:00.500000 has parts of a second; write hours, minutes and seconds only"),
    ("start_time = 23:30:00", 'start_time = "23:30"', "start_time = 23:30:00", "programs[0].fixed_time_controls[1].start_time"),
    ("level = 60", "level = 101", "level = 60", "programs[0].fixed_time_controls[1].level: must be at most 100; 101 was given"),
    ("level = 60", "level = 60.5", "level = 60", "programs[0].fixed_time_controls[1].level: must be a whole number; 60.5 was given"),
    ("offset_min = -20, operation", "offset_min = -241, operation", "offset_min = -20, operation", "programs[0].astro_clock_time_controls[0].offset_min: must be at least -240; -241 was given"),
    ('operation = "min", level = 50 },', 'operation = "min", level = 50 }, { solar_event_type = "sunrise", offset_min = -20, level = 9 },', 'operation = "min", level = 50', "programs[0].astro_clock_time_controls[1]: astro_clock_time_controls[0] is at the same moment; remove one of them"),
    ("off_level = 35", "off_level = 20", "off_level = 35", "programs[1].active_periods[0].off_level: off_level 20 is not above on_level 20; leave a gap, or the lamps flicker at dusk"),
    ('kind = "astro_and_sensor"', 'kind = "moon"', 'kind = "astro_and_sensor"', "programs[1].active_periods[0].kind: 'moon' is unknown; write one of 'absolute', 'astro_clock', 'sensor', 'astro_and_sensor', 'value'"),
    ('sensor = "lux/illuminance"', 'sensor = "lux"', 'sensor = "lux/illuminance"', "programs[1].active_periods[0].sensor: must be device/point; 'lux' was given"),
    ('active_periods = [{ kind = "astro_clock", sunset_offset_min = -20, sunrise_offset_min = 20 }]', 'active_periods = [{ kind = "absolute", start_time = 20:00:00, end_time = 22:00:00 }, { kind = "absolute", start_time = 21:59:59, end_time = 05:00:00 }]', "active_periods = [{ kind = \"astro_clock\", sunset_offset_min = -20", "programs[2].active_periods[1]: overlaps active_periods[0]; join the two, or let one end where the other begins"),
    ('active_periods = [{ kind = "astro_clock", sunset_offset_min = -20, sunrise_offset_min = 20 }]', 'active_periods = [{ kind = "absolute", start_time = 20:00:00, end_time = 13:00:00 }, { kind = "absolute", start_time = 12:30:00, end_time = 14:00:00 }]', "active_periods = [{ kind = \"astro_clock\", sunset_offset_min = -20", "programs[2].active_periods[1]: overlaps active_periods[0]; join the two, or let one end where the other begins"),
    ('id = "side-street"', 'id = "trunk-road"', 'id = "side-street"', "programs[1].id: 'trunk-road' is taken by programs[0]; give another"),
    ('id = "side"', 'id = "trunk"', 'id = "side"\n', "calendars[1].id: 'trunk' is taken by calendars[0]; give another"),
    ('id = "side-streets"', 'id = "bridge"', 'id = "side-streets"', "groups[1].id: 'bridge' is taken by groups[0]; give another"),
    ('gateway = "lighting-2"', 'gateway = "lighting-1"', 'gateway = "lighting-2"', "cabinets[1].gateway: 'lighting-1' is taken by cabinets[0]; give another"),
    ('id = "side-street"', 'id = "Side Street"', 'id = "side-street"', "programs[1].id: must be lower-case letters, digits, - and _, beginning with a letter or digit; 'Side Street' was given"),
    ('program = "whole-night", condition = "fog"', 'program = "wole-night", condition = "fog"', 'condition = "fog" }', "calendars[0].rules[0].program: there is no program 'wole-night'; write one of side-street, trunk-road, whole-night"),
    ('default_program = "trunk-road"', 'default_program = "trunk"', 'default_program = "trunk-road"', "calendars[0].default_program: there is no program 'trunk'; write one of side-street, trunk-road, whole-night"),
    ('condition = "fog" }', 'condition = "snow" }', 'condition = "fog" }', "calendars[0].rules[0].condition: there is no condition 'snow'; name it in conditions = […] at the head of the plan"),
    ("end_date = 2027-02-20", "end_date = 2027-02-04", "end_date = 2027-02-20", "calendars[0].rules[1].end_date: 2027-02-04 is before 2027-02-05; exchange them"),
    ("end_date = 2027-02-20", 'end_date = "--02-20"', "end_date = 2027-02-20", "calendars[0].rules[1].end_date: one date has a year and the other has none; write both alike"),
    ("end_date = 2027-02-20", "end_date = 2027-02-20T12:00:00", "end_date = 2027-02-20", "calendars[0].rules[1].end_date"),
    ('start_date = "--10-01"', 'start_date = "--02-30"', 'start_date = "--10-01"', "calendars[0].rules[2].start_date: --02-30 is in no year; write --MM-DD with a day that the month has"),
    ('start_date = "--10-01"', 'start_date = "--04-31"', 'start_date = "--10-01"', "calendars[0].rules[2].start_date: --04-31 is in no year; write --MM-DD with a day that the month has"),
    ('start_date = "--10-01"', 'start_date = "--00-01"', 'start_date = "--10-01"', "calendars[0].rules[2].start_date: --00-01 is in no year"),
    ('start_date = "--10-01"', 'start_date = "10-01"', 'start_date = "--10-01"', 'calendars[0].rules[2].start_date: must be "--MM-DD", a day of every year'),
    ('days = ["fri", "sat"]', 'days = ["fri", "fri"]', 'days = ["fri", "sat"]', "calendars[0].rules[3].days: a day stands there twice; remove one"),
    ('days = ["fri", "sat"]', 'days = ["friday"]', 'days = ["fri", "sat"]', "calendars[0].rules[3].days[0]: must be 'mon', 'tue', 'wed', 'thu', 'fri', 'sat' or 'sun'; 'friday' was given"),
    ('days = ["fri", "sat"] }', 'start_date = 2027-02-10, end_date = 2027-02-15 }', 'days = ["fri", "sat"]', "calendars[0].rules[3]: never applies: rules before it take all of its nights; put it before them, or remove it; the first rule that applies wins"),
    ('days = ["fri", "sat"] }', 'start_date = "--10-05", end_date = "--10-12" }', 'days = ["fri", "sat"]', "calendars[0].rules[3]: its dates overlap those of rules[2] in part; let one end before the other begins, or lie within it"),
    ('days = ["fri", "sat"] }', 'days = ["mon"], start_date = 2027-02-09, end_date = 2027-02-14 }', 'days = ["fri", "sat"]', "calendars[0].rules[3]: applies on no night; check its dates and days"),
    ('days = ["fri", "sat"] }', 'days = ["mon"], condition = "fog" }', 'days = ["fri", "sat"]', "calendars[0].rules[3]: never applies: rules before it take all of its nights; put it before them, or remove it; the first rule that applies wins"),
    ('lamps = ["lamp-{1-8}"]', 'lamps = ["lamp-{8-1}"]', 'lamps = ["lamp-{1-8}"]', "cabinets[0].lamps[0]: 'lamp-{8-1}' counts down; write {1-8}"),
    ('lamps = ["lamp-{1-8}"]', 'lamps = ["lamp-{1-8}", "lamp-3"]', 'lamps = ["lamp-{1-8}"]', "cabinets[0].lamps[1]: 'lamp-3' stands there twice; remove one"),
    ('lamps = ["lamp-{1-8}"]', 'lamps = ["Lamp 1"]', 'lamps = ["lamp-{1-8}"]', "cabinets[0].lamps[0]: 'Lamp 1' is no name of a lamp; write up to 64 characters of a-z, 0-9, - and _; lamp-{1-8} is eight"),
    ('lamps = ["lamp-{1-8}"]', 'lamps = ["lamp-{1-99999}"]', 'lamps = ["lamp-{1-8}"]', "cabinets[0].lamps[0]: 'lamp-{1-99999}' are more than 20000 names; divide it"),
    ('lamps = ["lamp-{1-8}"]', 'lamps = ["lamp-{1-9}"]', 'lamps = ["lamp-{1-8}"]', "cabinets[0].lamps: lighting-1/lamp-9 follows no calendar; name it, or a group of it, in [[assignments]]"),
    ('"lighting-1/lamp-{1-4}", "lighting-2/circuit-1"', '"lighting-1/lamp-{1-2}"', 'lamps = ["lamp-{1-8}"]', "cabinets[0].lamps: lighting-1/lamp-3 and 2 more follow no calendar; name it, or a group of it, in [[assignments]]"),
    ('addresses = ["side-streets"]', 'addresses = ["side-streets", "bridge"]', 'addresses = ["side-streets"]', "assignments[1].addresses[1]: lighting-1/lamp-7 follows a calendar already, by assignments[0]; let every lamp follow one"),
    ('addresses = ["side-streets"]', 'addresses = ["side-street"]', 'addresses = ["side-streets"]', "assignments[1].addresses[0]: there is no group 'side-street'; write one of bridge, side-streets; a lamp is written cabinet/lamp"),
    ('calendar = "side"', 'calendar = "sides"', 'calendar = "side"', "assignments[1].calendar: there is no calendar 'sides'; write one of side, trunk"),
    ('"lighting-1/lamp-{7-8}", "lighting-2/lamp-1"', '"lighting-1/lamp-{7-9}", "lighting-2/lamp-1"', '"lighting-1/lamp-{7-8}"', "groups[0].members[0]: the cabinet 'lighting-1' has no lamp 'lamp-9'; write one of lamp-1, lamp-2, lamp-3, lamp-4, lamp-5, lamp-6, lamp-7, lamp-8, or lighting-1/*"),
    ('"lighting-1/lamp-{7-8}", "lighting-2/lamp-1"', '"lighting-1/lamp-{7-8}", "lighting-3/lamp-1"', '"lighting-1/lamp-{7-8}"', "groups[0].members[1]: there is no cabinet 'lighting-3'; write one of lighting-1, lighting-2"),
    ('"lighting-1/lamp-{7-8}", "lighting-2/lamp-1"', '"bridge"', '"lighting-1/lamp-{7-8}"', "groups[0].members[0]: the group 'bridge' contains itself: bridge in bridge; take it out of one of them"),
    ('"lighting-1/lamp-{7-8}", "lighting-2/lamp-1"', "", '"lighting-1/lamp-{7-8}"', "groups[0].members: must not be empty; [] was given"),
    ("# default_s = 7200", "default_s = 50000", "# default_s", "overrides.default_s: 50000 s is longer than longest_s, 43200; make it shorter, or the other longer"),
    ('conditions = ["fog"]', 'conditions = ["fog", "fog"]', 'conditions = ["fog"]', "conditions[1]: 'fog' is taken by conditions[0]; give another"),
    ("# default_s = 7200", "default_s = 0", "# default_s", "overrides.default_s: must be more than 0; 0 was given"),
    ('conditions = ["fog"]', 'condition = ["fog"]', 'conditions = ["fog"]', "condition: is not a key of this table; did you mean conditions?"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "where", "told"), MISTAKES, ids=[row[1][:40] for row in MISTAKES])
def test_a_mistake_is_told_with_file_line_key_and_remedy(
    old: str, new: str, where: str, told: str, tmp_path: Path
) -> None:
    """Each mistake in turn, in the example; ``where`` stands on the line that is told."""
    assert old in TEXT
    found = problems(TEXT.replace(old, new, 1), tmp_path)
    assert any(each.startswith(f"plan.toml:{line_of(where)}: {told}") for each in found), found
    assert all("; " in each for each in found)


@pytest.mark.parametrize(
    "zone", ["Asia/Beijing", "Asia", "", "localtime", "right/Asia/Shanghai", "../../etc/passwd", "zone.tab"]
)
def test_a_zone_is_one_of_the_database_and_the_same_on_every_host(zone: str, tmp_path: Path) -> None:
    """A host's own names mean something else on another one."""
    [told] = problems(TEXT.replace("# time_zone", "time_zone").replace("Asia/Shanghai", zone, 1), tmp_path)
    remedy = "write a name of the IANA database, such as Asia/Shanghai"
    assert told == f"plan.toml:{line_of('# time_zone')}: time_zone: {zone!r} is no time zone; {remedy}"


def test_a_date_that_its_year_does_not_have_is_told_with_its_line(tmp_path: Path) -> None:
    """The reader of TOML itself refuses it."""
    [told] = problems(TEXT.replace("2027-02-05", "2027-02-29"), tmp_path)
    assert told.startswith(f"plan.toml:{line_of('2027-02-05')}: not valid TOML: ")


def test_a_rule_for_every_night_leaves_nothing_to_those_behind_it(tmp_path: Path) -> None:
    """Each of them is told."""
    found = problems(TEXT.replace(', condition = "fog" }', " }"), tmp_path)
    assert [re.sub(": never.*", "", each).split(": ")[1] for each in found] == [
        f"calendars[0].rules[{index}]" for index in (1, 2, 3)
    ]


def test_a_mistake_in_a_group_is_told_once_where_it_stands(tmp_path: Path) -> None:
    """Not again for every group and assignment that has the group."""
    outer = '[[groups]]\nid = "outer"\nmembers = ["bridge"]\n'
    changed = TEXT.replace("lamp-{7-8}", "lamp-{7-9}").replace('["bridge",', '["outer",') + outer
    found = problems(changed, tmp_path)
    assert len(found) == 1
    assert found[0].startswith(f"plan.toml:{line_of('lamp-{7-8}')}: groups[0].members[0]: the cabinet")


def nested(groups: int, members: str) -> Plan:
    """Return a plan with groups that lie in each other; ``members`` of each, {} is the next one's number."""
    found: dict[str, Any] = tomllib.loads(TEXT)
    found["cabinets"] = [{"gateway": "cabinet", "lamps": ["lamp-{1-8}"]}]
    found["groups"] = [
        {"id": f"g{number}", "members": re.sub(r"\{\}", str(number + 1), members).split()}
        for number in range(groups)
    ]
    found["groups"].append({"id": f"g{groups}", "members": ["cabinet/*"]})
    found["assignments"] = [{"calendar": "trunk", "addresses": ["g0"]}]
    return Plan.model_validate(found)


def test_groups_that_lie_in_each_other_many_times_cost_no_more() -> None:
    """Twice in each of so many levels would be 2 to that power."""
    plan = nested(GROUPS_DEEP_MAX - 1, "g{} g{} g{} g{} g{} g{}")
    began_s = time.process_time()
    assert checking.mistakes(plan) == []
    assert len(Addresses(plan).lamps("g0")) == 8
    assert time.process_time() - began_s < 5


@pytest.mark.parametrize("groups", [GROUPS_DEEP_MAX, 3000])
def test_groups_lie_only_so_deep(groups: int) -> None:
    """A chain of thousands is a mistake, not an error of recursion."""
    found = checking.mistakes(nested(groups, "g{}"))
    assert any("groups deep" in it.what for it in found)
    assert all("groups deep" in it.what for it in found)


def test_groups_in_a_ring_are_told() -> None:
    """In the words of the way round."""
    found = tomllib.loads(TEXT)
    found["groups"] = [{"id": a, "members": [b]} for a, b in (("a", "b"), ("b", "c"), ("c", "a"))]
    told = [it.what for it in checking.mistakes(Plan.model_validate(found)) if it.key[0] == "groups"]
    assert told[0] == "the group 'a' contains itself: a in c in b in a"
    assert len(told) == 3


def test_so_many_lamps_are_too_many() -> None:
    """They are counted before anything is made of them."""
    found = tomllib.loads(TEXT)
    found["cabinets"] = [
        {"gateway": f"g{number}", "lamps": [f"{letter}{{1-20000}}" for letter in "abcdefgh"]}
        for number in range(20)
    ]
    [told] = checking.mistakes(Plan.model_validate(found))
    assert (told.key, told.what) == (("cabinets", 1, "lamps", 2), "more than 200000 lamps up to here")


def test_a_time_with_a_zone_is_refused_at_the_gateway() -> None:
    """JSON may have them where TOML cannot; they are a mistake, not an exception."""
    plan = documents.part_of(checking.load(EXAMPLE), "lighting-1")
    text = documents.written(plan)
    lamps = [f"lamp-{number}" for number in range(1, 9)]
    for old in ("12:00:00", "23:30:00", "05:00:00"):
        with pytest.raises(DocumentError, match="has a zone; times are local"):
            documents.read_plan(text.replace(f'"{old}"', f'"{old}Z"'), "lighting-1", lamps)
    assert documents.read_plan(text, "lighting-1", lamps) == plan


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_a_gateway_does_with_its_part_what_the_whole_plan_says(path: Path) -> None:
    """A quarter of steps for each of its lamps' calendars."""
    plan = checking.load(path)
    whole = Compiler(plan)
    span = (1_790_000_000_000, 1_790_000_000_000 + 90 * 86_400_000)
    facts = [Fact(name, span[0] + 10**9, span[0] + 10**9 + 10**8) for name in plan.conditions]
    for cabinet in plan.cabinets:
        names = [name for text in cabinet.lamps for name in expanded(text)]
        part = documents.read_plan(
            documents.written(documents.part_of(plan, cabinet.gateway)), cabinet.gateway, names
        )
        place = plan.place_of[cabinet.gateway]
        assert part.place_of[cabinet.gateway] == place
        for calendar in part.calendars:
            expected = whole.timeline(calendar.id, place, *span, facts).steps
            assert Compiler(part).timeline(calendar.id, place, *span, facts).steps == expected


RULE = st.fixed_dictionaries(
    {"program": st.just("p")},
    optional={
        "days": st.lists(st.sampled_from(["mon", "tue", "sat"]), unique=True, max_size=3),
        "condition": st.sampled_from(["fog"]),
        "start_date": st.sampled_from(["--01-01", "--02-29", "--03-01", "--12-01"]),
        "end_date": st.sampled_from(["--01-01", "--02-28", "--02-29", "--12-31"]),
    },
) | st.fixed_dictionaries(
    {
        "program": st.just("p"),
        "start_date": st.sampled_from([dt.date(2027, 2, 28), dt.date(2028, 2, 29)]),
        "end_date": st.sampled_from([dt.date(2028, 2, 28), dt.date(2028, 2, 29), dt.date(2029, 12, 31)]),
    },
    optional={"days": st.lists(st.sampled_from(["mon", "tue"]), unique=True, max_size=2)},
)
LONG = [dt.date(2024, 1, 1) + nights.DAY * number for number in range(28 * 365 + 7)]


@settings(max_examples=40, deadline=None)
@given(st.lists(RULE, min_size=1, max_size=4))
def test_what_is_told_of_reach_is_what_a_walk_through_28_years_sees(rows: list[dict[str, Any]]) -> None:
    """Night by night: which rules apply, which never win, and which cut into each other."""
    rules = [CalendarRule.model_validate(row) for row in rows]
    own = [{night for night in LONG if on_night(rule, night)} for rule in rules]
    expected = {}
    for index, rule in enumerate(rules):
        before = [n for n in range(index) if rules[n].condition in (None, rule.condition)]
        alike = [
            n
            for n in range(index)
            if rules[n].condition == rule.condition and set(rules[n].days) == set(rule.days)
        ]
        if not own[index]:
            expected[index] = {"applies on no night"}
        elif own[index] <= set().union(*(own[n] for n in before)):
            expected[index] = {"never applies: rules before it take all of its nights"}
        else:
            cut = [n for n in alike if own[n] & own[index] and own[n] - own[index] and own[index] - own[n]]
            if cut:
                expected[index] = {f"its dates overlap those of rules[{n}] in part" for n in cut}
    found: dict[int, set[str]] = {}
    for index, what, _ in unreachable(Calendar(id="c", default_program="p", rules=rules)):
        found.setdefault(index, set()).add(what)
    assert found == expected


def test_many_rules_are_checked_in_little_time() -> None:
    """A cabinet's computer is slow, and checks what it is sent before it follows it."""
    days = [dt.date(2027, 1, 1) + nights.DAY * 2 * number for number in range(200)]
    rules = [CalendarRule(program="p", start_date=day, end_date=day) for day in days]
    began_s = time.process_time()
    assert list(unreachable(Calendar(id="c", default_program="p", rules=rules))) == []
    assert time.process_time() - began_s < 2


STRANGE = (
    st.booleans()
    | st.integers(-300, 300)
    | st.floats(allow_nan=True)
    | st.times()
    | st.dates()
    | st.sampled_from(
        ["", "fog", "--02-29", "--12-31", "p", "trunk-road", "bridge", "side-streets", "{1-3}", "*"]
    )
    | st.sampled_from(["lighting-1/*", "lux/illuminance", "Europe/Berlin", "UTC", "mon", "sunset", "max"])
)
VALUES = (
    STRANGE
    | st.lists(STRANGE, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "level", "kind"]), STRANGE)
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_anything_is_refused_with_its_line_or_compiles_for_any_span(data: st.DataObject) -> None:
    """Some values of an example are exchanged for others; what still loads compiles, years before and after."""
    document: Any = tomllib.loads(data.draw(st.sampled_from(EXAMPLES)).read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        way = data.draw(st.sampled_from(list(ways(document))))
        inner, last = around(document, way), way[-1]
        change = data.draw(st.sampled_from(["value", "remove", "twice"]))
        if change == "value":
            inner[last] = data.draw(VALUES)
        elif change == "remove":
            del inner[last]
        elif isinstance(inner, list):
            inner.append(inner[int(last)])
        if not document:
            break
    try:
        file = TomlFile(tomlkit.dumps(document), "plan.toml")
        plan = file.parse(Plan)
    except TomlFileError as error:
        told = error.problems
        assert all(problem.remedy for problem in told)
        return
    if found := checking.mistakes(plan):
        assert all(it.what and it.remedy for it in found)
        assert all(file.problem(it.key, it.what, it.remedy).line >= 0 for it in found)
        return
    compiler = Compiler(plan)
    from_ms = data.draw(st.integers(0, 4_102_444_800_000))
    until_ms = from_ms + data.draw(st.integers(1, 20 * 86_400_000))
    facts = [Fact(name, from_ms - 5_000_000, from_ms + 7_654_321) for name in plan.conditions]
    for calendar in plan.calendars:
        for place in plan.place_of.values():
            line = compiler.timeline(calendar.id, place, from_ms, until_ms, facts)
            assert line.at(from_ms).start_ms <= from_ms
            assert line.at(until_ms - 1).start_ms < until_ms


@pytest.mark.parametrize(
    "text", ["lamp-{2-1}", "", "a" * 65, "lamp-{1-20001}", "{1-2}{3-4}", "Lamp", "lamp\n"]
)
def test_what_is_no_lamp_is_told(text: str) -> None:
    """With a remedy."""
    with pytest.raises(AddressError) as caught:
        expanded(text)
    assert caught.value.remedy


def test_a_range_keeps_its_zeros() -> None:
    """As people number them."""
    assert expanded("lamp-{08-10}-a") == ["lamp-08-a", "lamp-09-a", "lamp-10-a"]
