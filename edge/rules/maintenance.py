"""Planned work at devices: who, until when. It ends by itself. Pure."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from contract.events import MaintenanceChanged
from edge.clock import Moment
from edge.rules import local_time
from edge.rules.effects import Emit, Ids

DEVICES_MAX = 1000
WHO_CHARACTERS_MAX = 80


class Work(NamedTuple):
    """Planned work at one device."""

    until_ms: int
    who: str


class Maintenance:
    """Which devices are under maintenance. Alarms of theirs are marked as planned."""

    def __init__(self, ids: Ids) -> None:
        """None is."""
        self._ids = ids
        self.of: dict[str, Work] = {}
        self.due_s = math.inf
        """When the next one may be over."""

    def set(self, device: str, until_ms: int | None, who: str, now: Moment) -> list[Emit]:
        """Begin, prolong or shorten it; None, or a time that is past, ends it."""
        if until_ms is None or until_ms <= now.wall_ms:
            return [self._told(device, 0, who, now)] if self.of.pop(device, None) else []
        work = Work(until_ms, who[:WHO_CHARACTERS_MAX])
        if self.of.get(device) == work:
            return []
        if device not in self.of and len(self.of) >= DEVICES_MAX:
            return []
        self.of[device] = work
        self._look(now)
        return [self._told(device, until_ms, work.who, now)]

    def over(self, now: Moment) -> dict[str, Emit]:
        """End what is over by now; return the events by device."""
        ended = [device for device, work in self.of.items() if work.until_ms <= now.wall_ms]
        told = {device: self._told(device, 0, self.of.pop(device).who, now) for device in ended}
        self._look(now)
        return told

    def remembered(self) -> dict[str, list[Any]]:
        """Return what must survive a restart, as plain JSON."""
        return {device: list(work) for device, work in self.of.items()}

    def recall(self, remembered: Mapping[str, Any], now: Moment) -> None:
        """Take up what a former run remembered; what was said here since stands."""
        for device, (until_ms, who) in remembered.items():
            if len(self.of) < DEVICES_MAX:
                self.of.setdefault(device, Work(int(until_ms), str(who)))
        self._look(now)

    def _look(self, now: Moment) -> None:
        ends_ms = min((work.until_ms for work in self.of.values()), default=None)
        self.due_s = math.inf if ends_ms is None else local_time.due_s(now, ends_ms - now.wall_ms)

    def _told(self, device: str, until_ms: int, who: str, now: Moment) -> Emit:
        return Emit(MaintenanceChanged(self._ids(), now.wall_ms, device, until_ms, who, now.clock))
