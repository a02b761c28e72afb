"""Cabinets: the shipped ones tell their stories, and mistakes in files are told by line and key."""

from pathlib import Path
from typing import get_args

import pytest
from pymodbus.framer.rtu import FramerRTU

from simulators import cabinet_file, world
from simulators.cabinet import Cabinet
from simulators.wire import SimulatedWire
from toml_files import TomlFileError

SECOND = 1_000_000_000


def frame(text: str) -> bytes:
    """Return a frame of hexadecimal bytes, to which the CRC is added."""
    data = bytes.fromhex(text)
    return data + FramerRTU.compute_CRC(data).to_bytes(2, "big")


def value(cabinet: Cabinet, name: str, at_s: float) -> float:
    """Return a value of the truth at a time."""
    found = cabinet.truth(round(at_s * SECOND))["values"][name]
    assert isinstance(found, int | float)
    return found


@pytest.mark.parametrize("name", cabinet_file.shipped())
def test_shipped_cabinets_are_sound(name: str) -> None:
    """Each loads, runs for two minutes of its own time, and gives good values for all its points."""
    cabinet = Cabinet(cabinet_file.load(name))
    for second in range(120):
        truth = cabinet.truth(second * SECOND)
        assert all(number is not None for number in truth["values"].values())


def test_site_story_with_spray() -> None:
    """Works raise PM10 over 150 well before 25 s; a flash on relay 1 brings it below 120 within 10 s."""
    cabinet = Cabinet(cabinet_file.load("site"), seed=3)
    assert value(cabinet, "station/pm10", 7) < 100
    assert value(cabinet, "station/pm10", 16) > 150
    assert value(cabinet, "station/pm10", 25) > 250
    bus = cabinet.buses["rs485-1"]
    assert bus.answer(frame("02 05 02 00 00 78"), 25 * SECOND)  # for 12 s
    assert cabinet.truth(26 * SECOND)["outputs"]["relays/relay_1"] is True
    assert value(cabinet, "station/humidity", 34) > 60
    assert value(cabinet, "station/pm10", 35) < 120
    assert cabinet.truth(37 * SECOND)["outputs"]["relays/relay_1"] is False
    assert value(cabinet, "station/pm10", 40) > 120, "without spray the works win again"
    assert value(cabinet, "station/pm10", 300) < 90


def test_self_off_ends_the_spray_within_a_leap() -> None:
    """The sprinkler's dust is the same whether somebody looks every second or only at the end."""
    levels = []
    for times_s in ((60.0,), tuple(float(second) for second in range(25, 61))):
        cabinet = Cabinet(cabinet_file.load("site"), seed=3)
        cabinet.buses["rs485-1"].answer(frame("02 05 02 00 00 64"), 24 * SECOND)
        levels.append([value(cabinet, "station/pm10", at_s) for at_s in times_s][-1])
    assert levels[0] == pytest.approx(levels[1], abs=1)


def test_street_story() -> None:
    """Cover 2 tilts to 40 degrees and back, its neighbours do not; the main bursts and is repaired."""
    cabinet = Cabinet(cabinet_file.load("street"), seed=1)
    assert value(cabinet, "cover-2/inclination", 19) < 3
    assert value(cabinet, "pressure/pressure", 29) == pytest.approx(280, abs=4)
    assert value(cabinet, "cover-2/inclination", 30) == pytest.approx(40, abs=1)
    assert value(cabinet, "cover-1/inclination", 30) < 3
    assert value(cabinet, "pressure/pressure", 40) == pytest.approx(90, abs=4)
    assert value(cabinet, "cover-2/inclination", 58) < 3
    assert value(cabinet, "pressure/pressure", 90) == pytest.approx(280, abs=4)


