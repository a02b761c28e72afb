"""What outputs do is on disk before they do it, unless it takes too long; to stop, nothing waits for it."""

import asyncio
import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from contract.events import ControlAction, ControlChanged
from edge.gateway import Gateway
from edge.settings import EXAMPLE
from tests.edge.test_dust_rule import CABINET, MINUTE_S
from tests.edge.virtual_gateway import START_MS, VirtualSite

P = ParamSpec("P")
R = TypeVar("R")
LOOK_S = 0.05
LINE_S = 0.3
"""A transaction that is under way goes first, and so does the one that switches."""


class Disk:
    """A keeper whose disk takes ``takes_s`` for each call, hangs while it is ``hung``, or refuses."""

    def __init__(self, *, takes_s: float = 0.0, refuses: bool = False) -> None:
        """Begin at work."""
        self.takes_s, self.refuses = takes_s, refuses
        self.works = asyncio.Event()
        self.works.set()

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See Keeper.run."""
        if self.refuses and getattr(call, "__name__", "") == "commit":
            raise sqlite3.OperationalError(f"disk I/O error {errno.EIO}")
        await asyncio.sleep(self.takes_s)
        await self.works.wait()
        return call(*args, **kwargs)

    async def close(self) -> None:
        """See Keeper.close."""


def moved(site: VirtualSite, disk: Disk, *, hung: bool = False) -> list[tuple[ControlAction, float]]:
    """Return how long after each of its decisions the valve moved, by the events that arrived."""
    seen: list[tuple[float, bool]] = []

    async def watch(site: VirtualSite, gateway: Gateway) -> None:
        if hung:
            await asyncio.sleep(MINUTE_S)
            disk.works.clear()
        for _ in range(round(30 * MINUTE_S / LOOK_S)):
            await asyncio.sleep(LOOK_S)
            if not seen or seen[-1][1] != site.valve:
                seen.append((asyncio.get_running_loop().time(), site.valve))
        disk.works.set()
        disk.refuses = False
        await asyncio.sleep(MINUTE_S)

    site.keeper = disk
    site.run(watch)
    changes = seen[1:]
    decided = [
        ((event.time_ms - START_MS) / 1000, event.action)
        for event in site.events()
        if isinstance(event, ControlChanged)
        and event.action in (ControlAction.STARTED, ControlAction.STOPPED)
    ][: len(changes)]
    assert [on for _, on in changes] == [action is ControlAction.STARTED for _, action in decided]
    return [(action, at_s - told_s) for (at_s, _), (told_s, action) in zip(changes, decided, strict=True)]


@pytest.mark.parametrize(
    ("takes_s", "refuses", "hung", "least_s", "most_s"),
    [
        (0.0, False, False, 0.0, LINE_S),
        (0.5, False, False, 0.5, 0.5 + LINE_S),
        (0.0, True, False, 0.0, LINE_S),
        (0.0, False, True, 1.0, 1.0 + LINE_S),
    ],
)
def test_a_start_waits_for_its_record_and_for_a_hanging_disk_one_second(
    takes_s: float, refuses: bool, hung: bool, least_s: float, most_s: float, tmp_path: Path
) -> None:
    """One that refuses is not waited for; a stop waits for none. All is on record in the end."""
    found = moved(VirtualSite(EXAMPLE, CABINET, tmp_path), Disk(takes_s=takes_s, refuses=refuses), hung=hung)
    starts = [late_s for action, late_s in found if action is ControlAction.STARTED]
    stops = [late_s for action, late_s in found if action is ControlAction.STOPPED]
    assert starts
    assert stops
    assert least_s <= min(starts)
    assert max(starts) <= most_s + LOOK_S
    assert max(stops) <= LINE_S + LOOK_S


def declared(folder: Path, fail_state: str) -> Path:
    """Return the example settings with another fail state of the spray."""
    text = EXAMPLE.read_text().replace('fail_state = "off"\n', f'fail_state = "{fail_state}"\n')
    if fail_state != "off":
        for key in ("longest_run_s = 1800", "self_off_s = 60", "effect = {"):
            assert f"\n{key}" in text
            text = text.replace(f"\n{key}", f"\n# {key}")
    file = folder / "edge.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("fail_state", ["off", "on", "hold", "local"])
def test_a_start_that_waits_for_its_record_is_not_sent_to_what_was_locked_meanwhile(
    fail_state: str, tmp_path: Path
) -> None:
    """The disk hangs, the output is locked before its start was sent: it is never sent."""
    site = VirtualSite(declared(tmp_path, fail_state), CABINET, tmp_path)
    disk = site.keeper = Disk()
    opened: list[bool] = []

    async def lock_at_once(site: VirtualSite, gateway: Gateway) -> None:
        await asyncio.sleep(1)  # what fails on begins within its first minute
        disk.works.clear()
        while not gateway.engine.controls[0].running:
            await asyncio.sleep(LOOK_S)
        refusal, effects = gateway.engine.lock("relays/relay_1", "wang", gateway._clock.now())
        assert refusal == ""
        gateway._do(effects)
        for _ in range(200):
            await asyncio.sleep(LOOK_S)
            opened.append(site.valve)
        disk.works.set()
        await asyncio.sleep(MINUTE_S)

    site.run(lock_at_once)
    assert opened
    assert not any(opened)
