"""Light sensors and other points that plans ask: whether their gates are open, and who is lost. Pure."""

import math
from collections.abc import Iterable, Mapping

from contract.samples import Value
from edge.lamps.daylight import Light
from edge.settings import Ref, ref
from lighting.timeline import Comparison, Gate, Threshold, moved

FIRST_HEARD_S = 30.0
"""So long after the start lamps wait for a sensor that was not heard yet, before the sun decides."""
DOUBT_TOLD_S = 600.0
"""A sensor says so long what cannot be before that is told."""
NOT_READ = "is not read: lamps follow the sun"
BRIGHT, DARK = "is bright in the night: lamps follow the sun", "is dark by day: lamps are on"


class Sensors:
    """Gates with what they were last. A value is forgotten when no good one came for ``stale_s`` seconds."""

    def __init__(self, stale_s: float, closes_s: float = 0.0) -> None:
        """Nothing is asked, nothing was heard; a comparison closes when it has not held for ``closes_s``."""
        self._stale_s, self._closes_s = stale_s, closes_s
        self._closing_s: dict[Gate, float] = {}
        """Since when comparisons that are open do not hold."""
        self.opened: dict[Gate, bool | None] = {}
        self._gates: dict[Ref, list[Gate]] = {}
        self._good_s: dict[Ref, float] = {}
        self._values: dict[Ref, float | None] = {}
        """Of all points that are listened to: the last good value."""
        self._heard: set[Ref] = set()
        self._lost: dict[Ref, bool] = {}
        self._doubted: dict[Gate, tuple[bool, float]] = {}
        """Light sensors that said what cannot be, since when, and nothing else since then."""

    def listen(self, points: Iterable[Ref]) -> None:
        """These may be asked; what they read is remembered until then."""
        for at in points:
            self._values.setdefault(at, None)

    def keep(self, gates: Iterable[Gate]) -> None:
        """These gates may be asked from now on, and no others; what is known of them stays."""
        known = set(gates)
        asked = {point(gate) for gate in known}
        self.opened = {gate: state for gate, state in self.opened.items() if gate in known}
        self._closing_s = {gate: at_s for gate, at_s in self._closing_s.items() if gate in known}
        self._doubted = {gate: doubt for gate, doubt in self._doubted.items() if gate in known}
        self._gates = {}
        for gate in self.opened:
            self._gates.setdefault(point(gate), []).append(gate)
        for gone in [at for at in self._values if at not in asked]:
            del self._values[gone]
            self._heard.discard(gone)
        for gone in [at for at in self._good_s if at not in self._gates]:
            del self._good_s[gone]
            self._lost.pop(gone, None)
        self.listen(asked)

    def listens(self, at: Ref) -> bool:
        """Say whether a point may be asked."""
        return at in self._values

    def need(self, gates: Iterable[Gate], now_s: float) -> None:
        """These are asked from now on."""
        for gate in gates:
            if gate in self.opened:
                continue
            at = point(gate)
            self.listen([at])
            last = self._values[at]
            self.opened[gate] = None if last is None else moved(gate, last, None)
            self._gates.setdefault(at, []).append(gate)
            self._good_s.setdefault(at, now_s)

    def take(self, at: Ref, value: Value, now_s: float) -> bool:
        """Take what a point reads, None where that is no good; say whether a gate moved."""
        if at not in self._values:
            return False
        gates = self._gates.get(at, ())
        first = at not in self._heard
        self._heard.add(at)
        if not isinstance(value, int | float):
            return self.expire(now_s) or first
        self._good_s[at], self._values[at] = now_s, float(value)
        changed = first or self._lost.get(at, True)
        self._lost[at] = False
        for gate in gates:
            before = self.opened[gate]
            self.opened[gate] = now = self._moved(gate, float(value), before, now_s)
            changed |= now is not before
        return changed

    def _moved(self, gate: Gate, value: float, before: bool | None, now_s: float) -> bool | None:
        """Return where a gate is now; a comparison has no hysteresis, so it opens at once and closes late."""
        now = moved(gate, value, before)
        closes = before and now is False and isinstance(gate, Comparison)
        if closes and now_s - self._closing_s.setdefault(gate, now_s) < self._closes_s:
            return True
        self._closing_s.pop(gate, None)
        return now

    def expire(self, now_s: float) -> bool:
        """Forget what is too old; say whether anything was."""
        changed = False
        for at in self._gates:
            good_s = self._good_s[at]
            if now_s - good_s < self._stale_s or self._lost.get(at):
                continue
            self._lost[at] = changed = True
            self.opened |= dict.fromkeys(self._gates[at])
            self._values[at] = None
        return changed

    def awaited(self, gates: Iterable[Gate], now_s: float) -> bool:
        """Say whether one of these may be heard any moment, so that it is too early to decide without it."""
        return any(
            point(gate) not in self._heard and now_s - self._good_s[point(gate)] < FIRST_HEARD_S
            for gate in gates
        )

    def doubt(self, light: Light, now_s: float) -> None:
        """Hold light sensors against the sun: one that is stuck says the same by day and by night.

        One that is bright in the night says nothing from then on, and none that is dark by day does harm.
        """
        cannot_be = {Light.NIGHT: False, Light.DAY: True}.get(light)
        for gate, state in self.opened.items():
            if state is None or not isinstance(gate, Threshold):
                continue
            if gate in self._doubted and self._doubted[gate][0] is not state:
                del self._doubted[gate]
            if gate not in self._doubted and state is cannot_be:
                self._doubted[gate] = state, now_s

    @property
    def believed(self) -> Mapping[Gate, bool | None]:
        """As ``opened``, where what cannot be counts as unknown; in doubt lamps are on."""
        wrong = {gate: None for gate, (state, _) in self._doubted.items() if not state}
        return {**self.opened, **wrong} if wrong else self.opened

    def complaints(self, now_s: float) -> dict[Ref, str]:
        """Return what is wrong with each point that is known to be there or not; empty where nothing is."""
        told = {at: NOT_READ if lost else "" for at, lost in self._lost.items()}
        for gate, (state, since_s) in self._doubted.items():
            if now_s - since_s >= DOUBT_TOLD_S and not told.get(point(gate)):
                told[point(gate)] = DARK if state else BRIGHT
        return told

    def next_s(self, now_s: float) -> float:
        """Return when a value becomes too old, or is awaited no longer; infinite where none will."""
        times = [
            self._good_s[at] + wait_s
            for at in self._gates
            for wait_s in (FIRST_HEARD_S, self._stale_s)
            if not self._lost.get(at) and self._good_s[at] + wait_s > now_s
        ]
        times += [at_s for _, since_s in self._doubted.values() if (at_s := since_s + DOUBT_TOLD_S) > now_s]
        return min(times, default=math.inf)


def point(gate: Gate) -> Ref:
    """Return the point that a gate looks at."""
    return ref(gate.point)
