"""Commands from a person's terminal to a gateway's rules and back: real centre, broker and processes."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.faults.desired_site import Site

OURS = "gw-1"
RULES = """
[[alarms]]
name = "low-pressure"
points = ["meter/pressure"]
low = 140
stale_s = 300
problem = "none"
message = "Pressure is too low"
"""


def told(site: Site, *words: str) -> dict[str, Any]:
    """Run ``gengfu command`` and return what it says."""
    command = [sys.executable, "-m", "gengfu.main", "command", *words, "--url", site.url, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def at_cabinet(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``gengfu edge`` at the gateway."""
    settings = str(site.folder / f"{OURS}.toml")
    command = [sys.executable, "-m", "gengfu.main", "edge", *words, "--settings", settings]
    environment = os.environ | {"LANG": "en_GB.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_a_command_is_answered_by_its_gateway_also_if_that_comes_late(tmp_path: Path) -> None:
    """A gateway that was killed gets what is still valid when it says hello, and nothing that is not."""
    site = Site(tmp_path, {OURS: ""})
    with (tmp_path / f"{OURS}.toml").open("a") as file:
        file.write(RULES)
    with site.running():
        asyncio.run(site.known())
        answer = told(site, "switch", OURS, "meter/valve", "on", "--for", "10min", "--wait", "60s")
        assert (answer["state"], answer["refusal"]) == ("refused", "not_allowed")
        assert "there is no output" in answer["reason"]
        site.children[OURS].kill()
        waiting = told(site, "reset", OURS, "high-pressure", "--valid", "300s", "--wait", "1s")
        gone = told(site, "reset", OURS, "low-pressure", "--valid", "1s", "--wait", "1s")
        assert (waiting["state"], waiting["answered_ms"]) == ("published", None)
        site.children[OURS].start()
        states: dict[str, str] = {}
        until_s = time.monotonic() + 60
        while states.get(waiting["id"]) != "refused" and time.monotonic() < until_s:
            command = [
                sys.executable,
                "-m",
                "gengfu.main",
                "command",
                "list",
                OURS,
                "--url",
                site.url,
                "--json",
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
            states = {each["id"]: each["state"] for each in json.loads(done.stdout)}
        assert (states[waiting["id"]], states[gone["id"]]) == ("refused", "expired")
        assert site.fallen == []


def test_people_at_the_cabinet_ask_the_running_gateway(tmp_path: Path) -> None:
    """Names are looked up; a killed gateway's socket is told as such, and replaced by the next one."""
    site = Site(tmp_path, {OURS: ""})
    with (tmp_path / f"{OURS}.toml").open("a") as file:
        file.write(RULES)
    with site.running():
        refused = at_cabinet(site, "reset", "low-presure")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "write low-pressure" in refused.stderr
        site.children[OURS].kill()
        assert "was killed" in at_cabinet(site, "reset", "low-pressure").stderr
        site.children[OURS].start()
        assert "write low-pressure" in at_cabinet(site, "reset", "low-presure").stderr
    assert not (tmp_path / OURS / "gateway.sock").exists()
