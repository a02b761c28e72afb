"""Lamps in the settings file: mistakes are told with line and remedy, and profiles fill in what is usual."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge import checks
from edge.lamps import fixtures
from edge.lamps.fixtures import Fixture, GroupKey
from edge.settings import Ref
from gengfu.commands.edge import app
from tests.edge.lamps.street import settings
from toml_files import TomlFileError

CONTROL = """
[[controls]]
name = "c"
output = "relays/relay_1"
fail_state = "hold"
start = { point = "light/illuminance", below = 10 }
stop = { point = "light/illuminance", above = 20 }
"""


def loaded(folder: Path, text: str) -> dict[str, Fixture]:
    """Return the fixtures of a settings file, by name."""
    (folder / "gateway.toml").write_text(text)
    found = fixtures.of(*checks.load(folder / "gateway.toml"))
    return {fixture.name: fixture for fixture in found}


def test_what_a_lamp_s_device_is_known_to_have_need_not_be_said(tmp_path: Path) -> None:
    """TALQ's points of the controller, the circuit's breaker, and what one broadcast reaches."""
    found = loaded(tmp_path, settings())
    lamp, north = found["lamp-11"], found["north"]
    assert lamp.actual == Ref("lamp-11", "actual_light_state")
    assert lamp.power == (Ref("lamp-11", "active_power"),)
    assert lamp.failure == Ref("lamp-11", "lamp_failure")
    assert lamp.breaker == north.breaker == Ref("inputs", "input_4")
    assert lamp.group == GroupKey("rs485-1", "street_lamp_controller", "target_light_command")
    assert lamp.local is None
    assert north.is_switch
    assert north.group is None
    assert north.rated_power_w == 4 * 120
    assert north.members == ("lamp-11", "lamp-12", "lamp-13", "lamp-14")
    assert (north.feeds, lamp.feeds) == (4, 0)


def test_a_controller_that_is_no_lamp_of_ours_forbids_broadcasts(tmp_path: Path) -> None:
    """It would hear them, too."""
    text = settings()
    more = '[[devices]]\nname = "guest"\nline = "rs485-1"\nunit_id = 30\nprofile = "street_lamp_controller"\n'
    assert all(fixture.group is None for fixture in loaded(tmp_path, text + more).values())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            '"lamp-11/target_light_command"',
            '"lamp-99/target_light_command"',
            "lamps[0].output: no point 'lamp-99/target_light_command'; devices here: ",
        ),
        (
            '"lamp-11/target_light_command"',
            '"lamp-11/level"',
            "lamps[0].output: no point 'lamp-11/level'; lamp-11 has active_energy",
        ),
        (
            '"lamp-11/target_light_command"',
            '"lamp-11/active_power"',
            "lamp-11/active_power is no output that a lamp can have; name a writable bool",
        ),
        (
            '"lamp-12/target_light_command"',
            '"lamp-11/target_light_command"',
            "is driven by the lamp 'lamp-11' already; one output, one lamp or control",
        ),
        (
            'name = "lamp-12"\noutput',
            'name = "lamp-11"\noutput',
            "name 'lamp-11' is given twice; rename one of them",
        ),
        ("rated_power_w = 120", "rated_power_w = 120\ncontrol = 1", "control: is not a key of this table"),
        (
            'breaker = "inputs/input_4"',
            'breaker = "light/illuminance"',
            "breaker: light/illuminance is a number; name a bool point",
        ),
        (
            'actual = "inputs/input_3"',
            'actual = "light/illuminance"',
            "actual: light/illuminance is a number; name a bool point",
        ),
        (
            "rated_power_w = 120",
            'rated_power_w = 120\npower = ["inputs/input_1"]',
            "power[0]: inputs/input_1 is on or off; name a point that is a number",
        ),
        (
            "rated_power_w = 120",
            'power = ["lamp-11/active_power"]\ncurrents = ["lamp-11/supply_current"]',
            "has power and currents; give one of them",
        ),
        (
            "[lighting]",
            '[lighting]\ndoors = ["inputs/input_9"]',
            "lighting.doors[0]: no point 'inputs/input_9'",
        ),
        (
            "[lighting]",
            "[lighting]\nproof_s = 10",
            "is read every 10 s, and proof is waited for 10 s; give [lighting] proof_s = 20 or more",
        ),
        (
            "[lighting]",
            '[lighting]\nlight_sensor = { point = "light/illuminance", on_level = 20, off_level = 20 }',
            "lamps would flicker; give a higher off_level",
        ),
        (
            "[lighting]",
            "[lighting]\npower_low_percent = 150",
            "give power_off_percent < power_low_percent < power_high_percent",
        ),
        (
            "[lighting]",
            '[lighting]\nuntrusted_clock = "off"',
            "lighting.untrusted_clock: must be 'on' or 'pattern'",
        ),
    ],
)
def test_mistakes_are_told(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Each with file, line, key and remedy."""
    text = settings()
    assert old in text
    with pytest.raises(TomlFileError) as caught:
        loaded(tmp_path, text.replace(old, new, 1))
    assert any(expected in str(problem) for problem in caught.value.problems), caught.value


def test_an_output_has_one_master(tmp_path: Path) -> None:
    """A control and a circuit would fight over it."""
    with pytest.raises(TomlFileError, match="relays/relay_1 is driven by the control 'c' already"):
        loaded(tmp_path, settings() + CONTROL)


def test_the_check_counts_lamps_and_what_one_broadcast_reaches(tmp_path: Path) -> None:
    """Ten, of which eight have controllers of one profile on a line; without lamps nothing is said."""
    file = tmp_path / "gateway.toml"
    for text, said, counts in (
        (settings(), "0 controls, 10 lamps, 1 group)", (10, 1)),
        (settings([], ["north"]), "0 controls, 1 lamp)", (1, 0)),
        (settings([], []), "0 controls)", (0, 0)),
    ):
        file.write_text(text)
        assert said in CliRunner().invoke(app, ["check", str(file)]).stdout
        told = json.loads(CliRunner().invoke(app, ["check", str(file), "--json"]).stdout)
        assert (told["lamps"], told["groups"]) == counts
