"""An event period from a person's terminal to a rule, and planned work from the cabinet to the centre."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.desired_site import Site
from tests.whole.test_commands import OURS, RULES, at_cabinet

PERIOD = RULES + 'enabled_when = [{ period = "flood-watch" }]\n'


def periods(site: Site, *words: str) -> str:
    """Run ``gengfu periods`` and return what it says."""
    command = [sys.executable, "-m", "gengfu.main", "periods", *words, "--url", site.url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def explained(site: Site, waits_for: str) -> str:
    """Return why the alarm is as it is, once that says something."""
    until_s = time.monotonic() + 30
    while waits_for not in (said := at_cabinet(site, "explain", "low-pressure").stdout):
        assert time.monotonic() < until_s, said
    return said


def test_a_period_enables_an_alarm_while_it_holds_also_after_a_kill(tmp_path: Path) -> None:
    """The gateway keeps the document; planned work at the cabinet is an event at the centre."""
    site = Site(tmp_path, {OURS: ""})
    with (tmp_path / f"{OURS}.toml").open("a") as file:
        file.write(PERIOD)
    with site.running():
        asyncio.run(site.known())
        explained(site, "not enabled: flood-watch does not hold")
        periods(site, "hold", "flood-watch", "--for", "6h", "--gateway", OURS)
        explained(site, "enabled by flood-watch")
        site.children[OURS].kill()
        site.children[OURS].start()
        explained(site, "enabled by flood-watch")
        assert "flood-watch" in periods(site, "list", OURS)
        periods(site, "end", "flood-watch", "--gateway", OURS)
        explained(site, "not enabled")
        assert "planned work until" in at_cabinet(site, "maintenance", "meter", "--until", "+1h").stdout
        assert "planned work on meter" in explained(site, "planned work")
        assert "there is nothing to reset" in at_cabinet(site, "reset", "low-pressure").stderr
        until_s = time.monotonic() + 30
        kinds: list[str] = []
        while "maintenance_changed" not in kinds and time.monotonic() < until_s:
            with contextlib.closing(sqlite3.connect(site.folder / "centre" / "collector.db")) as state:
                kinds = [kind for (kind,) in state.execute("SELECT kind FROM events")]
        assert "maintenance_changed" in kinds
        assert site.fallen == []
