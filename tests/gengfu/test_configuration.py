"""``gengfu configuration`` and ``gengfu edge configuration`` at a terminal, in both languages."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from collector import key_file
from collector.service import Collector
from contract.desired import Outcome
from edge.desired.held import Held
from gengfu.commands import configuration, edge
from tests.collector.making import Clock, given, greeting, hello, settings, standing
from tests.edge.configuration.making import settings_document, text
from tests.edge.configuration.test_choosing import kept
from tests.gengfu.operators import CHINESE, ENGLISH


@contextmanager
def centre(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Open a centre that knows two gateways, and let the command ask it."""
    clock, loaded = Clock(), settings(folder)
    key_file.make(loaded.data_folder)
    with standing(loaded, clock) as collector:
        for name in ("gw-1", "gw-2"):
            given(collector, [hello(greeting(1, 1, gateway=name), gateway=name, at_ms=clock.now_ms)])

        def request(method: str, url: str, **more: Any) -> httpx.Response:
            more = {name: told for name, told in more.items() if name not in ("timeout", "verify")}

            async def send() -> httpx.Response:
                transport = httpx.ASGITransport(collector.app)
                async with httpx.AsyncClient(transport=transport) as client:
                    return await client.request(method, url, **more)

            return asyncio.run(send())

        monkeypatch.setattr(httpx, "request", request)
        yield collector


def types(*words: str, env: dict[str, str] = ENGLISH, code: int = 0, app: Any = configuration.app) -> Result:
    """Run the command; nothing that it prints is wider than the terminal."""
    result = CliRunner().invoke(app, list(words), env=env | {"COLUMNS": "80"})
    assert result.exit_code == code, result.output
    return result


def test_settings_are_pushed_in_waves_and_looked_at_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file names its gateway; a rollout is named by the first letters of its id."""
    folder = tmp_path / "fleet"
    folder.mkdir()
    for name in ("gw-1", "gw-2"):
        (folder / f"{name}.toml").write_text(text(gateway=name))
    with centre(tmp_path, monkeypatch):
        begun = json.loads(types("push", str(folder), "--wait", "0s", "--note", "winter", "--json").stdout)
        shown = types("show", begun["id"][:6]).stdout
        assert f"rollout {begun['id'][:8]}, running: in force at 0 of 2" in shown
        assert [line.split()[:2] for line in shown.splitlines()[2:]] == [["gw-1", "1"], ["gw-2", "2"]]
        assert "winter" in types("list").stdout
        assert "gw-1" in types("status").stdout
        stopped = types("stop", begun["id"][:6], env=CHINESE).stdout
        assert "已停止" in stopped
        assert "停止原因" in stopped
        told = types("stop", begun["id"][:6], code=1)
        assert "does not run any more" in told.stderr


@pytest.mark.parametrize(
    ("bodies", "options", "code", "words"),
    [
        (["district = 1"], [], 1, "gateway: is missing"),
        ([text(), text()], [], 1, "gw-1 has a.toml already"),
        (["gateway = "], [], 1, "a.toml:1"),
        ([text(gateway="gw-9")], [], 1, "not known here: gw-9"),
        ([text()], ["--waves", "x"], 2, "no list of numbers"),
    ],
)
def test_what_cannot_be_pushed_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bodies: list[str],
    options: list[str],
    code: int,
    words: str,
) -> None:
    """With the file, and what to do."""
    for name, body in zip("ab", bodies, strict=False):
        (tmp_path / f"{name}.toml").write_text(body)
    files = [str(tmp_path / f"{name}.toml") for name, _ in zip("ab", bodies, strict=False)]
    with centre(tmp_path / "centre", monkeypatch):
        result = CliRunner().invoke(configuration.app, ["push", *files, *options], env=ENGLISH)
    assert result.exit_code == code
    assert words in result.output + str(result.exception)


@pytest.mark.parametrize(
    ("held", "english", "chinese"),
    [
        (Held(), "gateway.toml holds", "现用 gateway.toml"),
        (
            Held().taken(settings_document(3)).begun().done(),
            "configuration 3 of the centre holds, in place of gateway.toml",
            "现用中心下发的配置 3",
        ),
        (Held().taken(settings_document(4)).begun().begun(), "is on trial, started 1 times", "试运行中"),
        (Held().taken(settings_document(5)), "configuration 5 waits to be tried", "等待试运行"),
        (
            Held().taken(settings_document(6)).begun().gone(Outcome.ROLLED_BACK),
            "the last that came is configuration 6: rolled back",
            "已回退",
        ),
    ],
)
def test_a_gateway_says_which_settings_hold(tmp_path: Path, held: Held, english: str, chinese: str) -> None:
    """And prints them."""
    file = kept(tmp_path, held)
    words = ("configuration", "--settings", str(file))
    assert english in types(*words, app=edge.app).stdout
    assert chinese in types(*words, app=edge.app, env=CHINESE).stdout
    printed = types(*words, "--print", app=edge.app).stdout
    holds = (held.waiting if held.tries else None) or held.current
    assert printed == (holds.desired.body if holds else file.read_text())
    json.loads(types(*words, "--json", app=edge.app).stdout)


def test_a_file_that_was_changed_since_is_told(tmp_path: Path) -> None:
    """It holds from the next start on."""
    file = kept(tmp_path, Held().taken(settings_document(3)).begun().done())
    file.write_text(text("by hand"))
    told = types("configuration", "--settings", str(file), app=edge.app).stdout
    assert "gateway.toml was changed since that came" in told
