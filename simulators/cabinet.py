"""A cabinet put together: buses with devices, the world they measure, and the story that happens to it."""

import math
import threading
from collections import deque

from contract.samples import Value
from simulators.bus import Bus
from simulators.cabinet_file import DeviceSettings, Plan, make_device
from simulators.devices import Device, ProfileDevice
from simulators.lamp_circuits import Lamps
from simulators.lamp_controller import LampController
from simulators.physics import Dust, noise
from simulators.relay_board import RelayBoard
from simulators.world import NEEDS, Happening, happen, make_physics, moved, targets

TICK_S = 0.1
"""How often registers are refreshed, and how soon a change of outputs or of the story is heeded."""

NS = 1_000_000_000


class Cabinet:
    """Brings itself to the time of every request; ``advance`` does so without one.

    The same plan, seed and requests give the same answers. All times are ns of one clock that does not run
    backwards; the story begins at ``start_ns``.
    """

    def __init__(self, plan: Plan, *, seed: int = 0, start_ns: int = 0) -> None:
        """Seat the devices of a checked plan."""
        self.plan = plan
        self.seed = seed
        self.lock = threading.RLock()
        self.buses = {line.name: Bus(before=self.advance, lock=self.lock) for line in plan.file.lines}
        self.devices: dict[str, Device] = {}
        self._start_ns = start_ns
        self._time_s = 0.0
        self._tick = -1
        self._story = deque(sorted(plan.file.story, key=lambda happening: happening.at_s))
        self._world = [(settings, make_physics(settings)) for settings in plan.file.physics]
        for settings in plan.file.devices:
            device = self.devices[settings.name] = self._made(settings)
            self.buses[settings.line].add(device, settings.unit_id, settings.turnaround_ms)
        self._boards = [device for device in self.devices.values() if isinstance(device, RelayBoard)]
        self.advance(start_ns)

    def advance(self, now_ns: int) -> None:
        """Let the world go on to ``now_ns``; an earlier time changes nothing."""
        with self.lock:
            now_s = self._seconds(now_ns)
            changed = True  # perhaps: since the last call there was a request
            while self._time_s < now_s or (self._story and self._story[0].at_s <= self._time_s):
                # As long as nothing changes, one long step is as good as many: physics are exact.
                next_s = 0.0 if changed else self._next_change_s() - TICK_S
                until_s = min(now_s, max(next_s, self._time_s + TICK_S))
                if self._story:
                    until_s = min(until_s, max(self._time_s, self._story[0].at_s))
                changed = self._step(until_s)
            tick = int(self._time_s / TICK_S)
            if tick != self._tick:
                self._tick = tick
                self._refresh()

    def truth(self, now_ns: int) -> dict[str, dict[str, Value]]:
        """Return {"values": {"device/point": …}, "outputs": {"board/relay_1": …}} as they now stand.

        Values are what a perfect reader would make of the registers, dead devices included.
        """
        with self.lock:
            self.advance(now_ns)
            values: dict[str, Value] = {}
            outputs: dict[str, Value] = {}
            for name, device in self.devices.items():
                if isinstance(device, ProfileDevice):
                    for point, reading in device.readings().items():
                        values[f"{name}/{point}"] = reading.value
                elif isinstance(device, RelayBoard):
                    for output, on in device.outputs(now_ns).items():
                        outputs[f"{name}/{output}"] = on
            return {"values": values, "outputs": outputs}

    def _made(self, settings: DeviceSettings) -> Device:
        """Return the device; a lamp's controller with the lamp that it belongs to."""
        for _, physics in self._world:
            if isinstance(physics, Lamps) and settings.name in physics.lamps and settings.profile:
                profile = self.plan.profiles[settings.profile]
                return LampController(settings.name, profile, physics.lamps[settings.name], self._seconds)
        return make_device(settings, self.plan.profiles, list(self._moved().get(settings.name, {})))

    def _seconds(self, now_ns: int) -> float:
        return (now_ns - self._start_ns) / NS

    def _moved(self) -> dict[str, dict[str, Value]]:
        """Return the clean values of all devices that the world moves, by point."""
        values: dict[str, dict[str, Value]] = {}
        for settings, physics in self._world:
            for name, points in moved(settings, physics).items():
                values.setdefault(name, {}).update(points)
        return values

    def _next_change_s(self) -> float:
        """Return when a relay goes off by itself."""
        ends_ns = [end_ns for board in self._boards if (end_ns := board.next_off_ns) is not None]
        return self._seconds(min(ends_ns)) if ends_ns else math.inf

    def _step(self, until_s: float) -> bool:
        """Go on to ``until_s``, with outputs as they stand then; say whether something happened there."""
        for _, physics in self._world:
            if isinstance(physics, Dust) and physics.settings.valve:
                physics.spray = self._output(physics.settings.valve, until_s)
            elif isinstance(physics, Lamps):
                physics.coils = {name: self._output(name, until_s) for name in physics.contactors}
            physics.advance(until_s)
        self._time_s = until_s
        happened = False
        while self._story and self._story[0].at_s <= until_s:
            self._happen(self._story.popleft())
            happened = True
        return happened

    def _output(self, name: str, at_s: float) -> bool:
        board_name, _, output = name.partition("/")
        board = self.devices[board_name]
        return isinstance(board, RelayBoard) and board.closed(output, self._start_ns + round(at_s * NS))

    def _happen(self, happening: Happening) -> None:
        what = happening.what
        if what not in NEEDS:
            line = next(entry.line for entry in self.plan.file.devices if entry.name == happening.device)
            self.buses[line].set_alive(happening.device, what == "device_revives")
        for settings, physics in self._world:
            if what in NEEDS and happening.device in targets(settings, physics, what):
                happen(physics, happening)

    def _refresh(self) -> None:
        moving = self._moved()
        for settings in self.plan.file.devices:
            device, moves = self.devices[settings.name], moving.get(settings.name)
            if not isinstance(device, ProfileDevice) or not (moves or settings.noise):
                continue
            clean: dict[str, Value] = {
                name: value for name, value in settings.values.items() if name in settings.noise
            }
            values = clean | (moves or {})
            for name, spread in settings.noise.items():
                value = values.get(name)
                if spread and isinstance(value, int | float) and not isinstance(value, bool):
                    values[name] = value + spread * noise(self.seed, f"{settings.name}/{name}", self._tick)
            device.set_values(values, saturate=True)
