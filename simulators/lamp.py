"""One street lamp and what its controller knows of it: light, power, counters, failures. Pure.

A lamp is brought to a time by whatever happens to it, and in between nothing changes but sums and
temperature; the result does not depend on how often it is looked at.
"""

import math
from typing import Literal

from pydantic import Field

from contract.samples import Value
from toml_files import Strict

Fault = Literal["fails", "sticks_on", "dims_wrong", "draws_much", "draws_little", "cycles", "leaks"]
"""Of these, ``cycles`` is out for moments too short to be seen by anybody but its controller."""
DRAWS = {"draws_much": 1.5, "draws_little": 0.55}
"""The part of its usual power."""
LEVEL_MAX = 100


class LampFigures(Strict):
    """What lamps of one kind are like."""

    standby_w: float = Field(default=1.2, ge=0, le=100)
    """What the controller draws by itself; all that is left when the lamp is off or has failed."""
    driver_loss: float = Field(default=0.08, ge=0, lt=1)
    """The part of the rated power that the driver takes as soon as it works, at whatever level."""
    curve: float = Field(default=1.1, ge=0.5, le=3)
    """The rest follows the level with this exponent."""
    reactive_part: float = Field(default=0.22, ge=0, le=2)
    """Reactive power of a driver at work, as a part of the rated power: dimming lowers the power factor."""
    inrush_factor: float = Field(default=6, ge=1, le=100)
    """How much more current it takes for the first ``inrush_s`` after it was switched on."""
    inrush_s: float = Field(default=0.3, ge=0, le=60)
    boot_s: float = Field(default=0.5, ge=0, le=60)
    """How long after the supply came the controller begins to hear; the lamp is lit at once."""
    told_after_s: float = Field(default=10, ge=0, le=3600)
    """How long something must be wrong before the controller calls it a failure."""
    default_level: int = Field(default=LEVEL_MAX, ge=0, le=LEVEL_MAX)
    """The level at which it leaves the factory to come up; it can be written."""
    ambient_cel: float = Field(default=15, ge=-50, le=60)
    rise_cel: float = Field(default=22, ge=0, le=80)
    """How much warmer the controller becomes at rated power."""
    warm_s: float = Field(default=900, gt=0)
    """Time constant of that."""


