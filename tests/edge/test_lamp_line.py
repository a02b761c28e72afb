"""A poller before the shipped lighting cabinet: levels are written and proven, or broadcast and then read."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from contract.samples import ClockState, Measured, Sample, Value, spread
from device_profiles import catalogue
from device_profiles.schema import Table
from edge.clock import Moment
from edge.drivers.modbus import Device, ModbusDevice
from edge.drivers.modbus_pdu import ModbusError
from edge.drivers.modbus_writes import broadcast
from edge.lines.line import Line
from edge.lines.port import SerialSettings
from edge.lines.serial_port import SerialLine
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from edge.polling import LinePoller, Polled, Stamps
from edge.rules.effects import Switch, Write
from edge.settings import Ref
from simulators import cabinet_file
from simulators.cabinet import Cabinet
from simulators.devices import ProfileDevice
from simulators.running import RunningCabinet
from simulators.virtual_loop import run_virtually
from simulators.wire import SimulatedWire
from tests.edge.virtual_gateway import LoopClock

PROFILES = catalogue.load_all()
LAMPS = [f"lamp-{unit_id}" for unit_id in range(11, 19)]
NORTH = LAMPS[:4]
TARGET, ACTUAL = "target_light_command", "actual_light_state"
LAMP = "street_lamp_controller"


class RealClock:
    """Moments of this machine."""

    def now(self) -> Moment:
        """Return this moment."""
        return Moment(time.monotonic_ns(), time.time_ns() // 1_000_000, ClockState.SYNCHRONISED)

    def s(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()


class Street:
    """A poller over a line to the shipped cabinet, and what it measured last."""

    def __init__(self, line: Line, clock: LoopClock | RealClock, *, timeout_s: float = 0.3) -> None:
        """Poll every device of the cabinet once a second."""
        self.samples: dict[Ref, Sample] = {}
        file = cabinet_file.load("lighting").file
        polled = []
        for entry in file.devices:
            profile = PROFILES[entry.profile or entry.board or ""]
            device = Device(entry.name, entry.unit_id, profile, tuple(profile.names), timeout_s)
            polled.append(Polled(ModbusDevice(device, line), 1.0))
        self.poller = LinePoller(polled, clock, Stamps(), self._take)

    def _take(self, measured: Sequence[Measured], now: Moment) -> None:
        self.samples |= {Ref(each.device, each.point): each for each in spread(measured)}

    def value(self, device: str, point: str) -> Value:
        """Return what was measured last."""
        return self.samples[Ref(device, point)].value

    async def relay(self, number: int, *, on: bool) -> None:
        """Switch a contactor."""
        assert await self.poller.switch(Switch(Ref("relays", f"relay_{number}"), on=on)) == ""

    async def level(self, lamp: str, percent: Value, point: str = TARGET) -> str:
        """Command a lamp."""
        return await self.poller.write(Write(Ref(lamp, point), percent))

    async def levels(self, lamps: Sequence[str] = LAMPS) -> list[Value]:
        """Read the levels of lamps at once."""
        readings = [await self.poller.devices[lamp].read_points([ACTUAL]) for lamp in lamps]
        return [each[ACTUAL].value for each in readings]


def virtually(
    act: Callable[[Street, SimulatedWire], Coroutine[Any, Any, None]],
    instead: Mapping[int, ProfileDevice] | None = None,
) -> None:
    """Play on virtual time, on a strict wire; no silence is broken."""

    async def play() -> None:
        cabinet = Cabinet(cabinet_file.load("lighting"))
        for unit_id, device in (instead or {}).items():
            cabinet.buses["rs485-1"].seats[unit_id].device = device
        wire = SimulatedWire(cabinet.buses["rs485-1"], 9600, strict=True)
        street = Street(VirtualLine("line", Timing.of(9600, "N", 1), wire), LoopClock())
        polling = asyncio.create_task(street.poller.run())
        await act(street, wire)
        street.poller.stop()
        await polling
        assert (wire.silence_violations, wire.collisions) == (0, 0)

    run_virtually(play())


def test_a_level_is_written_and_its_reading_back_is_a_sample() -> None:
    """The proof of a switch, for numbers; what cannot be a level is refused before it is sent."""

    async def act(street: Street, wire: SimulatedWire) -> None:
        await street.relay(1, on=True)
        await asyncio.sleep(2)
        assert await street.level("lamp-12", 40) == ""
        assert street.value("lamp-12", TARGET) == 40
        assert await street.level("lamp-12", 30, "default_light_state") == ""
        asked = wire.requests
        for wrong in (101, -1, 1e9, True, "40", None):
            assert await street.level("lamp-12", wrong) == "value_does_not_fit"
        assert await street.level("lamp-12", 5, "active_power") == "not_writable"
        assert wire.requests - asked <= 40, "nothing but polls"
        await asyncio.sleep(2)
        assert [street.value("lamp-12", point) for point in (TARGET, ACTUAL, "default_light_state")] == [
            40,
            40,
            30,
        ]
        assert await street.level("lamp-15", 40) == "timeout", "its circuit is off"

    virtually(act)


class Absent(ProfileDevice):
    """Confirms every write and keeps none."""

    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:
        """Take it, and forget it."""


def test_a_level_that_is_confirmed_and_not_kept_is_no_success() -> None:
    """The answer of the write is not the proof."""

    async def act(street: Street, wire: SimulatedWire) -> None:
        await asyncio.sleep(1)  # a line that has answered no read cannot tell an answer from an echo
        assert await street.level("lamp-13", 40) == "not_as_written"
        assert street.value("lamp-13", TARGET) == 0
        assert await street.level("lamp-13", 0) == ""

    virtually(act, {13: Absent("lamp-13", PROFILES[LAMP], {})})


def test_levels_of_one_lamp_go_together_and_the_later_one_stands() -> None:
    """Target and default in one request; two targets one after the other."""

    async def act(street: Street, wire: SimulatedWire) -> None:
        await street.relay(1, on=True)
        await asyncio.sleep(2)
        errors = await asyncio.gather(
            street.level("lamp-11", 20),
            street.level("lamp-11", 60, "default_light_state"),
            street.level("lamp-11", 80),
            street.level("lamp-12", 10),
        )
        assert list(errors) == [""] * 4
        assert [street.value("lamp-11", point) for point in (TARGET, "default_light_state")] == [80, 60]
        assert await street.levels(["lamp-11", "lamp-12"]) == [80, 10]

    virtually(act)


def test_a_broadcast_dims_all_and_nothing_is_asked_before_its_turnaround() -> None:
    """One request for eight lamps; a switch commanded meanwhile comes after it."""

    async def act(street: Street, wire: SimulatedWire) -> None:
        await street.relay(1, on=True)
        await street.relay(2, on=True)
        await asyncio.sleep(3)
        loop = asyncio.get_running_loop()
        began_s, sent = loop.time(), wire.requests
        assert await street.poller.broadcast(TARGET, 35, LAMP) == ""
        took_s = loop.time() - began_s
        assert 0.2 <= took_s < 0.2 + 0.15, "at most one transaction before it"
        assert 1 <= wire.requests - sent <= 2
        await asyncio.sleep(0.2)
        assert await street.levels() == [35] * 8
        both = await asyncio.gather(
            street.poller.broadcast(TARGET, 90, LAMP),
            street.poller.switch(Switch(Ref("relays", "relay_2"), on=False)),
            street.level("lamp-11", 10),
        )
        assert list(both) == ["", "", ""]
        await asyncio.sleep(0.2)
        assert await street.levels(NORTH) == [10, 90, 90, 90]

    virtually(act)


def test_what_cannot_be_broadcast_is_refused_by_name() -> None:
    """Before anything is sent."""

    async def act(street: Street, wire: SimulatedWire) -> None:
        poller = street.poller
        assert await poller.broadcast(TARGET, 101, LAMP) == "value_does_not_fit"
        assert await poller.broadcast(ACTUAL, 10, LAMP) == "not_writable"
        assert await poller.broadcast("relay_1", True, "waveshare_relay_8") == "not_broadcast"
        assert await poller.broadcast("level", 1, "water_gauge") == "not_on_this_line"

    virtually(act)


def test_a_broadcast_that_would_reach_something_else_is_refused() -> None:
    """Another profile has that register too, with its own meaning or the same; a shimmed twin is no other."""
    lamp = PROFILES[LAMP]
    twin = lamp.with_modbus(pause_s=0.1)
    assert broadcast(lamp, TARGET, 50, [lamp, twin, PROFILES["sdm630"]]).words == (50,)
    moved = PROFILES["water_gauge"].points[0].model_copy(update={"address": 0x5000})
    stranger = PROFILES["water_gauge"].with_points([moved])
    with pytest.raises(ModbusError, match="reaches_others"):
        broadcast(lamp, TARGET, 50, [lamp, stranger])
    with pytest.raises(
        ModbusError, match="reaches_others"
    ):  # its lamps have plans and overrides of their own
        broadcast(lamp, TARGET, 50, [lamp, lamp.model_copy(update={"id": "street_lamp_controller_v2"})])
    assert broadcast(lamp, "default_light_state", 50, [lamp, stranger]).address == 0x5001


def test_on_a_real_port_lamps_are_lit_dimmed_and_dark(tmp_path: Path) -> None:
    """The daemon's own line on a pty; the devices' own ledger says what reached them."""

    async def play(port: str) -> None:
        line = SerialLine("line", SerialSettings(port, 9600), Timing.of(9600, "N", 1))
        street = Street(line, RealClock(), timeout_s=1.0)
        polling = asyncio.create_task(street.poller.run())
        await street.relay(1, on=True)
        for _ in range(100):
            if await street.level("lamp-14", 70) == "":
                break
        assert street.value("lamp-14", TARGET) == 70
        assert await street.poller.broadcast(TARGET, 35, LAMP) == ""
        for _ in range(100):
            if await street.levels(NORTH) == [35] * 4:
                break
        assert await street.levels(NORTH) == [35] * 4
        assert await street.levels(["lamp-18"]) == [None]
        assert line.seen.stray_bytes == 0
        street.poller.stop()
        await polling
        await line.close()

    ledger = tmp_path / "ledger.jsonl"
    plan = cabinet_file.load("lighting")
    with RunningCabinet(plan, tmp_path, now_ms=lambda: time.time_ns() // 1_000_000, ledger=ledger) as running:
        asyncio.run(play(str(running.lines["rs485-1"]["path"])))
    entries = [json.loads(text) for text in ledger.read_text().splitlines()]
    assert [each["device"] for each in entries if each.get("write") and each["values"] == [35]] == NORTH
