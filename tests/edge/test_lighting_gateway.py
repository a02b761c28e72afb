"""A whole gateway before the shipped lighting cabinet: by day lamps are unpowered, by night they are read."""

import asyncio
from pathlib import Path

import pytest

from contract.samples import Quality, Sample
from edge.gateway import Gateway
from edge.rules.effects import Switch, Write
from edge.settings import Ref
from simulators import cabinet_file
from tests.edge.virtual_gateway import START_MS, VirtualSite

LAMPS = [f"lamp-{unit_id}" for unit_id in range(11, 19)]
NORTH, SOUTH = LAMPS[:4], LAMPS[4:]
HEAD = """
schema = 1
district = "north"
gateway = "lighting-1"
[broker]
host = "127.0.0.1"
[[lines]]
kind = "serial"
name = "rs485-1"
port = "/dev/null"
baud = 9600
"""


def device(name: str, unit_id: int, profile: str, *more: str) -> str:
    """Return a device's table."""
    own = [f'name = "{name}"', 'line = "rs485-1"', f"unit_id = {unit_id}", f'profile = "{profile}"']
    return "\n".join(["[[devices]]", *own, *more, ""])


@pytest.fixture
def site(tmp_path: Path) -> VirtualSite:
    """The shipped cabinet; each lamp's feeder is the feedback of its contactor."""
    settings = tmp_path / "gateway.toml"
    lamps = [
        device(name, 11 + index, "street_lamp_controller", f'feeder = "inputs/input_{3 if index < 4 else 5}"')
        for index, name in enumerate(LAMPS)
    ]
    others = [
        device("relays", 1, "waveshare_relay_8"),
        device("inputs", 2, "waveshare_io_8", "interval_s = 1"),
        device("meter", 3, "sdm630"),
        device("light", 4, "sen0644"),
    ]
    settings.write_text(HEAD + "".join([*others, *lamps]))
    return VirtualSite(settings, cabinet_file.SHIPPED / "lighting.toml", tmp_path)


def of(site: VirtualSite, names: list[str], from_s: float, to_s: float) -> list[Sample]:
    """Return what was told of these devices in a time."""
    begin_ms, end_ms = START_MS + from_s * 1000, START_MS + to_s * 1000
    return [each for each in site.samples() if each.device in names and begin_ms <= each.time_ms < end_ms]


def last(samples: list[Sample], point: str) -> dict[str, object]:
    """Return the last value of a point, by device."""
    return {each.device: each.value for each in samples if each.point == point}


def test_a_night_in_short(site: VirtualSite) -> None:
    """Dark, lit, dimmed, one failed, dark again: what is unpowered is never bad, and the meter agrees."""

    async def night(site: VirtualSite, gateway: Gateway) -> None:
        poller = gateway.poller_of_line["rs485-1"]
        await asyncio.sleep(30)
        for relay in ("relay_1", "relay_2"):
            assert await poller.switch(Switch(Ref("relays", relay), on=True)) == ""
        await asyncio.sleep(30)
        assert await poller.broadcast("target_light_command", 60, "street_lamp_controller") == ""
        gateway._do([Write(Ref("lamp-11", "target_light_command"), 20)])
        await asyncio.sleep(40)
        assert await poller.switch(Switch(Ref("relays", "relay_1"), on=False)) == ""
        await asyncio.sleep(30)

    site.run(night)
    assert {each.quality for each in of(site, LAMPS, 10, 30)} == {Quality.UNPOWERED}
    lit = of(site, LAMPS, 40, 60)
    assert {each.quality for each in lit} == {Quality.GOOD}
    assert last(lit, "actual_light_state") == dict.fromkeys(LAMPS, 100)
    dimmed = of(site, LAMPS, 80, 100)
    levels = dict.fromkeys(LAMPS, 60) | {"lamp-11": 20, "lamp-14": 0}  # lamp 14 fails in the story
    assert last(dimmed, "actual_light_state") == levels
    assert [name for name, value in last(dimmed, "lamp_failure").items() if value] == ["lamp-14"]
    watts = [value for value in last(dimmed, "active_power").values() if isinstance(value, float)]
    power = last(of(site, ["meter"], 80, 100), "power")["meter"]
    assert power == pytest.approx(sum(watts), rel=0.001)
    assert {each.quality for each in of(site, NORTH, 115, 130)} == {Quality.UNPOWERED}
    assert last(of(site, SOUTH, 115, 130), "actual_light_state") == dict.fromkeys(SOUTH, 60)
    assert last(of(site, ["light"], 0, 130), "illuminance")["light"] == 0.001