def test_runs_repeat_by_seed() -> None:
    """The same seed and requests give the same bytes; another seed others; most readings differ."""
    runs = []
    for seed in (5, 5, 6):
        cabinet = Cabinet(cabinet_file.load("site"), seed=seed)
        wire = SimulatedWire(cabinet.buses["rs485-1"], 9600)
        answers = []
        for second in range(40):
            wire.send(frame("01 03 01 FC 00 01"), second * SECOND)
            answers.append(wire.receive(second * SECOND + SECOND // 2))
        runs.append(answers)
    assert runs[0] == runs[1] != runs[2]
    changes = sum(before != after for before, after in zip(runs[0], runs[0][1:], strict=False))
    assert changes >= 30


def test_earlier_time_changes_nothing() -> None:
    """Threads may ask a little out of order."""
    cabinet = Cabinet(cabinet_file.load("street"), seed=1)
    before = cabinet.truth(30 * SECOND)
    assert cabinet.truth(29 * SECOND) == before


def test_devices_die_and_revive(tmp_path: Path) -> None:
    """As the story says, a dead station is silent on the line."""
    path = tmp_path / "mortal.toml"
    path.write_text(
        MINIMAL
        + '[[story]]\nat_s = 10\nwhat = "device_dies"\ndevice = "tilt"\n'
        + '[[story]]\nat_s = 20\nwhat = "device_revives"\ndevice = "tilt"\n'
    )
    bus = Cabinet(cabinet_file.load(str(path))).buses["a"]
    request = frame("50 03 00 3D 00 03")
    answered = [bus.answer(request, at_s * SECOND) is not None for at_s in (9, 10, 19, 20)]
    assert answered == [True, False, False, True]


MINIMAL = """\
schema = 1
title = { en = "t", zh = "t" }
[[lines]]
name = "a"
kind = "serial"
baud = 9600
link = "ttyA"
[[devices]]
name = "tilt"
line = "a"
unit_id = 80
profile = "wt901c485"
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MINIMAL.replace('line = "a"', 'line = "b"'), ":10: devices[0].line: 'b' is no line of this cabinet"),
        (
            MINIMAL.replace("wt901c485", "wt902"),
            ":12: devices[0].profile: 'wt902' is no known profile; write",
        ),
        (MINIMAL.replace("baud = 9600", "baud = 9"), ":6: lines[0].baud: must be at least 300"),
        (
            MINIMAL.replace("baud", "boud"),
            ":6: lines[0].boud: is not a key of this table; did you mean baud?",
        ),
        (MINIMAL.replace('profile = "wt901c485"', ""), ":8: devices[0]: profile or board, exactly one"),
        (MINIMAL + "values = { rol = 1 }", ":13: devices[0].values.rol: no point of wt901c485; write one of"),
        (MINIMAL + "values = { roll = 400 }", ":13: devices[0].values: roll: 400 would be"),
        (
            MINIMAL + '[[devices]]\nname = "r"\nline = "a"\nunit_id = 80\nboard = "waveshare_relay_8"',
            ":16: devices[1].unit_id: a 80 is taken by devices[0]; give another",
        ),
        (
            MINIMAL + '[[physics]]\nkind = "pipe"\ndevice = "tilt"',
            ":15: physics[0].device: 'tilt' is no device with the points pressure",
        ),
        (
            MINIMAL + '[[story]]\nat_s = 1\nwhat = "cover_lifted"\ndevice = "tilt"',
            ":16: story[0].device: 'tilt' is no device with physics of kind cover",
        ),
        (
            MINIMAL + '[[story]]\nat_s = 1\nwhat = "earthquake"\ndevice = "tilt"',
            ":15: story[0].what: must be 'works_begin'",
        ),
        (MINIMAL.replace("schema = 1\n", ""), "schema: is missing; add it"),
    ],
)
def test_mistakes_are_told_by_line_and_key(tmp_path: Path, text: str, told: str) -> None:
    """File, line, key, what and remedy."""
    path = tmp_path / "cabinet.toml"
    path.write_text(text)
    with pytest.raises(TomlFileError) as caught:
        cabinet_file.load(str(path))
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_every_happening_has_its_physics_or_is_the_devices_own() -> None:
    """What is in neither list would be taken for a device's death."""
    happenings, own = set(get_args(world.What)), set(get_args(world.DeviceHappening))
    assert happenings == own | set(world.NEEDS)
    assert own.isdisjoint(world.NEEDS)


def test_unknown_cabinet_names_the_shipped_ones() -> None:
    """So that nobody has to look them up."""
    with pytest.raises(TomlFileError, match="no such cabinet; give a path, or one of lighting, site, street"):
        cabinet_file.load("nowhere")
