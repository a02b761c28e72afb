"""The settings file: its example is the whole manual, and every mistake is told with its line and remedy."""

# ruff: noqa: E501 - a table of mistakes reads best with one a line

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from edge import checks
from edge.settings import EXAMPLE, Settings
from gengfu.commands.edge import app
from toml_files import TomlFileError

TEXT = EXAMPLE.read_text()


def models(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Yield a model and the models inside it."""
    if model not in seen:
        seen.add(model)
        yield model
        for field in model.model_fields.values():
            yield from inside(field.annotation, seen)


def inside(annotation: object, seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from models(annotation, seen)
    for argument in get_args(annotation):
        yield from inside(argument, seen)


def broken(tmp_path: Path, old: str, new: str) -> list[str]:
    """Return what is told of the example with ``old`` replaced by ``new``, line numbers included."""
    assert old in TEXT
    file = tmp_path / "edge.toml"
    file.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(TomlFileError) as caught:
        checks.load(file)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def line_of(text: str) -> int:
    """Return the line of the example on which ``text`` stands first."""
    return TEXT[: TEXT.index(text)].count("\n") + 1


def test_the_example_is_sound() -> None:
    """What we hand out as a manual loads."""
    settings, profiles = checks.load(EXAMPLE)
    assert [line.name for line in settings.lines] == ["rs485-1", "rs485-2", "meters"]
    assert profiles["station"].id == "renke_dust"


def test_every_key_stands_in_the_example() -> None:
    """A key that is not in the manual does not exist for the technician."""
    for model in models(Settings, set()):
        for name, field in model.model_fields.items():
            assert re.search(rf"(^|[{{,#\s]){field.alias or name}\s*=|\[\[?{name}\]", TEXT), name


def test_the_defaults_in_the_example_are_the_defaults() -> None:
    """Every commented default equals what the model uses."""
    by_name = {model.__name__.lower(): model for model in models(Settings, set())}
    tables = {
        "lines": "serialline",
        "devices": "device",
        "alarms": "limitalarm",
        "controls": "control",
        "lamps": "lamp",
    }
    table, wrong, seen = "settings", [], 0
    for line in TEXT.splitlines():
        if header := re.match(r"\[\[?(\w+)\]", line):
            table = tables.get(header[1], header[1])
        elif line == 'kind = "tcp"':
            table = "tcpline"
        elif line == 'kind = "serial_over_tcp"':
            table = "serialovertcp"
        elif kind := re.match(r'# *kind = "(rate|deviation|discrete|stale|flatline|baseline)"', line):
            table = f"{kind[1]}alarm"
        elif default := re.match(r"# (\w+) = ([^#]+?)\s*(#.*)?$", line):
            field = by_name[table].model_fields[default[1]]
            value = None if default[2] == "none" else tomllib.loads(f"x = {default[2]}")["x"]
            seen += 1
            if field.default != value:
                wrong.append((table, default[0], field.default))
    assert seen > 25
    assert wrong == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("# data_bits = 8", "data_bits = 7", "lines[0]: rtu needs 8 data_bits; write data_bits = 8, or"),
        ('# direction = "auto"', 'direction = "dtr"', "lines[0].direction: "),
        ('line = "rs485-1"\nunit_id = 1', 'line = "rs485"\nunit_id = 1', "devices[0].line: no line 'rs485'; lines here"),
        ('profile = "renke_dust"', 'profile = "renke"', "devices[0].profile: no profile 'renke'; `gengfu profiles list`"),
        ('points = ["relay_1"]', 'points = ["relay_9"]', "has no point 'relay_9'; it has relay_1"),
        ("unit_id = 2", "unit_id = 1", "is 'station' already; two devices would answer at once"),
        ("unit_id = 2", "unit_id = 300", "must be at most 247; 300 was given"),
        ("unit_id = 2", "unit_di = 2", "unit_di: is not a key of this table; did you mean unit_id?"),
        ("baud = 9600", 'baud = "9600"', "baud: must be a whole number; write it without quotes: 9600"),
        ('host = "192.0.2.11"', 'host = "192.0.2.10"', "lines[2].host: 'rs485-2' and 'meters' lead to one bus, 192.0.2.10 port 502; keep one of the two lines, and put the devices of both on it"),
        ('name = "relays"', 'name = "station"', "name 'station' is given twice; rename one of them"),
        ('points = ["main-pressure/pressure"]', 'points = ["main-pressure/presure"]', "no point 'main-pressure/presure'; main-pressure has pressure"),
        ("low = 140", "limit = 140", "limit: is not a key of this table"),
        ("low = 140", "low = 140\nhigh = 3", "alarms[0]: its limits are out of order; give low_low < low < high"),
        ("low = 140", "low = 140\nhigh = 150\ndeadband = 10", "alarms[0]: high would clear only beyond low; give a smaller deadband"),
        ("low = 140", "", "alarms[0]: has no limit; give high, low, high_high or low_low"),
        ("low = 140", 'kind = "rat"', "alarms[0].kind: 'rat' is unknown; write one of 'limit', 'rate'"),
        ("low = 140", 'kind = "rate"\nwithin_s = 60', "alarms[0]: says of no change; give rises_by or falls_by"),
        ("low = 140", 'kind = "rate"\nrises_by = 2\nwithin = 60', "alarms[0].within: is not a key of this table; did you mean within_s?"),
        ("low = 140", 'kind = "stale"\ndeadband = 1', "alarms[0].deadband: is not a key of this table"),
        ("low = 140", 'kind = "discrete"', "alarms[0]: needs exactly one value; give equals or differs"),
        ("low = 140", 'kind = "discrete"\nequals = true', "alarms[0].equals: main-pressure/pressure is never True; write a whole number"),
        ("low = 140", 'kind = "deviation"\nby = 3\nfrom = "station/pm10"', "alarms[0].points[0]: main-pressure/pressure is in kPa, station/pm10 in ug/m3; compare points of one unit"),
        ("low = 140", 'kind = "deviation"\nby = 3\nfrom = "main-pressure/pressure"', "alarms[0].from: main-pressure/pressure never differs from itself"),
        ("low = 140", "low = 140\nmean_s = 7\naligned = true", "alarms[0]: aligned needs a time that divides the day"),
        ("low = 140", "low = 140\nmean_s = 60\nmax_s = 60", "alarms[0]: looks at one figure; give mean_s, min_s or max_s"),
        ("low = 140", 'low = 140\nenabled_when = [{ point = "relays/relay_1", above = 1 }]', "alarms[0].enabled_when[0].point: relays/relay_1 is a bool"),
        ("low = 140", 'low = 140\nenabled_when = [{ point = "relays/relay_1", equals = 1 }]', "alarms[0].enabled_when[0].equals: relays/relay_1 is never 1; write true or false"),
        ("low = 140", 'low = 140\nenabled_when = [{ point = "relays/relay_7", equals = true }]', "alarms[0].enabled_when[0].point: no point 'relays/relay_7'"),
        ("low = 140", 'low = 140\nenabled_when = [{ between = ["22:00", "24:00"] }]', 'alarms[0].enabled_when[0].between[1]: must be a time of day such as "06:30"'),
        ("low = 140", 'low = 140\nenabled_when = [{ point = "relays/relay_1" }]', "alarms[0].enabled_when[0]: a point needs exactly one of above, below, equals, differs"),
        ("low = 140", 'low = 140\nenabled_when = [{ weekdays = [1], period = "rain" }]', "alarms[0].enabled_when[0]: asks for one thing at a time"),
        ("low = 140", 'low = 0.14\nunit = "MPa"', "alarms[0].unit: main-pressure/pressure is in kPa, not MPa; give the limit in kPa, or correct the unit"),
        ('points = ["main-pressure/pressure"]', 'points = ["main-pressure/pressure", "station/pm10"]', "alarms[0].points[1]: station/pm10 is in ug/m3, main-pressure/pressure in kPa; an alarm for each unit"),
        ("above = 150", 'above = 0.15, unit = "mg/m3"', "controls[0].start.unit: station/pm10 is in ug/m3, not mg/m3; give the limit in ug/m3"),
        ("at_or_below = 2, reason", 'at_or_below = 36, unit = "[degF]", reason', "controls[0].inhibits[0].unit: station/temperature is in Cel, not [degF]"),
        ("below = 120", "below = 180", "wrong side of the start limit; start above and stop below it"),
        ('fail_state = "off"', 'fail_state = "of"', "must be 'off', 'on', 'hold' or 'local'; 'of' was given"),
        ("longest_run_s = 1800", "", "longest_run_s: fails off but has no longest run; give longest_run_s"),
        ("self_off_s = 60 ", "", "it is not used; give self_off_s"),
        ("self_off_s = 60 ", "self_off_s = 9000 ", "more than the output's timer can do; 3276.7 at most"),
        ('fail_state = "off"', 'fail_state = "hold"', "a timer would switch off an output that fails 'hold'"),
        ('fail_state = "off"', 'fail_state = "local"', "controls[0].longest_run_s: time alone would switch off an output that fails 'local'; remove longest_run_s"),
        ('fail_state = "off"', 'fail_state = "on"\nruns_per_day_max = 20', "controls[0].runs_per_day_max: a count of runs would withhold an output that fails 'on'; remove runs_per_day_max"),
        ('fail_state = "off"', 'fail_state = "local"\nruns_per_day_max = 20', "controls[0].runs_per_day_max: a count of runs would withhold an output that fails 'local'"),
        ('fail_state = "off"', 'fail_state = "on"', "controls[0].effect: only runs with a longest time are judged by it, and an output that fails 'on' has none; remove effect"),
        ('fail_state = "off"', 'fail_state = "on"\nproves = { point = "station/pm10", above = 1, runs_without_max = 2 }', "controls[0].proves.runs_without_max: runs without effect never lock out an output that fails 'on'"),
        ('fail_state = "off"\n', "", "controls[0].fail_state: is missing; add it"),
        ('profile = "waveshare_relay_8"', 'profile = "relay_board_8"', "controls[0].self_off_s: relays/relay_1 has no timer of its own; remove self_off_s"),
        ("effect = { falls", 'proves = { point = "station/pm10", falls_by_percent = 10, within_s = 1800 }\neffect = { falls', "controls[0].proves.within_s: the run ends before its effect is asked for; less than longest_run_s = 1800"),
        ("effect = { falls", 'proves = { point = "station/pm10" }\neffect = { falls', "controls[0].proves: needs exactly one of rises_by, falls_by"),
        ("effect = { falls", 'proves = { point = "station/pm", above = 1 }\neffect = { falls', "controls[0].proves.point: no point 'station/pm'; station has"),
        ("at_or_below = 2, reason", "equals = true, reason", "controls[0].inhibits[0].equals: station/temperature is no switch; true or false for a switch"),
        ('{ point = "station/temperature", at_or_below = 2', '{ point = "relays/relay_1", at_or_below = 2', "controls[0].inhibits[0]: relays/relay_1 is a switch, and a limit is no state of it; write equals = true"),
        ('{ point = "station/temperature", at_or_below = 2', '{ point = "relays/relay_1", equals = true', "'dust-spray' inhibits 'dust-spray', and that one it in turn; let one of them go first"),
        ("at_or_below = 2, reason", "at_or_below = 2, equals = 1, reason", "controls[0].inhibits[0]: needs exactly one limit; give at_or_below, at_or_above or equals"),
        ("start = { point", "# start = { point", "controls[0]: start and stop belong together; give both, or neither where people alone switch it"),
        ("effect = { falls", 'lag = { output = "relays/relay_1", start = { point = "station/pm10", above = 300 } }\neffect = { falls', "controls[0].lag.output: output relays/relay_1 is driven by 'dust-spray' already; one output, one control"),
        ("effect = { falls", 'lag = { output = "relays/relay_3", start = { point = "station/pm10", above = 300 } }\neffect = { falls', "controls[0].lag.output: no point 'relays/relay_3'"),
        ("effect = { falls", 'lag = { output = "relays/relay_2", start = { point = "station/pm10", above = 300 }, stop = { point = "station/pm10", below = 400 } }\neffect = { falls', "controls[0].lag.stop: the stop limit lies on the wrong side"),
        ('output = "relays/relay_1"', 'output = "station/pm10"', "station/pm10 cannot be switched; name a writable bool"),
        ('point = "station/temperature"', 'point = "station/temp"', "inhibits[0].point: no point 'station/temp'; station has"),
        ("schema = 1", "schema = 2", "schema: must be 1; 2 was given"),
        ("# shims = []", 'shims = ["sen0658"]', "devices[0].shims: "),
        ("# shims = []", 'shims = ["sen0658_map"]\nfirmware = "beta"', "devices[0].shims: firmware 'beta' is no version; write numbers with points"),
        ("# shims = []", 'shims = ["relay_on_0100"]', "devices[0].shims: shim relay_on_0100 is for profile relay_board_8, not renke_dust"),
        ("# pause_s = 0 ", "pause_s = -1 ", "devices[0].pause_s: must be at least 0; -1 was given"),
        ("# pause_s = 0 ", "pause_s = 61 ", "devices[0].pause_s: must be at most 60; 61 was given"),
        ("# pause_s = 0 ", "pause_s = '1' ", "devices[0].pause_s: must be a number; write it without quotes: 1"),
        ("low = 140", "low = nan", "alarms[0].low: must be a finite number; nan was given"),
        ("above = 150", "above = inf", "controls[0].start.above: must be a finite number; inf was given"),
        ('gateway = "site-1"', 'gateway = "Site 1"', "gateway: must be lower-case letters, digits, - and _, beginning with a letter or digit; 'Site 1'"),
        ('output = "relays/relay_1"', 'output = "relay_1"', "controls[0].output: must be device/point; 'relay_1' was given"),
        ("[broker]", "[brokr]", "broker: is missing; add it"),
        ("# public_keys = []", 'public_keys = ["abc"]', "centre.public_keys[0]: must be ed25519: and 43 characters, as `gengfu collector init` tells them; 'abc' was given"),
        ("# part = ", 'part = "123"\n# x = ', "devices[0].part: must be 16 digits, or empty; '123' was given"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_what_and_remedy(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Read by somebody in the street with gloves on."""
    told = broken(tmp_path, old, new)
    assert any(expected in problem for problem in told), told


@pytest.mark.parametrize(
    ("stop", "told"),
    [
        ("mean_s = 60, below = 120, held_s = 300", "start and stop look at differing points or means"),
        ("mean_s = 300, below = 150", "start and stop have the same limit"),
    ],
)
def test_what_could_switch_by_turns_without_a_rest_is_noted(tmp_path: Path, stop: str, told: str) -> None:
    """A contactor is worn out in a night; with a rest nothing is said."""
    file = tmp_path / "edge.toml"
    changed = TEXT.replace("mean_s = 300, below = 120, held_s = 300", stop)
    assert changed != TEXT
    file.write_text(changed)
    assert not any("shortest_rest_s" in note for note in checks.notes(*checks.load(file)))
    file.write_text(changed.replace("\nshortest_rest_s = 600\n", "\n"))
    [note] = [note for note in checks.notes(*checks.load(file)) if "shortest_rest_s" in note]
    assert note.startswith(f"dust-spray: stop: {told}")


def test_a_board_without_a_timer_is_not_left_alone_with_what_must_fail_off(tmp_path: Path) -> None:
    """Nor with what people start from afar: nothing would switch it off if the gateway dies."""
    file = tmp_path / "edge.toml"
    text = TEXT.replace('profile = "waveshare_relay_8"', 'profile = "relay_board_8"').replace(
        "self_off_s = 60 ", ""
    )
    for without in ((), ("start = {", "stop = {", "effect = {")):
        for key in without:
            text = re.sub(rf"^{re.escape(key)}.*$", "", text, flags=re.MULTILINE)
        file.write_text(text)
        with pytest.raises(TomlFileError) as caught:
            checks.load(file)
        [told] = caught.value.problems
        assert told.key == "controls[0].output"
        assert told.line == text[: text.index('output = "relays/relay_1"')].count("\n") + 1
        assert told.what == "the output has no timer of its own"
        assert "nothing would switch it off if the gateway dies" in told.remedy


def test_controls_that_inhibit_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    """Which of them runs would be left to chance."""
    control = (
        '[[controls]]\nname = "{0}"\noutput = "relays/relay_{0}"\nfail_state = "hold"\n'
        'inhibits = [{{ point = "relays/relay_{1}", equals = true, reason = "other" }}]\n'
    )
    file = tmp_path / "edge.toml"
    circle = "".join(control.format(*pair) for pair in ((2, 3), (3, 4), (4, 2)))
    text = TEXT.replace('points = ["relay_1"]', 'points = ["relay_1", "relay_2", "relay_3", "relay_4"]')
    file.write_text(text + circle)
    with pytest.raises(TomlFileError) as caught:
        checks.load(file)
    assert [each.key for each in caught.value.problems] == [
        f"controls[{number}].inhibits[0].point" for number in (1, 2, 3)
    ]
    file.write_text(text + control.format(2, 3) + control.format(3, 4))
    checks.load(file)


@pytest.mark.parametrize("firmware", ["", 'firmware = "1.2"'])
def test_a_shim_is_applied_whether_the_firmware_is_given_or_not(tmp_path: Path, firmware: str) -> None:
    """Nobody knows the firmware of most devices in the street."""
    file = tmp_path / "edge.toml"
    file.write_text(TEXT.replace("# shims = []", f'shims = ["sen0658_map"]\n{firmware}', 1))
    _, profiles = checks.load(file)
    assert profiles["station"].point("illuminance") is not None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('host = "192.0.2.11"', 'host = "192.0.2.10"', "lines[2].host: 'rs485-2' and 'meters' lead to one bus, 192.0.2.10 port 502; keep one of the two lines, and put the devices of both on it"),
        ('name = "relays"', 'name = "station"', "devices[1].name: name 'station' is given twice; rename one of them"),
        ('name = "main-pressure"', 'name = "relays"', "devices[2].name: name 'relays' is given twice; rename one of them"),
        ('points = ["relay_1"]', 'points = ["relay_one"]', "devices[1].points[0]: profile waveshare_relay_8 has no point 'relay_one'; it has relay_1"),
        ('profile = "waveshare_relay_8"', 'profile = "waveshare"', "devices[1].profile: no profile 'waveshare'"),
        ("# profile_folders = []", 'profile_folders = ["nope"]', "profile_folders[0]: "),
    ],
)  # fmt: skip
def test_one_mistake_is_told_once(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """What follows from it, such as rules that name the points of that device, would only mislead."""
    [told] = broken(tmp_path, old, new)
    assert expected in told


def test_a_rule_is_still_held_against_the_profile_of_a_device_with_a_misspelt_point(tmp_path: Path) -> None:
    """The misspelling is no choice in the message of the rule."""
    file = tmp_path / "edge.toml"
    text = TEXT.replace('points = ["relay_1"]', 'points = ["relay_one"]')
    file.write_text(text.replace('output = "relays/relay_1"', 'output = "relays/relay_9"'))
    with pytest.raises(TomlFileError) as caught:
        checks.load(file)
    of_points, of_rule = caught.value.problems
    assert of_points.key == "devices[1].points[0]"
    assert (of_rule.key, of_rule.what) == ("controls[0].output", "no point 'relays/relay_9'")
    assert "relay_one" not in of_rule.remedy


@pytest.mark.parametrize(
    ("old", "new"),
    [("baud = 9600", "baud = 96"), ("below = 120", "below = 180"), ("unit_id = 2", "unit_id = 1")],
)
def test_the_line_told_is_the_line_of_the_mistake(tmp_path: Path, old: str, new: str) -> None:
    """Numbered from 1, as editors do."""
    assert broken(tmp_path, old, new)[0].startswith(f"{line_of(old)}: ")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Nobody wants to run it ten times."""
    told = broken(tmp_path, "unit_id = 2", "unit_id = 1\nbaudrate = 3\ntimeout_s = -1")
    assert len(told) == 2


def test_the_command_exits_with_one_and_tells_file_line_key_and_remedy(tmp_path: Path) -> None:
    """The real command in a real process."""
    file = tmp_path / "edge.toml"
    file.write_text(TEXT.replace("baud = 9600", "baudd = 9600"))
    ran = subprocess.run(
        [sys.executable, "-m", "gengfu.main", "edge", "check", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert (
        f"{file}:{line_of('baud = 9600')}: lines[0].baudd: is not a key of this table; did you mean baud?"
        in ran.stderr
    )
    assert "Traceback" not in ran.stderr


def test_a_host_that_no_resolver_takes_is_told(tmp_path: Path) -> None:
    """Found when connecting, it would take the whole gateway down, again and again."""
    [told] = broken(tmp_path, '[broker]\nhost = "127.0.0.1"', '[broker]\nhost = "broker..example"')
    assert told.startswith(f"{line_of('[broker]') + 1}: broker.host: ")
    assert "cannot be a host" in told


@pytest.mark.parametrize("limit", ["nan", "inf", "-inf"])
def test_a_limit_that_no_value_passes_is_told(tmp_path: Path, limit: str) -> None:
    """TOML knows nan and inf; an alarm that compares with them is silent for ever."""
    [told] = broken(tmp_path, "low = 140", f"low = {limit}")
    assert "alarms[0].low" in told


def test_a_rule_whose_values_are_stale_before_the_next_come_is_told(tmp_path: Path) -> None:
    """Its mean would never be covered and its delay never over: it would never decide."""
    told = broken(tmp_path, "# interval_s = 5             # read this often", "interval_s = 60")
    assert len(told) == 1
    assert "station is read every 60 s only" in told[0]


def test_a_point_that_an_alarm_names_twice_is_told(tmp_path: Path) -> None:
    """Two instances of one name: after a restart the second would never clear."""
    twice = 'points = ["main-pressure/pressure", "main-pressure/pressure"]'
    [told] = broken(tmp_path, 'points = ["main-pressure/pressure"]', twice)
    assert "given twice" in told


def test_an_inventory_that_no_hello_carries_is_told(tmp_path: Path) -> None:
    """A thousand devices with the longest names: the uplink could never say hello."""
    device = """
[[devices]]
name = "{number:064d}"
line = "meters"
unit_id = {unit_id}
profile = "qdy30a"
title = "{title}"
"""
    lines = "".join(
        f'\n[[lines]]\nkind = "tcp"\nname = "tcp-{number}"\nhost = "192.0.2.{20 + number}"\n'
        for number in range(4)
    )
    devices = "".join(
        device.format(number=number, unit_id=1 + number % 200, title="人" * 80).replace(
            '"meters"', f'"tcp-{number // 200}"'
        )
        for number in range(800)
    )
    told = broken(tmp_path, "# Alarms, decided here", f"{lines}{devices}\n# Alarms, decided here")
    assert len(told) == 1
    assert "devices take" in told[0]


def test_a_factory_setting_that_differs_from_the_line_is_noted_and_is_no_mistake(tmp_path: Path) -> None:
    """Exit code 0: the technician may have set the device. On a line of the same speed nothing is said."""
    note = (
        "station: renke_dust leaves the factory at 4800 8N1, the line runs at 9600 8N1; "
        "fine if you set the device so"
    )
    ran = CliRunner().invoke(app, ["check", str(EXAMPLE)])
    assert ran.exit_code == 0
    assert ran.stdout == f"{EXAMPLE}: sound (3 lines, 3 devices, 1 alarm, 1 control)\nnote: {note}\n"
    assert json.loads(CliRunner().invoke(app, ["check", str(EXAMPLE), "--json"]).stdout)["notes"] == [note]
    file = tmp_path / "edge.toml"
    file.write_text(TEXT.replace("baud = 9600", "baud = 4800", 1))
    notes = json.loads(CliRunner().invoke(app, ["check", str(file), "--json"]).stdout)["notes"]
    assert all("renke_dust" not in each for each in notes)


def test_a_port_named_by_number_is_noted_with_its_name_by_place(tmp_path: Path) -> None:
    """USB ports renumber; the note gives the name to write instead."""
    settings, profiles = checks.load(EXAMPLE)
    told = list(
        checks.notes(settings, profiles, lambda port: tmp_path / "pci-0-port0" if "serial" in port else None)
    )
    expected = (
        f"rs485-1: /dev/serial/by-path/platform-serial0 may be another port after a restart; {tmp_path}"
    )
    assert told[0].startswith(expected)


def test_the_alarms_of_the_how_to_are_settings() -> None:
    """What a technician copies from the page is taken as it stands."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "alarms.md").read_text()
    first, second = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    alarms = tomllib.loads(first)["alarms"]
    alarms[0]["enabled_when"] = tomllib.loads(second)["enabled_when"]
    settings = Settings.model_validate(tomllib.loads(TEXT) | {"alarms": alarms})
    kinds = [alarm.kind for alarm in settings.alarms]
    assert {*kinds} == {"limit", "rate", "deviation", "discrete", "stale", "flatline", "baseline"}
