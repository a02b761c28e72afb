"""``gengfu edge report``: a real gateway, a real pty; one page and its JSON, whatever is not well."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gengfu import report_page
from gengfu.commands.edge import app
from tests.edge.visited import SETTINGS, Visited, visited
from tests.gengfu.operators import CHINESE, ENGLISH

SILENT = SETTINGS[SETTINGS.index('[[devices]]\nname = "absent"') : SETTINGS.index("[[alarms]]")]
WITHOUT_SILENT = SETTINGS.replace(SILENT, "")
"""To examine a line on which somebody is silent takes most of a minute."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visited]:
    """One gateway for all."""
    with visited(tmp_path_factory.mktemp("reported"), WITHOUT_SILENT) as site:
        site.until_polled()
        yield site


class Elements(HTMLParser):
    """Notes what stands open, and everything that leads away from the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.away: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in ("meta", "br") else [tag]
        self.away += [each for each in attrs if each[0] in ("src", "href", "action")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def written(site: Visited, name: str, *words: str, env: dict[str, str] = ENGLISH) -> tuple[str, Any, str]:
    """Write a report; return the page, its data and what was said."""
    file = site.folder / f"{name}.html"
    arguments = ["report", "--technician", "Li <Lei>", "--settings", str(site.settings), "-o", str(file)]
    result = CliRunner().invoke(app, [*arguments, *words], env=env)
    assert result.exit_code == 0, result.output
    return file.read_text(), json.loads(file.with_suffix(".json").read_text()), result.output


def test_every_device_with_its_values_and_who_signs_is_on_a_page_that_needs_nothing_else(
    site: Visited,
) -> None:
    """Names are text and no markup; devices are asked what they are."""
    page, told, said = written(site, "whole")
    parser = Elements()
    parser.feed(page)
    assert (parser.open, parser.away) == ([], [])
    assert "http" not in page.replace("http-equiv", "")
    assert "Li &lt;Lei&gt;" in page
    assert [it["device"] for it in told["devices"]] == ["station", "relays", "lamp"]
    values = {it["point"]: it for it in told["devices"][0]["values"]}
    assert (values["temperature"]["value"], values["temperature"]["quality"]) == (18.4, "good")
    assert "18.4 Cel" in page
    assert told["devices"][0]["identified"]["best"] in ("", "renke_dust")
    assert re.fullmatch("[0-9a-f]{64}", told["settings"]["digest"])
    what = {it["what"] for it in told["not_well"]}
    assert {"not_connected", "not_enrolled"} <= what
    assert "not well" in said


def test_what_is_wrong_with_a_line_is_told_with_the_doctor_s_word(tmp_path: Path) -> None:
    """And a device that is silent in one line, however many values it has."""
    site = Visited(tmp_path)
    _, told, _ = written(site, "facts", "--as-it-is")
    causes = [{"cause": "no_power_or_cut", "units": [9], "weight": 3.0}]
    told["doctor"] = [{"line": "rs485-1", "clear": True, "causes": causes}]
    silent = {
        "point": "level",
        "value": None,
        "unit": "%",
        "quality": "bad",
        "error": "timeout",
        "time_ms": 1,
    }
    told["devices"][3] |= {"values": [silent, silent], "values_count": 2, "state": "dead"}
    page = report_page.page(told, "en")
    assert "no power, a cut wire, or the wrong port (units 9)" in page
    assert "none of 2 values: timeout" in page
    assert "可能原因" in report_page.page(told, "zh")


def test_the_page_is_in_the_language_that_is_asked_for(site: Visited) -> None:
    """By the terminal, or by name; the data is the same. What is known already is asked of nobody."""
    page, told, said = written(site, "zh", "--as-it-is", env=CHINESE)
    assert "调试验收报告" in page
    assert '<html lang="zh-CN">' in page
    assert "网关未登记" in page
    assert "已写入" in said
    assert told["doctor"] == []
    assert {it["identified"] for it in told["devices"]} == {None}
    english, _, _ = written(site, "en", "--as-it-is", "--language", "en", env=CHINESE)
    assert "Commissioning report" in english


def test_without_a_gateway_and_with_mistakes_it_is_written_all_the_same(tmp_path: Path) -> None:
    """What is not well is said."""
    site = Visited(tmp_path)
    page, told, _ = written(site, "stopped")
    assert {it["what"] for it in told["not_well"]} >= {"not_running", "not_enrolled"}
    assert "No gateway answers" in page
    site.settings.write_text("schema = 1\n")
    page, told, _ = written(site, "broken")
    assert {it["what"] for it in told["not_well"]} == {"settings"}
    assert "The settings have a mistake" in page


def test_a_report_replaces_none_unless_it_is_told_to(tmp_path: Path) -> None:
    """What was signed stays."""
    site = Visited(tmp_path)
    written(site, "once", "--as-it-is")
    words = ["report", "--technician", "li", "--settings", str(site.settings), "--as-it-is"]
    again = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "once.html")], env=ENGLISH)
    assert (again.exit_code, "is there already" in again.output) == (1, True)
    written(site, "once", "--as-it-is", "--replace")


def test_every_text_is_in_both_languages() -> None:
    """With the same places to be filled in."""
    for english, chinese in [*report_page.TEXTS.values(), *report_page.NOT_WELL.values()]:
        assert sorted(re.findall(r"\{\d\}", english)) == sorted(re.findall(r"\{\d\}", chinese))
