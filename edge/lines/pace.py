"""When the answer to a request that was answered before will be whole. Pure.

Whoever sleeps until then is woken once; to listen for the bytes costs a wake-up more, and to look too late
costs line time. A device whose answers take the same time again and again is looked at just after that, one
that takes now this long and now that long just before the soonest.
"""

from collections import deque

TIMES_KEPT = 8
TIMES_KNOWN_FROM = 3
STEADY_WITHIN_NS = 150_000
"""As far apart as a machine with other things to do tells the same time; or a quarter of a character."""
LOOK_EARLY_EVERY = 16
"""So often a steady device is looked at too early, to see whether it has become quicker."""


class Pace:
    """What is known of one request's answers; times are nanoseconds since the request had left."""

    def __init__(self, wire_ns: int, character_ns: int) -> None:
        """``wire_ns`` is what the wire needs for the answer."""
        self._wire_ns, self._character_ns = wire_ns, character_ns
        self._steady_ns = max(STEADY_WITHIN_NS, character_ns // 4)
        self._times_ns: deque[int] = deque(maxlen=TIMES_KEPT)
        self._steady_looks = 0  # since the device was found steady; in every so many the look is early
        self.look_ns = 0
        """When to look for the next answer; 0: listen from the start."""

    def took(self, took_ns: int, *, waited: bool) -> None:
        """An answer was whole after that time; unless ``waited`` it was there already, who knows how long."""
        if waited:
            self._times_ns.append(took_ns)
        elif self._steady_looks % LOOK_EARLY_EVERY == 0:  # the look was to be early, and was late
            before_ns = self.look_ns - self._character_ns - max(0, self.look_ns - self._wire_ns) // 4
            self._times_ns.append(max(0, before_ns))
        else:
            self._steady_looks += 1
            if self._steady_looks % LOOK_EARLY_EVERY == 0:
                self.look_ns = max(0, self.look_ns - 2 * self._character_ns)
            return
        self._look_again()

    def _look_again(self) -> None:
        """Choose the next look from the times that are known now."""
        times_ns = sorted(self._times_ns)
        if len(times_ns) < TIMES_KNOWN_FROM:
            return
        usual_ns = times_ns[-2]  # one answer that took longer says nothing
        if usual_ns - times_ns[0] <= self._steady_ns:
            self._steady_looks = 1
            self.look_ns = usual_ns
        else:
            self._steady_looks = 0
            self.look_ns = max(0, times_ns[0] - self._character_ns)
