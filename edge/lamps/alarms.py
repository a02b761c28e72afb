"""Lamp alarms: one for each failure of each lamp, however many nights it shows; kept over restarts. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from contract.events import AlarmCleared, AlarmRaised, Priority
from edge.clock import Moment
from edge.rules.effects import Emit, Ids
from edge.settings import Ref


@dataclass(frozen=True, slots=True)
class Delays:
    """How long a failure must show, and its contrary; seconds."""

    on_s: float
    off_s: float


AT_ONCE = Delays(0, 0)


class Alarms:
    """Active alarms by key, ``problem/device/point``.

    A delay is over when another reading confirms it at its end, and begins anew where nothing can be told.
    """

    def __init__(self, priority: Priority, ids: Ids) -> None:
        """None is active."""
        self._priority, self._ids = priority, ids
        self.active: dict[str, str] = {}
        self._since_s: dict[str, float] = {}
        self._shown_s: dict[str, float] = {}
        """Since when the failures of active alarms show without a pause."""

    def take(
        self,
        problem: str,
        at: Ref,
        shows: bool | None,
        now: Moment,
        delays: Delays = AT_ONCE,
        *,
        told: str = "",
        part: str = "",
        value: float | None = None,
        limit: float | None = None,
    ) -> list[Emit]:
        """Take what shows of a failure now; return the alarm that is raised or cleared by it, if one is."""
        if not (shows or self.active or self._since_s):
            return []
        key = f"{problem}/{at.device}/{at.point}"
        active = key in self.active
        if shows is None or shows == active:
            if self._since_s:
                self._since_s.pop(key, None)
            if shows:
                self._shown_s.setdefault(key, now.s)
            else:
                self._shown_s.pop(key, None)
            return []
        since_s = self._since_s.setdefault(key, now.s)
        if now.s - since_s < (delays.on_s if shows else delays.off_s):
            return []
        del self._since_s[key]
        if active:
            self._shown_s.pop(key, None)
            return [self._cleared(key, self.active.pop(key), now, value)]
        self.active[key], self._shown_s[key] = self._ids(), since_s
        return [
            Emit(
                AlarmRaised(
                    self.active[key],
                    now.wall_ms,
                    problem,
                    at.device,
                    at.point,
                    problem,
                    self._priority,
                    told[:500],
                    part,
                    value,
                    limit,
                    now.clock,
                )
            )
        ]

    def forget_delays(self, at: Ref, problems: Iterable[str]) -> None:
        """What showed so far was of another command."""
        for problem in problems if self._since_s or self._shown_s else ():
            key = f"{problem}/{at.device}/{at.point}"
            self._since_s.pop(key, None)
            self._shown_s.pop(key, None)

    def shows(self, problem: str, at: Ref, now: Moment, delays: Delays) -> bool:
        """Say whether an active alarm's failure has just shown for as long as one that is raised."""
        since_s = self._shown_s.get(f"{problem}/{at.device}/{at.point}") if self._shown_s else None
        return since_s is not None and now.s - since_s >= delays.on_s

    def clear(self, problem: str, unless: Callable[[Ref], bool], now: Moment) -> list[Emit]:
        """Clear the alarms of a kind, but those of places that are still looked at."""
        places = [at for at in self.places(self.active, problem) if not unless(at)]
        return [effect for at in places for effect in self.take(problem, at, shows=False, now=now)]

    @staticmethod
    def places(keys: Iterable[str], problem: str) -> list[Ref]:
        """Return the places of the alarms of a kind."""
        parts = [key.split("/") for key in keys]
        return [Ref(device, point) for kind, device, point in parts if kind == problem]

    def recall(self, remembered: Mapping[str, str], known: set[Ref], now: Moment) -> list[Emit]:
        """Take up a former run's alarms; what is of a lamp that is gone, or was raised anew, is over."""
        effects = []
        for key, alarm_id in remembered.items():
            _, device, point = key.split("/")
            if Ref(device, point) in known and key not in self.active:
                self.active[key] = alarm_id
            elif self.active.get(key) != alarm_id:
                effects.append(self._cleared(key, alarm_id, now, None))
        return effects

    def _cleared(self, key: str, alarm_id: str, now: Moment, value: float | None) -> Emit:
        problem, device, point = key.split("/")
        return Emit(AlarmCleared(alarm_id, now.wall_ms, problem, device, point, value, now.clock))
