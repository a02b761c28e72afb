"""``gengfu cases`` as people read it, against a centre: 80 columns, both languages, exit codes."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from collector.service import Collector
from contract.topics import Lane
from gengfu.commands.cases import app
from tests.collector.making import Clock, given, happened, projected, raised, settings, standing, up
from tests.gengfu.operators import CHINESE, ENGLISH

FIRST, SECOND = "north-20270115-00001", "north-20270115-00002"
COVERS = """[[case_classes]]
problem = "cover_open"
code = "010201"
title = { en = "Cover open", zh = "井盖开启" }
limit = { kind = "working_hours", amount = 4 }
limits = [{ area = "500103", from = "06-01", until = "09-30", kind = "urgent_hours", amount = 1 }]
closes_by_itself = true
"""


@contextmanager
def centre(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Open a centre with two cases, and let the command ask it."""
    clock = Clock()
    with standing(settings(folder), clock) as collector:
        given(collector, [up(happened(1, raised(1), raised(2, part="", device="other")), lane=Lane.EVENTS)])
        asyncio.run(projected(collector))

        def request(method: str, url: str, **more: Any) -> httpx.Response:
            more = {name: told for name, told in more.items() if name not in ("timeout", "verify")}

            async def send() -> httpx.Response:
                transport = httpx.ASGITransport(collector.app)
                async with httpx.AsyncClient(transport=transport) as client:
                    return await client.request(method, url, **more)

            return asyncio.run(send())

        monkeypatch.setattr(httpx, "request", request)
        yield collector


def types(*words: str, env: dict[str, str] = ENGLISH, code: int = 0) -> Result:
    """Run the command; nothing that it prints is wider than the terminal."""
    result = CliRunner().invoke(app, list(words), env=env | {"COLUMNS": "80"})
    assert result.exit_code == code, result.output
    return result


def test_a_case_is_led_to_its_end_at_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its number; each answer is its life, and the list knows where it stands."""
    with centre(tmp_path, monkeypatch):
        listed = types("list").output
        assert (FIRST in listed, SECOND in listed, "Water main burst" in listed) == (True, True, True)
        types("file", FIRST)
        types("dispatch", FIRST, "--to", "crew")
        types("dispatch", FIRST, "--to", "second", "--note", "busy")
        types("extend", FIRST, "--ask", "--until", "+500000h", "--reason", "rain", code=1)
        types("take", FIRST)
        types("report", FIRST, "--note", "new pipe")
        types("rework", FIRST, "--reason", "still wet")
        types("take", FIRST)
        types("report", FIRST, "--note", "another new pipe")
        told = types("verify", FIRST).output
        assert "reworked 1, re-dispatched 1, extended 0" in told
        assert "1 alarms are active; if they still are at" in told
        assert "you may: evaluation" in told
        assert max(map(len, told.splitlines())) <= 300
        assert FIRST not in types("list").output
        assert FIRST in types("list", "--all").output
        assert FIRST in types("list", "--stage", "verified").output
        types("evaluate", FIRST)
        assert "案卷 north-20270115-00001，综合评价" in types("show", FIRST, env=CHINESE).output
        shown = json.loads(types("show", FIRST, "--json").output)
        assert [each["stage"] for each in shown["stages"]][-2:] == ["verified", "evaluated"]


def test_what_is_refused_ends_with_1_and_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the terminal's language."""
    with centre(tmp_path, monkeypatch):
        assert "a case that is collected allows no verification" in types("verify", FIRST, code=1).output
        assert "案卷处于“信息收集”，不能核实结案" in types("verify", FIRST, env=CHINESE, code=1).output
        assert "no case is called north-9" in types("show", "north-9", code=1).output
        assert "there is no case" in types("show", "e" * 32, code=1).output
        assert "is no time" in types("extend", FIRST, "--until", "soon", code=1).output
        types("void", FIRST, code=2)


def test_two_cases_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the other says into which."""
    with centre(tmp_path, monkeypatch):
        types("merge", SECOND, "--into", FIRST)
        assert "merged into" in types("show", SECOND).output
        assert "2 alarms, 2 active" in types("show", FIRST).output
        types("void", FIRST, "--reason", "nothing there")
        assert "no such cases" in types("list").output


def test_classes_and_rules_are_changed_from_files_and_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in a file is told with its line, and nothing of it is taken."""
    with centre(tmp_path, monkeypatch):
        covers = tmp_path / "covers.toml"
        covers.write_text(COVERS)
        told = types("classes", "--put", str(covers)).output
        assert re.search(r"cover_open +010201 +Cover open +4 working h +closed", told)
        assert "自动结案" in types("classes", env=CHINESE).output
        assert "cover_open" not in types("classes", "--remove", "cover_open").output
        covers.write_text(COVERS.replace('"urgent_hours"', '"hours"'))
        result = CliRunner().invoke(app, ["classes", "--put", str(covers)], env=ENGLISH)
        assert (result.exit_code, "kind" in str(result.exception)) == (1, True)
        added = types("no-collection", "add", "--until", "+9999d", "--reason", "works", "--json").output
        rule = json.loads(added)["id"]
        assert "works" in types("no-collection", "list").output
        assert "ended" in types("no-collection", "end", rule[:8]).output
        assert "0 rules begin with" in types("no-collection", "end", "x", code=1).output
