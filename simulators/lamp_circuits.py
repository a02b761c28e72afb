"""A lighting cabinet: circuits of lamps, each behind a breaker and a contactor, and a meter. Pure.

What its digital inputs say: on means that the door is open, the switch stands at local, the contactor is
closed, the breaker has tripped.
"""

import math
from typing import Annotated, Literal, get_args

from pydantic import Field

from contract.samples import Value
from device_profiles.schema import ProfileName
from simulators.lamp import Fault, Lamp, LampFigures
from toml_files import Strict

CIRCUITS_MAX = 32
LAMPS_MAX = 240
FREQUENCY_HZ = 50.0

Input = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*/input_[1-8]$")]
"""``board/input_1``."""

LampHappening = Literal[
    "lamp_fails",
    "lamp_sticks_on",
    "lamp_dims_wrong",
    "lamp_draws_much",
    "lamp_draws_little",
    "lamp_cycles",
    "lamp_leaks",
    "lamp_mute",
    "lamp_repaired",
]
CircuitHappening = Literal["breaker_trips", "breaker_reset", "contactor_sticks", "contactor_repaired"]
CabinetHappening = Literal["door_opens", "door_closes", "local_override_on", "local_override_off"]

_FAULTS: dict[str, Fault] = {
    "lamp_fails": "fails",
    "lamp_sticks_on": "sticks_on",
    "lamp_dims_wrong": "dims_wrong",
    "lamp_draws_much": "draws_much",
    "lamp_draws_little": "draws_little",
    "lamp_cycles": "cycles",
    "lamp_leaks": "leaks",
}


class CircuitSettings(Strict):
    """One circuit."""

    name: ProfileName
    """The story calls it so."""
    contactor: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*/relay_[1-8]$")
    """The output that closes it: "board/relay_1"."""
    feedback: Input | None = None
    """The input that shows the contactor closed."""
    breaker: Input | None = None
    """The input that shows the breaker tripped."""
    lamps: list[ProfileName] = Field(min_length=1, max_length=LAMPS_MAX)
    """Devices of the profile street_lamp_controller."""
    phases: list[Annotated[int, Field(ge=1, le=3)]] = Field(default=[1, 2, 3], min_length=1, max_length=3)
    """Which phases the lamps hang on, in turn."""
    rated_power_w: float = Field(default=100, gt=0, le=2000)
    """Of each lamp."""


class LampsSettings(LampFigures):
    """A lighting cabinet. ``device`` is its three-phase meter (points as sdm630 has them)."""

    kind: Literal["lamps"]
    device: ProfileName
    voltage_v: float = Field(default=230, gt=0, le=500)
    door: Input | None = None
    """The input that shows the door open."""
    local: Input | None = None
    """The input that shows the switch at local, where relays move no contactor."""
    circuits: list[CircuitSettings] = Field(min_length=1, max_length=CIRCUITS_MAX)


class Circuit:
    """A breaker, a contactor, and the lamps behind them; off at first."""

    def __init__(self, settings: CircuitSettings, cabinet: LampsSettings) -> None:
        """Hang the lamps on their phases."""
        self.settings = settings
        self.closed = self.tripped = self.sticks = False
        self._live = False
        self.lamps = {
            name: Lamp(cabinet, settings.rated_power_w, cabinet.voltage_v) for name in settings.lamps
        }
        phases = settings.phases
        self.phases = {name: phases[index % len(phases)] for index, name in enumerate(settings.lamps)}

    def follow(self, coil: bool, now_s: float) -> None:
        """The relay stands so: let contactor and lamps follow, as far as they can."""
        if not self.sticks:
            self.closed = coil
        self.feed(now_s)

    def feed(self, now_s: float) -> None:
        """Give the lamps what breaker and contactor let through."""
        live = self.closed and not self.tripped
        if live != self._live:
            self._live = live
            for lamp in self.lamps.values():
                lamp.supply(live, now_s)


