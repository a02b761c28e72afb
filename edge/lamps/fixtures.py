"""What a lamp is made of: its settings, with what its device's profile adds. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from device_profiles.schema import Profile
from edge.lamps.settings import Lamp
from edge.settings import Ref, Settings, ref


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What one broadcast reaches: a point of every device of a profile on a line."""

    line: str
    profile: str
    point: str


@dataclass(frozen=True, slots=True)
class Fixture:
    """A lamp, or a circuit, with every point that tells of it; None or empty where there is no such point."""

    name: str
    output: Ref
    line: str
    is_switch: bool
    """Whether its output is on or off only."""
    part: str = ""
    actual: Ref | None = None
    """What it gives: a level in per cent, or whether the contactor is closed."""
    power: tuple[Ref, ...] = ()
    currents: tuple[Ref, ...] = ()
    rated_power_w: float | None = None
    voltage: Ref | None = None
    energy: Ref | None = None
    """Its own counter,"""
    energy_wh: float = 1000.0
    """one of whose units is so many Wh,"""
    energy_step_wh: float = 0.0
    """and its last digit so many."""
    failure: Ref | None = None
    dimming_failure: Ref | None = None
    relay_failure: Ref | None = None
    cycling_failure: Ref | None = None
    leakage: Ref | None = None
    local: Ref | None = None
    """On: a person holds it by the local switch."""
    breaker: Ref | None = None
    """On: its breaker has tripped."""
    group: GroupKey | None = None
    members: tuple[str, ...] = ()
    """Of a circuit: the lamps that it feeds and that are commanded one by one."""
    feeds: int = 0
    """Of a circuit: how many those are, also without a rated power."""

    @property
    def points(self) -> Iterator[Ref]:
        """Everything that is looked at."""
        yield self.output
        yield from self.power
        yield from self.currents
        more = (self.actual, self.voltage, self.energy, self.local, self.breaker)
        yield from (each for each in (*more, *self.bits) if each is not None)

    @property
    def bits(self) -> tuple[Ref | None, ...]:
        """What its device says of failures itself."""
        of_light = (self.failure, self.dimming_failure, self.relay_failure, self.cycling_failure)
        return *of_light, self.leakage


USUAL = {
    "actual": "actual_light_state",
    "voltage": "supply_voltage",
    "energy": "active_energy",
    "failure": "lamp_failure",
    "dimming_failure": "dimming_failure",
    "relay_failure": "relay_failure",
    "cycling_failure": "cycling_failure",
    "leakage": "leakage_detected",
}
"""Points of a lamp's own device that are looked at where its settings name no other, by TALQ's names."""
USUAL_POWER = "active_power"
WH = {"W.h": 1.0, "kW.h": 1000.0, "MW.h": 1_000_000.0}


def of(settings: Settings, profiles: Mapping[str, Profile]) -> list[Fixture]:
    """Return the fixtures of sound settings; ``profiles`` are by device."""
    return _Making(settings, profiles).fixtures


def points_read(settings: Settings, profiles: Mapping[str, Profile]) -> dict[str, bool]:
    """Return every ``device/point`` that is read, with whether it is on or off only."""
    return {
        f"{device.name}/{point.name}": point.type == "bool"
        for device in settings.devices
        for point in profiles[device.name].points
        if not device.points or point.name in device.points
    }


class _Making:
    """Makes fixtures; circuits and the lamps behind them know of each other."""

    def __init__(self, settings: Settings, profiles: Mapping[str, Profile]) -> None:
        self._profiles, self._groups = profiles, _groups(settings, profiles)
        self._devices = {device.name: device for device in settings.devices}
        self._circuits: dict[str, Lamp] = {}
        for lamp in settings.lamps:
            self._circuits |= {at: lamp for at in (lamp.output, lamp.actual) if at}
        self._fed: dict[str, list[Lamp]] = {}
        for lamp in settings.lamps:
            if circuit := self._circuit(lamp):
                self._fed.setdefault(circuit.name, []).append(lamp)
        self.fixtures = [self._fixture(lamp) for lamp in settings.lamps]

    def _circuit(self, lamp: Lamp) -> Lamp | None:
        """Return the circuit that feeds a lamp's controller."""
        return self._circuits.get(self._devices[ref(lamp.output).device].feeder or "")

    def _wh(self, at: Ref | None) -> float:
        """Return how many Wh a counter's unit is; most that name none count kWh."""
        point = self._profiles[at.device].point(at.point) if at else None
        return WH.get((point.unit or "") if point else "", 1000.0)

    def _step_wh(self, at: Ref | None) -> float:
        """Return what the last digit of a counter is worth."""
        point = self._profiles[at.device].point(at.point) if at else None
        return abs(point.scale) * self._wh(at) if point else 0.0

    def _fixture(self, lamp: Lamp) -> Fixture:
        output = ref(lamp.output)
        device, profile = self._devices[output.device], self._profiles[output.device]
        point = profile.point(output.point)
        is_switch = point is not None and point.type == "bool"
        read = device.points or profile.names

        def told_by(key: str) -> Ref | None:
            given: str | None = getattr(lamp, key)
            if given:
                return ref(given)
            return Ref(output.device, USUAL[key]) if not is_switch and USUAL[key] in read else None

        power = tuple(map(ref, lamp.power))
        if not (power or lamp.currents or is_switch) and USUAL_POWER in read:
            power = (Ref(output.device, USUAL_POWER),)
        fed, circuit = self._fed.get(lamp.name, []), self._circuit(lamp)
        rated_w = lamp.rated_power_w
        if rated_w is None and fed and all(each.rated_power_w for each in fed):
            rated_w = sum(each.rated_power_w or 0.0 for each in fed)
        breaker = lamp.breaker or (circuit.breaker if circuit else None)
        group = GroupKey(device.line, profile.id, output.point)
        return Fixture(
            lamp.name,
            output,
            device.line,
            is_switch,
            device.part,
            told_by("actual"),
            power,
            tuple(map(ref, lamp.currents)),
            rated_w,
            told_by("voltage"),
            told_by("energy"),
            self._wh(told_by("energy")),
            self._step_wh(told_by("energy")),
            told_by("failure"),
            told_by("dimming_failure"),
            told_by("relay_failure"),
            told_by("cycling_failure"),
            told_by("leakage"),
            ref(lamp.local) if lamp.local else None,
            ref(breaker) if breaker else None,
            group if group in self._groups else None,
            tuple(each.name for each in fed if each.rated_power_w),
            len(fed),
        )


def _groups(settings: Settings, profiles: Mapping[str, Profile]) -> set[GroupKey]:
    """Return what may be broadcast: every device of the profile on the line must be a lamp's."""
    outputs = {lamp.output for lamp in settings.lamps}
    points = {ref(output).point for output in outputs}
    found: set[GroupKey] = set()
    strangers: set[GroupKey] = set()
    for device in settings.devices:
        profile = profiles[device.name]
        for point in points if profile.modbus.broadcast else ():
            key = GroupKey(device.line, profile.id, point)
            (found if f"{device.name}/{point}" in outputs else strangers).add(key)
    return found - strangers
