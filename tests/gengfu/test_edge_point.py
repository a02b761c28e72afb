"""``gengfu edge read`` and ``write``: a real gateway process, a real pty, a relay board behind it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contract.events import PointWritten, WriteOutcome
from edge.local import client
from edge.local.words import Lock, ReadPoint, Refused
from gengfu.commands.edge import app
from tests.edge.visited import Visited, visited
from tests.gengfu.operators import CHINESE, ENGLISH


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visited]:
    """One gateway for all."""
    with visited(tmp_path_factory.mktemp("visited")) as site:
        yield site


def run(site: Visited, *words: str, env: dict[str, str] = ENGLISH) -> Result:
    """Run a command."""
    return CliRunner().invoke(app, [words[0], "--settings", str(site.settings), *words[1:]], env=env)


def told(site: Visited, *words: str) -> dict[str, object]:
    """Run a command, and return what it says as JSON."""
    result = run(site, *words, "--json")
    data: dict[str, object] = json.loads(result.stdout)
    return data


def test_a_point_is_read_now_with_its_registers_and_how_long_that_took(site: Visited) -> None:
    """Also one that is not polled; value, unit, quality."""
    data = told(site, "read", "station/wind_speed")
    assert (data["value"], data["unit"], data["quality"]) == (2.1, "m/s", "good")
    assert data["requests"] == 1
    assert data["answer_s"]
    assert [each["word"] for each in data["registers"]] == [21]  # type: ignore[attr-defined]
    text = run(site, "read", "station/temperature").output
    assert text.startswith("station/temperature: 18.4 Cel, good\n")
    assert "answered in" in text
    assert "良好" in run(site, "read", "station/temperature", env=CHINESE).output


def test_what_is_read_is_what_the_device_says_now(site: Visited) -> None:
    """No value of the last polling: it is changed right before, between two polls."""
    lamp = site.cabinet.cabinet.devices["lamp"]
    for level in (41, 42, 43):
        lamp.write("holding_register", 0x5001, [level], 0)
        assert told(site, "read", "lamp/default_light_state")["value"] == level


def test_a_silent_device_is_told_with_the_reason(site: Visited) -> None:
    """And the command ends with 1."""
    result = run(site, "read", "absent/default_light_state")
    assert result.exit_code == 1
    assert "no value, bad (timeout)" in result.output
    assert "no answer within" in result.output


def test_a_written_point_is_read_back_and_was_on_record_before(site: Visited) -> None:
    """In words, what it was before included."""
    before = told(site, "read", "lamp/default_light_state")["value"]
    result = run(site, "write", "lamp/default_light_state", "55", "--who", "li")
    assert result.exit_code == 0, result.output
    assert result.output == (
        f"lamp/default_light_state: 55 % written, reads back 55 %; it was {before} %\n  on record\n"
    )
    assert told(site, "read", "lamp/default_light_state")["value"] == 55
    assert "已写入 开，读回 开" in run(site, "write", "relays/relay_3", "on", env=CHINESE).output
    assert site.is_on("relay_3")
    assert told(site, "write", "relays/relay_3", "0")["read_back"] is False
    assert not site.is_on("relay_3")


@pytest.mark.parametrize(
    ("words", "english", "chinese"),
    [
        (("station/pm10", "1"), "does not call it writable", "不可写"),
        (("relays/relay_1", "on"), "spray has relays/relay_1; use `gengfu edge manual`", "归 spray 所有"),
        (("lamp/target_light_command", "5"), "corner has lamp/target_light_command", "归 corner 所有"),
        (("lamp/default_light_state", "101"), "0 to 100 % fit", "超出"),
        (("lamp/default_light_state", "on"), "takes a number", "数值"),
        (("relays/relay_3", "7"), "is a switch", "开关量"),
        (("relays/relay_33", "on"), "write relays/relay_3", "请写"),
        (("relais/relay_3", "on"), "no device 'relais'", "设备"),
        (("absent/default_light_state", "5"), "does not answer (timeout)", "无应答"),
        (("relays/relay_3", "perhaps"), "is no value", "不是值"),
        (("relays/relay_3", "nan"), "is no value", "不是值"),
    ],
)
def test_what_may_not_be_written_is_refused_with_what_to_do(
    site: Visited, words: tuple[str, str], english: str, chinese: str
) -> None:
    """In both languages; nothing is sent."""
    refused = run(site, "write", *words)
    assert refused.exit_code == 1
    assert english in refused.output
    assert chinese in run(site, "write", *words, env=CHINESE).output


def test_a_locked_output_stays_as_it_is(site: Visited) -> None:
    """Who has locked it is told."""
    client.asked(site.state, Lock("relays/relay_1", "wang"))
    refused = run(site, "write", "relays/relay_1", "on")
    assert (refused.exit_code, "locked for maintenance by wang" in refused.output) == (1, True)
    assert not site.is_on("relay_1")


def test_the_socket_says_the_like_to_any_client(site: Visited) -> None:
    """Streamed, one line."""
    [refused] = client.streamed(site.state, ReadPoint("nobody/here"))
    assert isinstance(refused, Refused)


def test_each_writing_is_on_record_begun_and_ended_under_one_cause(tmp_path: Path) -> None:
    """With who, what it was, and what it reads; a refused one is not."""
    with visited(tmp_path) as site:
        run(site, "write", "lamp/default_light_state", "55", "--who", "li")
        run(site, "write", "lamp/default_light_state", "200", "--who", "li")
        site.gateway.end()
        begun, done = [each for each in site.events() if isinstance(each, PointWritten)]
    assert (begun.outcome, begun.read_back, begun.former) == (WriteOutcome.BEGUN, None, 40)
    assert (done.outcome, done.read_back, done.former, done.value) == (WriteOutcome.DONE, 55, 40, 55)
    assert begun.cause == done.cause
    assert done.who.startswith("li")
    assert (done.device, done.point) == ("lamp", "default_light_state")
