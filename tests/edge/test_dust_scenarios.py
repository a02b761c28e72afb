"""The dust spray through the scenarios of a file: every event in its order, on virtual time."""

import asyncio
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from contract.events import ControlAction, ControlChanged
from edge.gateway import Gateway
from tests.edge.test_dust_rule import MINUTE_S, changed_site, told
from tests.edge.virtual_gateway import VirtualSite

FILE = Path(__file__).parent.parent / "scenarios" / "dust_control.toml"
SCENARIOS: list[dict[str, Any]] = tomllib.loads(FILE.read_text())["scenarios"]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each["name"] for each in SCENARIOS])
def test_the_events_are_those_of_the_scenario(scenario: dict[str, Any], tmp_path: Path) -> None:
    """No more, no fewer; each run has one cause, is read back, and moves the valve."""

    async def happens(site: VirtualSite, _: Gateway) -> None:
        for at_min, what, value in scenario.get("happens", []):
            await _until(at_min)
            if what == "alive":
                site.cabinet.buses["rs485-1"].set_alive("station", alive=bool(value))
            else:
                site.station.set_values({what: value})
        await _until(scenario["minutes"])

    site = changed_site(tmp_path, *(text for pair in scenario.get("changes", []) for text in pair))
    site.run(happens)
    history = told(site)
    if history[-1][2] == "the gateway is stopping":
        history.pop()
    expected = scenario["expected"]
    assert [action for _, action, _ in history] == [action for _, _, action, _ in expected]
    for (minute, _, reason), (earliest, latest, _, says) in zip(history, expected, strict=True):
        assert earliest <= minute <= latest
        assert says in reason
    _each_is_read_back([event for event in site.events() if isinstance(event, ControlChanged)])


def _each_is_read_back(events: list[ControlChanged]) -> None:
    """Whatever is sent is read back next, under the cause of its run."""
    moves = (ControlAction.STARTED, ControlAction.STOPPED)
    for event, following in pairwise(events):
        if event.action in moves:
            rest = [each for each in events[events.index(event) :] if each.action is ControlAction.SWITCHED]
            assert rest[0].cause == event.cause
            assert (rest[0].sent, rest[0].read_back) == (event.sent, event.sent)
            assert following.cause in (event.cause, "")


async def _until(minute: float) -> None:
    await asyncio.sleep(max(0.0, minute * MINUTE_S - asyncio.get_running_loop().time()))
