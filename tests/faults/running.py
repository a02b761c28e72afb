"""Runs campaigns one by one, each in a process group of its own and for so long at most.

One that fails, hangs or ends without its line of JSON is named; the others run all the same.
"""

import contextlib
import json
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gengfu.demo.processes import die_with_parent

TOLD_BYTES_MAX = 16 * 1024 * 1024
"""Of what a campaign prints, its end."""
CLEANING_S_MAX = 15.0
"""So long one that was interrupted may take to end its own processes and remove its files."""


@dataclass(frozen=True)
class Campaign:
    """A module, what it shows, what it is told for the whole and for a short look, and its minutes."""

    module: str
    shows: str
    long: list[str] = field(default_factory=list)
    short: list[str] = field(default_factory=list)
    minutes: float = 1
    """Expected, on two cores."""
    minutes_max: float = 10
    package: str = "tests.faults"

    def command(self, *, short: bool) -> list[str]:
        """Return how it is started."""
        given = self.short if short else self.long
        return [sys.executable, "-m", f"{self.package}.{self.module}", *given]


@dataclass
class Ended:
    """What became of one; ``failure`` is empty where all is as it must be."""

    failure: str
    figures: dict[str, Any]
    conditions: dict[str, Any]
    took_s: float


def run(campaign: Campaign, *, short: bool) -> Ended:
    """Run one to its end or for ``minutes_max``; print its table, pass on its standard error."""
    began_s = time.monotonic()
    with tempfile.TemporaryFile() as output:  # a file: whoever outlives the campaign holds up no reader of it
        process = subprocess.Popen(
            campaign.command(short=short),
            stdin=subprocess.DEVNULL,
            stdout=output,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 # no other thread runs here
        )
        failure = ""
        try:
            if status := process.wait(campaign.minutes_max * 60):
                failure = f"ended with status {status}"
        except subprocess.TimeoutExpired:
            failure = f"was ended after {campaign.minutes_max:g} minutes"
        finally:
            _end(process)
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - TOLD_BYTES_MAX))
        lines = output.read().decode(errors="replace").splitlines()
    told = _told(lines[-1] if lines else "")
    for line in lines if told is None else lines[:-1]:
        print(line, flush=True)
    if told is None:
        failure = f"{failure or 'ended'}, without a line of JSON"
    figures, conditions = told or ({}, {})
    return Ended(failure, figures, conditions, time.monotonic() - began_s)


def run_all(campaigns: Iterable[Campaign], *, short: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run all of them; return their figures, and the conditions with who failed and why."""
    figures: dict[str, Any] = {}
    conditions: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "short": short,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "failed": [],
        "failures": {},
        "took_s": {},
        "campaigns": {},
    }
    for campaign in campaigns:
        name = campaign.module
        expected = "a short look" if short else f"about {campaign.minutes:g} minutes"
        _say(f"-- {name}: {expected}, {campaign.minutes_max:g} minutes at most")
        ended = run(campaign, short=short)
        _say(f"-- {name}: took {ended.took_s:.0f} s{', ' + ended.failure if ended.failure else ''}")
        figures |= ended.figures
        conditions["campaigns"][name] = ended.conditions
        conditions["took_s"][name] = round(ended.took_s)
        if ended.failure:
            conditions["failed"].append(name)
            conditions["failures"][name] = ended.failure
    conditions["seconds"] = sum(conditions["took_s"].values())
    return figures, conditions


def _told(line: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    try:
        told = json.loads(line)
        figures, conditions = told["figures"], told["conditions"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if isinstance(figures, dict) and isinstance(conditions, dict):
        return figures, conditions
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let it clean up if it still runs; then end whatever is left of its group."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(CLEANING_S_MAX)
    with contextlib.suppress(ProcessLookupError):  # nobody is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
