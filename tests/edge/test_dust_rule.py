"""The real dust rule, unshortened, as the example settings ship it: hours pass in seconds on virtual time."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from contract.events import AlarmCleared, AlarmRaised, ControlAction, ControlChanged
from edge.gateway import Gateway
from edge.settings import EXAMPLE
from tests.edge.virtual_gateway import START_MS, VirtualSite, after

CABINET = Path(__file__).parent.parent / "scenarios" / "dusty_morning.toml"
MINUTE_S = 60.0


@pytest.fixture
def site(tmp_path: Path) -> VirtualSite:
    """The example settings with the dusty morning."""
    return VirtualSite(EXAMPLE, CABINET, tmp_path)


def changed_site(folder: Path, *replacements: str) -> VirtualSite:
    """Return the site with a cabinet in which texts are replaced, given in pairs."""
    text = CABINET.read_text()
    for old, new in zip(replacements[::2], replacements[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    file = folder / "cabinet.toml"
    file.write_text(text)
    return VirtualSite(EXAMPLE, file, folder)


def running(gateway: Gateway) -> bool:
    """Say whether the dust spray's control has a run under way."""
    return gateway.engine.controls[0].running


def told(site: VirtualSite) -> list[tuple[float, ControlAction, str]]:
    """Return (minute, action, reason) of everything the dust spray did, but that the relay reads so."""
    return [
        (round((event.time_ms - START_MS) / 60_000, 2), event.action, event.reason)
        for event in site.events()
        if isinstance(event, ControlChanged) and event.action is not ControlAction.SWITCHED
    ]


def test_the_spray_starts_over_the_limit_and_stops_when_back_within_it(site: VirtualSite) -> None:
    """Five-minute mean over 150 starts it, under 120 for five minutes stops it; it rests ten minutes."""
    site.run(after(110 * MINUTE_S))
    history = told(site)
    actions = [action for _, action, _ in history]
    assert actions[:2] == [ControlAction.STARTED, ControlAction.STOPPED]
    assert set(actions) == {ControlAction.STARTED, ControlAction.STOPPED}
    assert all(now != following for now, following in pairwise(actions))
    started, stopped = history[0][0], history[1][0]
    assert 11 < started < 14  # works began at minute 10; the mean needs its time
    assert "mean of 300 s" in history[0][2]
    assert "> 150" in history[0][2]
    assert "< 120 for 300 s" in history[1][2]
    assert stopped - started > 5  # never before the lower limit was held for five minutes
    rests = [
        later - earlier
        for (earlier, action, _), (later, _, _) in pairwise(history)
        if action is ControlAction.STOPPED
    ]
    assert rests
    assert min(rests) >= 10
    assert not any(isinstance(event, AlarmRaised) for event in site.events())
    assert site.wire.silence_violations == 0


def test_the_relay_is_read_back_and_the_board_agrees(site: VirtualSite) -> None:
    """While a run is on, the board's own relay is closed and the samples say so; afterwards it is open."""
    seen: list[tuple[bool, bool]] = []

    async def watch(site: VirtualSite, gateway: Gateway) -> None:
        for _ in range(40 * 60):
            await asyncio.sleep(1)
            seen.append((running(gateway), site.valve))

    site.run(watch)
    agreed = sum(running == valve for running, valve in seen)
    assert any(valve for _, valve in seen)
    assert agreed >= len(seen) - 4  # a command may be under way in the second that is looked at
    values = {sample.value for sample in site.samples() if sample.point == "relay_1"}
    assert values == {True, False}


def test_a_run_ends_at_its_longest_and_two_without_effect_lock_it_out(tmp_path: Path) -> None:
    """Dry nozzle: the dust does not fall, so it runs twice for 30 minutes and gives up, with an alarm."""
    site = changed_site(tmp_path, "spray_leaves = 0.1", "spray_leaves = 1", "at_s = 6000", "at_s = 20000")

    site.run(after(130 * MINUTE_S))
    history = told(site)
    runs = [
        (start, end)
        for (start, action, _), (end, _, _) in pairwise(history)
        if action is ControlAction.STARTED
    ]
    assert [round(end - start) for start, end in runs] == [30, 30]
    assert history[-1][1] is ControlAction.LOCKED_OUT
    [alarm] = [event for event in site.events() if isinstance(event, AlarmRaised)]
    assert alarm.problem == "control_failed"
    assert "without effect" in alarm.message


@pytest.mark.parametrize(
    ("usual", "unusual", "reason"),
    [
        ("temperature = 18.4", "temperature = 1.5", "frost"),
        ("rise_s = 60", "rise_s = 60\nhumidity_percent = 97", "rain or fog"),
    ],
)
def test_frost_and_rain_keep_it_off(tmp_path: Path, usual: str, unusual: str, reason: str) -> None:
    """An inhibit is told once, names its value, and no relay moves."""
    site = changed_site(tmp_path, usual, unusual)
    site.run(after(30 * MINUTE_S))
    [(_, action, text)] = told(site)
    assert action is ControlAction.INHIBITED
    assert reason in text
    assert {sample.value for sample in site.samples() if sample.point == "relay_1"} == {False}


def test_a_lost_input_stops_a_run(site: VirtualSite) -> None:
    """Without good values for 30 seconds nobody knows whether to spray: the valve closes."""

    async def dies(site: VirtualSite, gateway: Gateway) -> None:
        while not running(gateway):
            await asyncio.sleep(1)
        site.cabinet.buses["rs485-1"].set_alive("station", alive=False)
        await asyncio.sleep(60)
        assert not running(gateway)
        assert not site.valve

    site.run(dies)
    assert "no good value" in told(site)[-1][2]


def test_a_stopping_gateway_closes_the_valve(site: VirtualSite) -> None:
    """An orderly stop in the middle of a run leaves the output in its declared state."""

    async def stop_in_a_run(site: VirtualSite, gateway: Gateway) -> None:
        while not site.valve:
            await asyncio.sleep(1)
        assert running(gateway)

    site.run(stop_in_a_run)
    assert told(site)[-1][1:] == (ControlAction.STOPPED, "the gateway is stopping")
    board = site.cabinet.devices["relays"]
    assert board.read("coil", 0, 1, 2 * 3600 * 10**9) == [0]


def test_without_the_gateway_the_board_closes_the_valve_by_itself(site: VirtualSite) -> None:
    """The device's own timer ends a run within its time when nothing is renewed any more."""
    closed: list[bool] = []

    async def gateway_dies(site: VirtualSite, gateway: Gateway) -> None:
        while not site.valve:
            await asyncio.sleep(1)
        for poller in gateway.pollers:
            poller.stop()  # nobody speaks on the line any more
        await asyncio.sleep(61)
        closed.append(not site.valve)

    site.run(gateway_dies)
    assert closed == [True]


def test_a_relay_that_does_not_follow_raises_an_alarm_that_clears_when_it_does(
    site: VirtualSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is what the output reads back, not what was commanded."""
    board = site.cabinet.devices["relays"]

    async def stuck(_site: VirtualSite, gateway: Gateway) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(board, "write_coil", lambda *_: None)  # takes the command, moves nothing
            while not running(gateway):
                await asyncio.sleep(1)
            await asyncio.sleep(30)
        await asyncio.sleep(30)

    site.run(stuck)
    alarms = [event for event in site.events() if isinstance(event, AlarmRaised | AlarmCleared)]
    assert [type(event) for event in alarms] == [AlarmRaised, AlarmCleared]
    assert alarms[0].id == alarms[1].id
    assert ControlAction.FAILED in [action for _, action, _ in told(site)]
