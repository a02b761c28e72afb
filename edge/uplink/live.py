"""Newest values for whoever watches: what changed since the last message. Pure."""

import math
from collections.abc import Sequence
from itertools import islice

from contract.limits import LIVE_SAMPLES_MAX
from contract.samples import Measured, Sample, spread


class Live:
    """What is to be said live; times are monotonic seconds."""

    def __init__(self, interval_s: float, points_max: int) -> None:
        """Nobody watches."""
        self._interval_s, self._points_max = interval_s, points_max
        self._until_s = self._sent_s = -math.inf
        self.is_watched = False
        """Whether ``measured`` has to be told; it finds out when nobody watches any more."""
        self._changed: dict[tuple[str, str], Sample] = {}

    def watched(self, for_s: float, now_s: float) -> None:
        """Somebody watches for so long from now."""
        self._until_s = now_s + for_s
        self.is_watched = True

    def measured(self, measured: Sequence[Measured], now_s: float) -> bool:
        """Take what was measured; say whether there is anything to be sent by time."""
        if now_s >= self._until_s:
            self._changed.clear()
            self.is_watched = False
            return False
        changed = self._changed
        for sample in spread(measured):
            key = (sample.device, sample.point)
            changed.pop(key, None)  # to its end: what waits longest goes first
            if len(changed) < self._points_max:
                changed[key] = sample
        return bool(changed)

    def idle_s(self, now_s: float) -> float:
        """Return how long nothing is due; infinite where nothing is to be said."""
        if not self._changed or now_s >= self._until_s:
            return math.inf
        return max(0.0, self._sent_s + self._interval_s - now_s)

    def take(self, now_s: float) -> list[Sample]:
        """Return what is due now, and count it as sent."""
        if self.idle_s(now_s) > 0:
            return []
        self._sent_s = now_s
        keys = list(islice(self._changed, LIVE_SAMPLES_MAX))
        return [self._changed.pop(key) for key in keys]
