"""``gengfu platforms``, as people read it; the centre is stood in for where it only answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from collector.platforms.mapping_file import EXAMPLE
from gengfu import centre_client
from gengfu.commands.platforms import app
from tests.gengfu.operators import CHINESE, ENGLISH

PLATFORM = {
    "name": "city",
    "kind": "rest",
    "capabilities": {"has_key": True, "can_look_up": False, "has_callbacks": True, "can_poll": False},
    "messages": {"waiting": 2, "sending": 1, "done": 40, "needs_person": 3},
    "trouble": "answered 503",
}
WAITING = {
    "id": 17,
    "platform": "city",
    "case_id": "a" * 32,
    "case_number": "north-20270115-00001",
    "title": {"en": "Burst", "zh": "爆管"},
    "kind": "opened",
    "platform_number": "",
    "reason": "no answer: look there first",
    "perhaps": True,
    "attempts": 1,
    "at_ms": 0,
}
MESSAGE = {
    "id": 17,
    "case_id": "a" * 32,
    "n": 1,
    "kind": "opened",
    "key": "a" * 32,
    "payload": {
        "number": "north-1",
        "class": {"code": "010201", "title": {"en": "x", "zh": "井盖"}},
        "id": "a" * 32,
    },
}
SETTINGS = """schema = 1
district = "north"
[broker]
host = "127.0.0.1"
[[platforms]]
name = "city"
url = "http://127.0.0.1:1/api"
mapping_file = "city.toml"
secret_file = "secret"
"""
MAPPING = """schema = 1
[authentication]
kind = "bearer"
[messages.opened]
path = "/cases/{number}"
body = { category = "{class.code|code:category}" }
[codes.category]
"010201" = "A1"
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stand in for the centre; return what it is asked."""
    told: list[Any] = []
    items = {"/platforms": [PLATFORM], "/platforms/waiting": [WAITING], "/platforms/messages": [MESSAGE]}

    def stand_in(method: str, url: str, path: str, *, body: Any = None, query: Any = None) -> Any:
        told.append((method, path, body))
        return {"items": items.get(path, []), "next": None} if method == "GET" else MESSAGE

    monkeypatch.setattr(centre_client, "asked", stand_in)
    return told


def said(*words: str, env: dict[str, str] = ENGLISH, code: int = 0) -> Result:
    """Type it."""
    result = CliRunner().invoke(app, list(words), env=env)
    assert result.exit_code == code, result.output
    return result


def test_platforms_are_listed_with_what_is_on_its_way(asked: list[Any]) -> None:
    """At 80 columns, in the language of the terminal."""
    lines = said("list").output.splitlines()
    assert lines[1].split() == ["city", "rest", "key,", "callbacks", "3", "0", "40", "3", "answered", "503"]
    assert max(map(len, lines)) <= 80
    assert "幂等键, 回调" in said("list", env=CHINESE).output
    assert json.loads(said("list", "--json").output) == [PLATFORM]


def test_what_waits_is_listed_and_decided(asked: list[Any]) -> None:
    """Whether the platform has it, and under which number."""
    listed = " ".join(said("waiting").output.split())
    assert "17 city north-20270115-00001 opened no answer: look there first" in listed
    assert said("resolve", "17", "taken", "--number", "CP-7").output == "noted: the platform has it\n"
    assert asked[-1] == (
        "POST",
        "/platforms/waiting/17/resolve",
        {"decision": "taken", "number": "CP-7", "note": ""},
    )
    assert said("resolve", "17", "again", env=CHINESE).output == "将重新发送\n"
    assert asked[-1][2]["decision"] == "send_again"
    said("resolve", "17", "perhaps", code=2)


def settings(folder: Path, mapping: str = MAPPING) -> str:
    """Write a centre's settings with a mapping file and a secret."""
    (folder / "collector.toml").write_text(SETTINGS)
    (folder / "city.toml").write_text(mapping)
    (folder / "secret").write_text("hush")
    (folder / "secret").chmod(0o600)
    return str(folder / "collector.toml")


def test_the_exact_request_of_a_case_is_printed_and_its_secret_is_not(
    asked: list[Any], tmp_path: Path
) -> None:
    """Nothing is sent: the platform of these settings is not even there."""
    told = said("try", "north-1", "--settings", settings(tmp_path)).output
    assert "# 1 opened -> city\nPOST http://127.0.0.1:1/api/cases/north-1\n" in told
    assert "Authorization: ********" in told
    assert '"category": "A1"' in told
    assert "hush" not in told
    [shown] = json.loads(said("try", "north-1", "--settings", settings(tmp_path), "--json").output)
    assert json.loads(shown["request"]["body"]) == {"category": "A1"}


def test_what_cannot_be_sent_is_told_beforehand(asked: list[Any], tmp_path: Path) -> None:
    """With the code that is missing."""
    file = settings(tmp_path, MAPPING.replace('"010201" = "A1"', '"0" = "A1"'))
    assert (
        "no code for '010201' in the table [codes.category]"
        in said("try", "x", "--settings", file, code=1).output
    )


def test_files_are_checked(tmp_path: Path) -> None:
    """A mapping file, or the settings that name it."""
    assert said("check", str(EXAMPLE)).output.endswith("sound (key, look-up, callbacks, poll)\n")
    file = settings(tmp_path)
    assert said("check", file, env=CHINESE).output.endswith("无误 (-)\n")
    (tmp_path / "city.toml").write_text(MAPPING.replace("{number}", "{nummer}"))
    told = json.loads(said("check", str(tmp_path / "city.toml"), "--json", code=1).output)
    assert not told["good"]
    assert told["problems"][0]["key"] == "messages.opened.path"
