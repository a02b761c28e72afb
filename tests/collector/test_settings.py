"""Settings: every mistake told with file, line, key and remedy."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

import collector.service  # noqa: F401  every room's tables come with it
from collector.database import Database
from collector.parts.checking import PARTS_HEADER
from collector.platforms.settings import CityPlatform
from collector.series.tables import SERIES
from collector.settings import EXAMPLE, SeriesStore, Settings, load
from collector.tables import STATE
from contract.signing import PublicKey
from gengfu.commands.collector import app
from tests.collector.making import States
from toml_files import TomlFile, TomlFileError

RUN = [sys.executable, "-m", "gengfu.main", "collector", "run", "--settings"]
GOOD = '[broker]\nhost = "127.0.0.1"\n'


def mistakes(folder: Path, text: str) -> list[str]:
    """Return what is said of a settings file, without the folder."""
    path = folder / "collector.toml"
    path.write_text(text)
    with pytest.raises(TomlFileError) as caught:
        load(path)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_the_example_tells_every_key_with_its_default() -> None:
    """A commented key shows exactly what the model would take without it."""
    text = EXAMPLE.read_text()
    lines = [
        line.removeprefix("# ")
        if line.startswith("# ") and (" = " in line or line.startswith("# ["))
        else line
        for line in text.splitlines()
    ]
    whole = [line for line in lines if not line.startswith("#")]
    written = TomlFile("\n".join(whole), "example").data
    plain = TomlFile(text, "example").parse(Settings)
    assert plain.platform is None
    full = TomlFile("\n".join(whole), "example").parse(Settings)
    for table, model in (
        ("broker", full.broker),
        ("http", full.http),
        ("limits", full.limits),
        ("cases", full.cases),
        ("people", full.people),
        ("telling", full.telling),
        ("state", full.state),
        ("exchange", full.exchange),
    ):
        assert set(written[table]) == set(type(model).model_fields)
        assert model == getattr(plain, table)
    [platform] = full.platforms
    assert plain.platforms == []
    assert set(written["platforms"][0]) == set(CityPlatform.model_fields)
    assert platform == CityPlatform(name="city", url="http://127.0.0.1:8790/api/cases")
    assert plain.series_stores == []
    [series_store] = full.series_stores
    assert set(written["series_stores"][0]) == set(SeriesStore.model_fields)
    assert series_store == SeriesStore(name="archive", kind="influxdb", url="http://127.0.0.1:8086")
    fields = set(Settings.model_fields) - {"platform"}  # as it was before [[platforms]]
    assert set(written) == {"schema" if name == "schema_version" else name for name in fields}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[http]\nhost = "0.0.0.0"\n',
            "collector.toml:6: http.host: other machines are served over TLS only",
        ),
        ('[http]\nhost = "centre.example"\n', "collector.toml:6: http.host: 'centre.example' is no address"),
        ('[http]\ntls_key_file = "x"\n', "collector.toml:5: http: tls_cert_file and tls_key_file belong"),
        (
            '[http]\ntls_cert_file = "x"\ntls_key_file = "y"\n',
            "collector.toml:6: http.tls_cert_file: x: no such file",
        ),
        ("[http]\nporf = 1\n", "collector.toml:6: http.porf: is not a key"),
        ("[limits]\ngateways_max = 0\n", "collector.toml:6: limits.gateways_max"),
        ('[platform]\nurl = "ftp://x"\n', "collector.toml:6: platform.url"),
        ('[platform]\nurl = "http://:80/x"\n', "collector.toml:6: platform.url: is no address"),
        ('[platform]\nurl = "http://例子..com/x"\n', "collector.toml:6: platform.url: is no address"),
        ('[platform]\nurl = "http://xn--/x"\n', "collector.toml:6: platform.url: is no address"),
        (
            '[cases]\nnumber_template = "{date}"\n',
            "collector.toml:6: cases.number_template: does not tell cases apart",
        ),
        (
            '[cases]\nnumber_template = "{datum}{number}"\n',
            "collector.toml:6: cases.number_template: cannot be filled in",
        ),
    ],
)
def test_mistakes_are_told_by_line_and_key(text: str, said: str, tmp_path: Path) -> None:
    """One line each."""
    [problem] = mistakes(tmp_path, f'schema = 1\ndistrict = "north"\n{GOOD}{text}')
    assert problem.startswith(said)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u@h/d", "is no address of a PostgreSQL"),
        ("postgresql://u:secret@h/d", "holds a password; write it to a file"),
        ("postgresql://u@h", "names no user or no database"),
        ("postgresql://h/d", "names no user or no database"),
        ("postgresql://u@/d", "names no host"),
        ("postgresql://u@h:x/d", "is no address"),
        ("postgresql://u@h/d?passfile=/x", "has an option that is not one of host"),
    ],
)
def test_mistakes_of_the_state_s_address_are_told_without_the_password(
    url: str, said: str, tmp_path: Path
) -> None:
    """A password in an address would be in every backup of the settings."""
    [problem] = mistakes(tmp_path, f'schema = 1\ndistrict = "north"\n{GOOD}[state]\nurl = "{url}"\n')
    assert problem.startswith(f"collector.toml:6: state.url: {said}")
    assert "secret" not in problem


@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [
        ("missing", 0o600, "missing: no such file"),
        ("open", 0o640, "open: has mode 0640, so others can read it"),
        ("empty", 0o600, "empty: holds no password"),
    ],
)
def test_a_password_is_read_from_a_file_that_only_its_owner_can_read(
    name: str, mode: int, said: str, tmp_path: Path
) -> None:
    """Whoever else reads it reads the state."""
    for file, text in (("open", "secret"), ("empty", "\n"), ("good", "secret\n")):
        (tmp_path / file).write_text(text)
        (tmp_path / file).chmod(mode)
    table = '[state]\nurl = "postgresql://u@127.0.0.1:1/d"\npassword_file = "{}"\n'
    text = f'schema = 1\ndistrict = "north"\n{GOOD}{table}'
    [problem] = mistakes(tmp_path, text.format(name))
    assert problem.startswith(f"collector.toml:7: state.password_file: {said}")
    (tmp_path / "good").chmod(0o400)
    (tmp_path / "collector.toml").write_text(text.format("good"))
    place = load(tmp_path / "collector.toml").state
    assert place is not None
    assert (place.password, "secret" in repr(place)) == ("secret", False)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('kind = "graphite"', "collector.toml:7: series_stores[0].kind"),
        ('url = "influx.example"', "collector.toml:8: series_stores[0].url"),
        ("store_settle_s = 0", "collector.toml:9: series_stores[0].store_settle_s"),
        ('token = "secret"', "collector.toml:9: series_stores[0].token: is not a key"),
        ('token_file = "missing"', "collector.toml:9: series_stores[0].token_file: missing: no such file"),
        ('token_file = "empty"', "collector.toml:9: series_stores[0].token_file: empty: holds no token"),
        ('token_file = "words"', "collector.toml:9: series_stores[0].token_file: words: holds no token"),
    ],
)
def test_mistakes_of_a_series_store_are_told(keys: str, said: str, tmp_path: Path) -> None:
    """The token itself is never written in the settings, nor told."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "words").write_text("my secret\n")
    table = {"name": '"archive"', "kind": '"influxdb"', "url": '"http://127.0.0.1:8086"'}
    key, _, value = keys.partition(" = ")
    lines = [f"{name} = {told}" for name, told in (table | {key: value}).items()]
    text = "\n".join(["[[series_stores]]", *lines])
    [problem] = mistakes(tmp_path, f'schema = 1\ndistrict = "north"\n{GOOD}{text}\n')
    assert problem.startswith(said)
    assert "secret" not in problem


