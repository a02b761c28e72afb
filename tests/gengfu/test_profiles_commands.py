"""``gengfu profiles``, as people at a terminal and scripts see it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from device_profiles import catalogue
from gengfu.commands.profiles import app

PROFILES = catalogue.load_all()
ENGLISH = {"LANG": "en_GB.UTF-8", "LC_ALL": "", "LC_MESSAGES": "", "COLUMNS": "80"}
CHINESE = ENGLISH | {"LANG": "zh_CN.UTF-8"}
GAUGE = (catalogue.SHIPPED / "water_gauge.toml").read_text()


def printed(*words: str, env: dict[str, str] = ENGLISH) -> str:
    """Return what a command prints that succeeds."""
    result = CliRunner().invoke(app, list(words), env=env)
    assert result.exit_code == 0, result.output
    return result.stdout


def real(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a process of its own."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("gengfu")), "profiles", *words],
        env=os.environ | ENGLISH,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("env", [ENGLISH, CHINESE], ids=["en", "zh"])
@pytest.mark.parametrize("words", [["list"], *(["show", name] for name in PROFILES)], ids="-".join)
def test_tables_fit_eighty_columns(words: list[str], env: dict[str, str]) -> None:
    """Chinese characters take two."""
    lines = printed(*words, env=env).splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert not any("…" in line for line in lines), "nothing is cut off"


@pytest.mark.parametrize(("env", "title"), [(ENGLISH, "tilt sensor"), (CHINESE, "倾角传感器")])
def test_list_speaks_the_users_language(env: dict[str, str], title: str) -> None:
    """Chosen by LANG."""
    assert any(
        line.startswith("wt901c485") and title in line for line in printed("list", env=env).splitlines()
    )


def test_the_stronger_settings_of_language_come_first() -> None:
    """LC_ALL before LC_MESSAGES before LANG, as everywhere."""
    assert "倾角传感器" in printed("list", env=ENGLISH | {"LC_MESSAGES": "zh_CN.UTF-8"})
    assert "tilt sensor" in printed("list", env=CHINESE | {"LC_ALL": "C.UTF-8"})


def test_list_as_json_has_every_profile() -> None:
    """For scripts: both titles, and how many points."""
    rows = {row["id"]: row for row in json.loads(printed("list", "--json"))}
    assert set(rows) == set(PROFILES)
    assert rows["waveshare_relay_8"] == {
        "id": "waveshare_relay_8",
        "title": {"en": "8-channel relay board", "zh": "8路继电器板"},
        "vendor": "Waveshare",
        "models": ["Modbus RTU Relay (8 channels)"],
        "points": 8,
    }


def test_show_has_what_a_technician_needs() -> None:
    """Serial settings first, then each point with its address."""
    lines = [" ".join(line.split()) for line in printed("show", "renke_dust").splitlines()]
    assert "serial 4800 8N1, unit id 1" in lines
    assert "temperature air temperature holding 0x01F9 i16 0.1 Cel -50..80" in lines
    relays = [" ".join(line.split()) for line in printed("show", "waveshare_relay_8").splitlines()]
    assert "relay_8 Relay 8 coil 0x0007 bool rw" in relays


def test_show_lists_derived_quantities_with_what_they_are_made_of() -> None:
    """They can be named in settings as points can."""
    text = " ".join(printed("show", "wt901c485").split())
    assert "inclination inclination from derived deg upright (roll, pitch)" in text


def test_show_as_json_is_the_profile() -> None:
    """With repeated points written out; it can be read back."""
    data = json.loads(printed("show", "waveshare_relay_8", "--json"))
    assert [point["address"] for point in data["points"]] == list(range(8))
    assert (
        type(PROFILES["waveshare_relay_8"]).model_validate(data).points
        == PROFILES["waveshare_relay_8"].points
    )


def test_a_citys_own_folder_is_listed_and_shown(tmp_path: Path) -> None:
    """Beside the shipped ones."""
    (tmp_path / "own.toml").write_text(GAUGE.replace('"water_gauge"', '"own"'))
    assert {row["id"] for row in json.loads(printed("list", "--json", "--folder", str(tmp_path)))} == {
        *PROFILES,
        "own",
    }
    assert "own" in printed("show", "own", "--folder", str(tmp_path))


def test_an_unknown_id_is_told_with_a_close_one() -> None:
    """On standard error, with exit code 1."""
    result = CliRunner().invoke(app, ["show", "renke_dst"])
    assert result.exit_code == 1
    assert result.stderr == "no profile is called 'renke_dst'; did you mean renke_dust?\n"
    assert result.stdout == ""
    result = CliRunner().invoke(app, ["show", "zzz"])
    assert result.stderr == "no profile is called 'zzz'; see `gengfu profiles list`\n"


def test_check_counts_what_is_sound(tmp_path: Path) -> None:
    """Without a file, everything that is shipped."""
    assert printed("check") == f"{len(PROFILES)} profiles checked, all sound\n"
    path = tmp_path / "water_gauge.toml"
    path.write_text(GAUGE)
    assert printed("check", str(path)) == "1 profile checked, all sound\n"
    assert json.loads(printed("check", "--json", str(path))) == {"good": 1, "problems": []}


def test_check_of_broken_files_as_json(tmp_path: Path) -> None:
    """Every problem with file, line, key, what and remedy; exit code 1."""
    path = tmp_path / "water_gauge.toml"
    path.write_text(GAUGE.replace("unit = ", "unti = "))
    result = CliRunner().invoke(app, ["check", "--json", str(path)])
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "good": 0,
        "problems": [
            {
                "file": str(path),
                "line": 15,
                "key": "points[0].unti",
                "what": "is not a key of this table",
                "remedy": "did you mean unit?",
            }
        ],
    }


def test_the_real_command_tells_broken_files_line_by_line(tmp_path: Path) -> None:
    """One line a mistake on standard error, unbroken however long, as editors expect; exit code 1."""
    one, two = tmp_path / "water_gauge.toml", tmp_path / ("x" * 90 + ".toml")
    one.write_text(GAUGE.replace("unit = ", "unti = ").replace("baud = 9600", "baud = 96"))
    two.write_text("id = ?")
    result = real("check", str(one), str(two), str(catalogue.SHIPPED / "renke_dust.toml"))
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{one}:8: serial.baud: must be at least 300; 96 was given",
        f"{one}:15: points[0].unti: is not a key of this table; did you mean unit?",
        f"{two}:1: not valid TOML: Invalid value (at line 1, column 6); mend the syntax there",
    ]


def test_the_real_command_lists_and_shows() -> None:
    """As installed: exit code 0 and nothing on standard error."""
    for words in (["list"], ["show", "qdy30a"], ["check"]):
        result = real(*words)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout
    assert real("show", "nothing").returncode == 1