class Lamp:
    """A lamp with its controller, without supply at first. Times are seconds and never run backwards."""

    def __init__(self, figures: LampFigures, rated_power_w: float, voltage_v: float) -> None:
        """``rated_power_w`` is what it draws at 100 %."""
        self.figures, self.rated_power_w, self.voltage_v = figures, rated_power_w, voltage_v
        self.default_level = figures.default_level
        self.target = figures.default_level
        self.powered = False
        self.fault: Fault | None = None
        self.mute = False
        """Whether the controller answers nobody, though it has its supply."""
        self.supply_losses = self.switched_on = 0
        self.level = 0
        """The light that it gives."""
        self._lit_level = LEVEL_MAX  # the last one that was not 0
        self._time_s = self._powered_s = self._lit_s = -math.inf
        self._energy_ws = self._burnt_s = 0.0
        self._cel = figures.ambient_cel
        self._told: set[str] = set()
        self._doubts_s: dict[str, float] = {}  # since when something looks wrong

    def supply(self, on: bool, now_s: float) -> None:
        """Give it its supply, or take it: what was commanded is forgotten."""
        if on == self.powered:
            return
        self._pass(now_s)
        self.powered, self.target = on, self.default_level
        self._powered_s = now_s
        self.supply_losses += not on
        self._told.clear()
        self._doubts_s.clear()
        self._settle(now_s)

    def command(self, level: int, now_s: float) -> None:
        """Take a command."""
        self._pass(now_s)
        self.target = level
        self._settle(now_s)

    def befall(self, fault: Fault | None, now_s: float) -> None:
        """A fault begins, or with None all is well again."""
        self._pass(now_s)
        self.fault = fault
        self._settle(now_s)

    def hears(self, now_s: float) -> bool:
        """Say whether its controller listens."""
        return self.powered and not self.mute and now_s - self._powered_s >= self.figures.boot_s

    def load(self, now_s: float) -> tuple[float, float]:
        """Return the active and reactive power that it draws now, W and var."""
        if not self.powered:
            return 0.0, 0.0
        active, reactive = self._active_w(), self.figures.standby_w
        if self.level:
            reactive += self.figures.reactive_part * self.rated_power_w
            if now_s - self._lit_s < self.figures.inrush_s:
                apparent = math.hypot(active, reactive) * self.figures.inrush_factor
                reactive = math.sqrt(apparent**2 - active**2)
        return active, reactive

    def values(self, now_s: float) -> dict[str, Value]:
        """Return what its controller holds, by point."""
        self._pass(now_s)
        active, reactive = self.load(now_s)
        apparent = math.hypot(active, reactive)
        told = self._told | {name for name, since_s in self._doubts_s.items() if self._is_told(since_s)}
        return {
            "target_light_command": self.target,
            "default_light_state": self.default_level,
            "actual_light_state": self.level,
            "supply_voltage": self.voltage_v if self.powered else 0.0,
            "supply_current": apparent / self.voltage_v,
            "active_power": active,
            "power_factor": active / apparent if apparent else 0.0,
            "temperature": self._cel,
            "supply_loss_count": self.supply_losses,
            "switch_on_counter": self.switched_on,
            "operating_hours": self._burnt_s / 3600,
            "active_energy": self._energy_ws / 3.6e6,
            **{name: name in told for name in FAILURES},
        }

    @property
    def energy_kwh(self) -> float:
        """What it has used until it was last looked at."""
        return self._energy_ws / 3.6e6

    def _pass(self, now_s: float) -> None:
        """Let time go on; nothing happens in it."""
        elapsed_s = now_s - self._time_s
        self._time_s = max(now_s, self._time_s)
        if not math.isfinite(elapsed_s) or elapsed_s <= 0:
            return
        active = self._active_w() if self.powered else 0.0
        self._energy_ws += active * elapsed_s
        self._burnt_s += elapsed_s * bool(self.level)
        warm = self.figures.ambient_cel + self.figures.rise_cel * active / self.rated_power_w
        self._cel = warm + (self._cel - warm) * math.exp(-elapsed_s / self.figures.warm_s)

    def _settle(self, now_s: float) -> None:
        """Let the lamp follow what has become of it, and its controller begin or end to doubt."""
        before, self.level = self.level, self._follows()
        if self.level:
            self._lit_level = self.level
            if not before:
                self._lit_s = now_s
                self.switched_on += 1
        for name, wrong in self._verdicts().items():
            if wrong:
                self._doubts_s.setdefault(name, now_s)
                continue
            if self._is_told(self._doubts_s.pop(name, math.inf)):
                self._told.add(name)
            if wrong is False:
                self._told.discard(name)

    def _follows(self) -> int:
        if not self.powered or self.fault == "fails":
            return 0
        if self.fault == "sticks_on":
            return self.target or self._lit_level
        if self.fault == "dims_wrong":
            return LEVEL_MAX if self.target else 0
        return self.target

    def _verdicts(self) -> dict[str, bool | None]:
        """Return which failures show now: True, False for the contrary, None where it cannot be seen."""
        if not self.powered:
            return dict.fromkeys(FAILURES)
        on, lit = self.target > 0, self.level > 0
        return {
            "lamp_failure": not lit if on else None,
            "dimming_failure": self.level != self.target if on and lit else None,
            "relay_failure": None if on else lit,
            "cycling_failure": self.fault == "cycles" if on else None,
            "leakage_detected": self.fault == "leaks" if on else None,
        }

    def _is_told(self, since_s: float) -> bool:
        return self._time_s - since_s >= self.figures.told_after_s

    def _active_w(self) -> float:
        figures = self.figures
        if not self.level:
            return figures.standby_w
        part = figures.driver_loss + (1 - figures.driver_loss) * (self.level / LEVEL_MAX) ** figures.curve
        return self.rated_power_w * float(part) * DRAWS.get(self.fault or "", 1.0)


FAILURES = ("lamp_failure", "dimming_failure", "relay_failure", "cycling_failure", "leakage_detected")
"""What its status word can say."""
