"""``gengfu edge watch``: a real gateway process over a real pty, at a real terminal."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from edge.local import client
from edge.local.words import Lock
from gengfu.commands.edge import app
from tests.edge.visited import Visited, visited
from tests.gengfu.operators import CHINESE, ENGLISH


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visited]:
    """One gateway for all, which has polled everybody."""
    with visited(tmp_path_factory.mktemp("watched")) as site:
        site.until_polled()
        yield site


def run(site: Visited, *words: str, env: dict[str, str] = ENGLISH) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["watch", "--settings", str(site.settings), *words], env=env)


def test_lines_devices_values_link_clock_and_settings_are_on_one_screen(site: Visited) -> None:
    """Within 80 columns, the silent device first."""
    result = run(site)
    assert result.exit_code == 0, result.output
    text = result.output
    for told in ("gateway gw-1", "clock synchronised", "edge.toml holds", "rs485-1:", "not connected"):
        assert told in text
    rows = [row.split()[0] for row in text.splitlines() if row.startswith(("absent", "station", "lamp"))]
    assert rows[0] == "absent"
    assert "pm10 100 ug/m3" in text
    assert "timeout (" in text
    assert max(map(len, text.splitlines()[-6:])) <= 80
    chinese = run(site, env=CHINESE).output
    assert "时钟已同步" in chinese
    assert "现用 edge.toml" in chinese


def test_of_one_device_every_value_has_its_quality_and_age(site: Visited) -> None:
    """And of one line only its devices; names that nobody has are told with the nearest."""
    text = run(site, "--device", "station").output
    assert "18.4 Cel" in text
    assert "good" in text
    assert "lamp" not in text
    told = json.loads(run(site, "--line", "rs485-1", "--json").output)
    assert told["devices_count"] == 4
    [station] = [it for it in told["devices"] if it["report"]["device"] == "station"]
    assert {it["point"]: it["value"] for it in station["values"]}["pm10"] == 100
    refused = run(site, "--device", "stations")
    assert (refused.exit_code, "write station" in refused.output) == (1, True)


def test_pages_have_every_device_once(site: Visited) -> None:
    """Worst first; behind the last there is nothing."""
    names = [it.report.device for skip in range(4) for it in site.page(skip=skip, count=1).devices]
    assert sorted(names) == ["absent", "lamp", "relays", "station"]
    assert names[0] == "absent"
    assert site.page(skip=4, count=10).devices == []


def test_what_is_locked_is_told(site: Visited) -> None:
    """With who did it; before that, nothing was to be told."""
    assert site.page().rules == []
    client.asked(site.state, Lock("relays/relay_1", "wang"))
    assert "wang" in run(site, "--once").output


def at_a_terminal(site: Visited, act: Callable[[int], object]) -> tuple[bytes, int]:
    """Watch at a terminal, act once it was drawn twice; return what was drawn, and the status."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "gengfu.main", "edge", "watch", "--settings", str(site.settings)]
    env = {**ENGLISH, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    told = b""
    while told.count(b"gateway gw-1") < 2 and select.select([master], [], [], 60)[0]:
        told += os.read(master, 4096)
    act(master)
    while select.select([master], [], [], 60)[0]:
        try:
            told += os.read(master, 4096)
        except OSError:
            break
    status = process.wait(60)
    os.close(master)
    return told, status


def test_at_a_terminal_it_goes_on_until_q(site: Visited) -> None:
    """The screen is given back."""
    told, status = at_a_terminal(site, lambda master: os.write(master, b"q"))
    assert status == 0
    assert told.count(b"gateway gw-1") >= 2
    assert b"q leave" in told
    assert b"\x1b[?1049l" in told


def test_where_the_gateway_ends_it_says_so_when_the_screen_is_given_back(site: Visited) -> None:
    """Not on the screen that goes away; it is the last of these tests, for it ends the gateway."""
    told, status = at_a_terminal(site, lambda _: site.gateway.end())
    assert status == 1
    _, _, after = told.partition(b"\x1b[?1049l")
    assert b"gateway.sock" in after or b"ended before it answered" in after