def test_two_series_stores_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    """Each has its cursor under its name."""
    one = '[[series_stores]]\nname = "a"\nkind = "influxdb"\nurl = "http://127.0.0.1:1"\n'
    [problem] = mistakes(tmp_path, f'schema = 1\ndistrict = "north"\n{GOOD}{one}{one}')
    assert problem == (
        "collector.toml:10: series_stores[1].name: series store 'a' is given twice; "
        "give each a name of its own"
    )


@pytest.mark.parametrize(
    ("offset", "remedy"),
    [
        (8, "write 480 if 8 hours were meant"),
        (-3, "write -180 if -3"),
        (100, "write minutes, as 480 for China"),
    ],
)
def test_an_offset_in_hours_is_refused(offset: int, remedy: str, tmp_path: Path) -> None:
    """Eight minutes would be taken in silence, and cases numbered by the wrong day."""
    [problem] = mistakes(tmp_path, f'schema = 1\ndistrict = "north"\nutc_offset_min = {offset}\n{GOOD}')
    assert problem.startswith(f"collector.toml:3: utc_offset_min: {offset} minutes is no time zone")
    assert remedy in problem


@pytest.mark.parametrize("offset", [0, 480, 345, -210])
def test_every_zone_that_there_is_may_be_named(offset: int, tmp_path: Path) -> None:
    """Nepal and Newfoundland too."""
    text = f'schema = 1\ndistrict = "north"\nutc_offset_min = {offset}\n{GOOD}'
    assert TomlFile(text, "x").parse(Settings).utc_offset_min == offset


