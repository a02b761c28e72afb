"""Since when a value has kept within a band, whatever the band's place. Pure."""

import math
from collections import deque
from typing import NamedTuple

from edge.rules.window import VALUES_MAX


class _Peak(NamedTuple):
    """A value that no later one outdoes, and the values before it that it outdoes: from when to when."""

    first_s: float
    last_s: float
    height: float


class Steady:
    """The newest values that differ by no more than ``flat_by``; constant time a value, amortised."""

    def __init__(self, flat_by: float, flat_for_s: float, stale_s: float) -> None:
        """Begin empty; a hole longer than ``stale_s`` begins anew."""
        self._flat_by = flat_by * (1 + 1e-9)  # in floats 5.2 - 5.0 is more than 0.2
        self._flat_for_s, self._stale_s = flat_for_s, stale_s
        self.newest_s = -math.inf
        self.since_s = math.inf
        """Of the oldest of them, as far as it matters."""
        self.moved = False
        """A value left the band since they were counted anew."""
        self.value = 0.0
        self._tops: deque[_Peak] = deque()
        self._bottoms: deque[_Peak] = deque()

    def add(self, value: float, at_s: float) -> None:
        """Take a good value."""
        if at_s - self.newest_s > self._stale_s:
            self._tops.clear()
            self._bottoms.clear()
            self.since_s, self.moved = at_s, False
        self.newest_s, self.value = at_s, value
        _push(self._tops, value, at_s)
        _push(self._bottoms, -value, at_s)
        while self._tops[0].height + self._bottoms[0].height > self._flat_by:
            # The newest value stands in both; whichever holds an older one gives way.
            oldest = min(self._tops, self._bottoms, key=lambda peaks: (len(peaks) == 1, peaks[0].last_s))
            oldest.popleft()
            self.since_s, self.moved = oldest[0].first_s, True
            self._drop_before(self.since_s)
        self._trim(at_s - self._flat_for_s)

    @property
    def flat(self) -> bool:
        """Whether they reach back for ``flat_for_s``."""
        return self.newest_s - self.since_s >= self._flat_for_s

    def _drop_before(self, since_s: float) -> None:
        for peaks in (self._tops, self._bottoms):
            while peaks[0].last_s < since_s:
                peaks.popleft()

    def _trim(self, until_s: float) -> None:
        """Let go of peaks that say nothing of the time that counts."""
        for peaks in (self._tops, self._bottoms):
            while len(peaks) > 1 and (peaks[1].first_s <= until_s or len(peaks) > VALUES_MAX):
                peaks.popleft()


def _push(peaks: deque[_Peak], height: float, at_s: float) -> None:
    first_s = at_s
    while peaks and peaks[-1].height <= height:
        first_s = peaks.pop().first_s
    peaks.append(_Peak(first_s, at_s, height))