class Lamps:
    """See LampsSettings."""

    def __init__(self, settings: LampsSettings) -> None:
        """All off, the door closed, the switch at remote."""
        self.settings = settings
        self.circuits = {circuit.name: Circuit(circuit, settings) for circuit in settings.circuits}
        self.lamps = {
            name: lamp for circuit in self.circuits.values() for name, lamp in circuit.lamps.items()
        }
        self.contactors = [circuit.contactor for circuit in settings.circuits]
        self.door_open = self.local = False
        self.coils: dict[str, bool] = {}
        """How the relays stand, by output; told before each advance."""
        self._time_s = 0.0

    def advance(self, now_s: float) -> None:
        """Bring it to ``now_s``; the contactors follow their relays as these stand now."""
        self._time_s = now_s
        if not self.local:
            for circuit in self.circuits.values():
                circuit.follow(self.coils.get(circuit.settings.contactor, False), now_s)

    def targets(self, what: str) -> set[str]:
        """Return to whom this can happen."""
        if what in get_args(CircuitHappening):
            return set(self.circuits)
        if what in get_args(LampHappening):
            return set(self.lamps)
        boards = {place.partition("/")[0] for place in (self.settings.door, self.settings.local) if place}
        return {self.settings.device} | boards

    def happen(self, what: str, name: str) -> None:
        """Let it happen to a lamp or circuit, or to the cabinet."""
        match what:
            case "door_opens" | "door_closes":
                self.door_open = what == "door_opens"
            case "local_override_on" | "local_override_off":
                self.local = what == "local_override_on"
            case "breaker_trips" | "breaker_reset":
                self.circuits[name].tripped = what == "breaker_trips"
                self.circuits[name].feed(self._time_s)
            case "contactor_sticks" | "contactor_repaired":
                self.circuits[name].sticks = what == "contactor_sticks"
            case "lamp_mute":
                self.lamps[name].mute = True
            case "lamp_repaired":
                self.lamps[name].mute = False
                self.lamps[name].befall(None, self._time_s)
            case _:
                self.lamps[name].befall(_FAULTS[what], self._time_s)

    def values(self) -> dict[str, float]:
        """What the meter shows."""
        volts = self.settings.voltage_v
        active, reactive = dict.fromkeys((1, 2, 3), 0.0), dict.fromkeys((1, 2, 3), 0.0)
        for circuit in self.circuits.values():
            for name, lamp in circuit.lamps.items():
                watts, vars_ = lamp.load(self._time_s)
                active[circuit.phases[name]] += watts
                reactive[circuit.phases[name]] += vars_
        total, apparent = sum(active.values()), math.hypot(sum(active.values()), sum(reactive.values()))
        values = {"power": total, "power_factor": total / apparent if apparent else 1.0}
        for phase in (1, 2, 3):
            values[f"voltage_l{phase}"] = volts
            values[f"current_l{phase}"] = math.hypot(active[phase], reactive[phase]) / volts
            values[f"power_l{phase}"] = active[phase]
        used_kwh = sum(lamp.energy_kwh for lamp in self.lamps.values())
        return values | {"frequency": FREQUENCY_HZ, "energy_import": used_kwh, "energy_export": 0.0}

    def all_values(self) -> dict[str, dict[str, Value]]:
        """Return what every device of the cabinet holds: lamps, digital inputs, meter."""
        found: dict[str, dict[str, Value]] = {
            name: lamp.values(self._time_s) for name, lamp in self.lamps.items()
        }
        inputs: list[tuple[str | None, bool]] = [
            (self.settings.door, self.door_open),
            (self.settings.local, self.local),
        ]
        for circuit in self.circuits.values():
            inputs += [
                (circuit.settings.feedback, circuit.closed),
                (circuit.settings.breaker, circuit.tripped),
            ]
        for place, on in inputs:
            if place is not None:
                board, _, point = place.partition("/")
                found.setdefault(board, {})[point] = on
        return found | {self.settings.device: dict(self.values())}
