"""What is found, written into settings: comments and order kept, checked, whole or not at all."""

import os
import tomllib
from pathlib import Path

import pytest

from edge import checks
from edge.commissioning.finds import FoundDevice
from edge.commissioning.judging import Identified, Ranked, Verdict
from edge.commissioning.writing import CannotWriteError, Place, Placed, changed, checked, put_in_place
from edge.settings import EXAMPLE

TEXT = """# the corner of Main Street
schema = 1
district = "north"
gateway = "site-1"   # on the door

[broker]
host = "127.0.0.1"

[[lines]]
kind = "serial"
name = "bus"
port = "/dev/ttyRS485"   # the left one
baud = 9600

[[devices]]
# the meter of the supply
name = "meter"
line = "bus"
unit_id = 1
profile = "sdm630"
# interval_s = 5

# the centre

[centre]
commands = false
"""


def found(unit: int, baud: int = 9600) -> FoundDevice:
    """Return a device."""
    return FoundDevice(unit, "rtu", baud, "N", 1, 8, "value", "register 0", 0.02, 1.0)


SLOW = FoundDevice(5, "ascii", 19_200, "E", 1, 8, "value", "register 0", 0.3, 1.0)


def told(verdict: Verdict, *profiles: str, product: str = "") -> Identified:
    """Return what a device is."""
    ranked = [Ranked(profile, (), 20.0, []) for profile in profiles]
    return Identified(1, verdict, ranked, "", "Maker" if product else "", product, "")


def test_certain_and_likely_are_added_behind_their_kind_and_nothing_else_changes() -> None:
    """What stands in the file stands there afterwards, every comment where it was."""
    change = changed(
        TEXT,
        [
            Placed("/dev/ttyRS485", found(1), told(Verdict.CERTAIN, "sdm630")),  # known already
            Placed("/dev/ttyRS485", found(2), told(Verdict.CERTAIN, "sdm630", product="SDM630-Modbus")),
            Placed("/dev/ttyNEW", SLOW, told(Verdict.LIKELY, "xy_md02")),
        ],
    )
    kept = iter(change.after.splitlines())
    assert all(line in kept for line in TEXT.splitlines())  # in this order
    data = tomllib.loads(change.after)
    assert data["lines"][1] == {
        "kind": "serial",
        "name": "rs485-1",
        "port": "/dev/ttyNEW",
        "baud": 19_200,
        "parity": "E",
        "transmission_mode": "ascii",
    }
    assert [(each["name"], each["unit_id"], each["profile"]) for each in data["devices"]] == [
        ("meter", 1, "sdm630"),
        ("sdm630-1", 2, "sdm630"),
        ("xy-md02-1", 5, "xy_md02"),
    ]
    assert data["devices"][2]["timeout_s"] == 1.5
    assert "# certain: it says it is Maker SDM630-Modbus\n" in change.after
    assert (
        change.after.index("# interval_s = 5")
        < change.after.index("sdm630-1")
        < change.after.index("# the centre")
    )


def test_what_the_bytes_do_not_tell_becomes_a_comment_once() -> None:
    """A person takes the marks away in front of the right one."""
    placed = [
        Placed("/dev/ttyRS485", found(7), told(Verdict.AMBIGUOUS, "waveshare_relay_8", "relay_board_8")),
        Placed("/dev/ttyRS485", found(8), told(Verdict.UNKNOWN)),
    ]
    change = changed(TEXT, placed)
    assert tomllib.loads(change.after) == tomllib.loads(TEXT)
    assert '# profile = "waveshare_relay_8"  # or relay_board_8\n' in change.after
    assert change.left == [Place("bus", 7), Place("bus", 8)]
    assert changed(change.after, placed).after == change.after


def test_the_commented_block_is_sound_once_its_marks_are_gone(tmp_path: Path) -> None:
    """As `gengfu edge check` sees it."""
    change = changed(
        TEXT, [Placed("/dev/ttyRS485", found(7), told(Verdict.AMBIGUOUS, "waveshare_relay_8", "x"))]
    )
    start = change.after.index("# [[devices]]")
    block, rest = change.after[start:].split("\n\n", 1)
    path = tmp_path / "gateway.toml"
    path.write_text(change.after[:start] + block.replace("# ", "", block.count("\n") + 1) + "\n\n" + rest)
    settings, _ = checks.load(path)
    assert [device.name for device in settings.devices] == ["meter", "unit-7"]


def test_another_format_on_a_known_port_is_refused() -> None:
    """One line has one format."""
    with pytest.raises(
        CannotWriteError, match=r"unit 3 on /dev/ttyRS485 answers at 4800 8N1 .* runs at 9600 N"
    ):
        changed(TEXT, [Placed("/dev/ttyRS485", found(3, 4800), told(Verdict.LIKELY, "renke_dust"))])


def test_the_example_of_the_manual_can_be_added_to() -> None:
    """Whatever is in it."""
    text = EXAMPLE.read_text()
    change = changed(text, [Placed("/dev/ttyNEW", found(3, 4800), told(Verdict.LIKELY, "renke_dust"))])
    assert change.added
    assert len(tomllib.loads(change.after)["devices"]) == len(tomllib.loads(text)["devices"]) + 1


@pytest.mark.parametrize("text", ["x = ", "devices = [1]", 'lines = [{ kind = "serial", name = "a" }]'])
def test_a_file_that_cannot_be_added_to_is_left_alone(text: str) -> None:
    """With a reason."""
    with pytest.raises(CannotWriteError):
        changed(text, [Placed("/dev/ttyNEW", found(3), told(Verdict.LIKELY, "renke_dust"))])


def test_the_check_is_that_of_the_file_itself(tmp_path: Path) -> None:
    """Its problems carry the file's name, and no trace of the trial stays."""
    path = tmp_path / "gateway.toml"
    path.write_text(TEXT)
    assert checked(path, TEXT) == []
    [problem] = checked(path, TEXT.replace('profile = "sdm630"', 'profile = "sdm6300"'))
    assert (problem.file, problem.key) == (str(path), "devices[0].profile")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["gateway.toml"]


def test_the_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    """And a link to it stays a link."""
    path, link = tmp_path / "gateway.toml", tmp_path / "link.toml"
    path.write_text(TEXT)
    path.chmod(0o640)
    link.symlink_to(path.name)
    change = changed(TEXT, [Placed("/dev/ttyRS485", found(2), told(Verdict.LIKELY, "sdm630"))])
    put_in_place(link, change)
    assert path.read_text() == change.after
    assert path.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_was_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """Somebody else was at it."""
    path = tmp_path / "gateway.toml"
    path.write_text(TEXT + "# mine\n")
    change = changed(TEXT, [Placed("/dev/ttyRS485", found(2), told(Verdict.LIKELY, "sdm630"))])
    with pytest.raises(CannotWriteError, match="was changed meanwhile"):
        put_in_place(path, change)
    assert path.read_text() == TEXT + "# mine\n"


def test_a_disk_that_refuses_leaves_the_file_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half written is not written."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "gateway.toml"
    path.write_text(TEXT)
    change = changed(TEXT, [Placed("/dev/ttyRS485", found(2), told(Verdict.LIKELY, "sdm630"))])
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        put_in_place(path, change)
    assert path.read_text() == TEXT
    assert [each.name for each in tmp_path.iterdir()] == ["gateway.toml"]