def test_a_profile_folder_that_is_none_is_told_at_its_key(tmp_path: Path) -> None:
    """With the line of the settings, and from where a relative path begins."""
    [problem] = mistakes(
        tmp_path, f'schema = 1\ndistrict = "north"\nprofile_folders = [\n  ".",\n  "nope",\n]\n{GOOD}'
    )
    assert problem == (
        "collector.toml:5: profile_folders[1]: nope is no folder; "
        f"name a folder of profiles; a relative path begins at {tmp_path}"
    )


def test_a_problem_that_has_two_classes_is_a_mistake(tmp_path: Path) -> None:
    """Else which deadline holds would depend on their order."""
    entry = '[[case_classes]]\nproblem = "x"\ncode = "1"\ntitle = { en = "X", zh = "某" }\ndeadline_h = 1\n'
    [problem] = mistakes(tmp_path, f'schema = 1\ndistrict = "north"\n{GOOD}{entry}{entry}')
    assert (
        problem == "collector.toml:11: case_classes[1].problem: problem 'x' is given twice; keep one of them"
    )


@pytest.mark.usefixtures("both_engines")
@pytest.mark.parametrize(("schema", "metadata"), [("state", STATE), ("series", SERIES)])
def test_migrations_make_the_tables_that_the_code_uses(schema: str, metadata: Any, tmp_path: Path) -> None:
    """Nothing is missing, nothing is left over; the state's are the same in a PostgreSQL."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    import collector.enrolment.tables
    import collector.people.tables  # noqa: F401

    database = Database(States.of(tmp_path) if schema == "state" else tmp_path / "x.db", schema)
    try:
        found = database.read_now(
            lambda connection: compare_metadata(
                MigrationContext.configure(connection, opts={"compare_type": True}), metadata
            )
        )
    finally:
        database.close()
    assert found == []


def gengfu(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, list(arguments))


def test_init_writes_what_check_finds_sound_and_overwrites_nothing(tmp_path: Path) -> None:
    """And check tells mistakes as JSON too."""
    folder = tmp_path / "centre"
    assert gengfu("init", str(folder)).exit_code == 0
    assert gengfu("check", str(folder / "collector.toml")).exit_code == 0
    again = gengfu("init", str(folder))
    assert again.exit_code == 1
    assert "is there already" in again.output
    (folder / "data" / "signing_key.pem").rename(folder / "old.pem")
    alone = gengfu("init", str(folder / "collector.toml"))
    assert alone.exit_code == 0
    line = re.search(r'\[centre\]\npublic_keys = \["(.*)"\]', alone.output)
    assert line
    PublicKey(line[1])
    once_more = gengfu("init", str(folder / "collector.toml"))
    assert (once_more.exit_code, "is not replaced" in once_more.output) == (1, True)
    (folder / "parts.csv").write_text(f"{PARTS_HEADER}\n1,2\n")
    checked = gengfu("check", str(folder / "collector.toml"), "--json")
    assert checked.exit_code == 1
    [problem] = json.loads(checked.stdout)["problems"]
    assert (problem["line"], problem["what"]) == (2, "has not as many fields as the header")


def test_run_tells_its_url_refuses_a_second_of_its_kind_and_stops_when_told(tmp_path: Path) -> None:
    """SIGTERM ends it with 0, without a broker too."""
    gengfu("init", str(tmp_path / "c"))
    path = tmp_path / "c" / "collector.toml"
    path.write_text(
        path.read_text().replace("# port = 8780", "port = 0").replace("# port = 1883", "port = 1")
    )
    command = [*RUN, str(path)]
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        assert httpx.get(f"{url}/healthz").status_code == 503
        second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == 1
        assert "in use by another collector" in second.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
