"""How many bytes may be under way: as many as the link carries in its delay and a little queue. Pure.

A fixed window is a queue on a slow link, and whatever is said now waits behind it. This one follows what
is acknowledged: delivery rate x (shortest round trip + ``delay_s``). Acknowledgements may come in groups.
"""

import math
from collections import deque
from dataclasses import dataclass

FIRST_BYTES = 16 * 1024
"""What a new connection may carry unheard."""
BYTES_MIN = 4 * 1024
RATE_AGE_S = 3.0
"""The best rate of at least so long counts, and of three round trips."""
PROBE_INTERVAL_S = 60.0
"""So old at most is the shortest round trip; then the queue is let run empty to see a new one."""
PROBE_PART = 0.75
PROBE_S_MAX = 10.0


@dataclass(slots=True)
class Flight:
    """One batch under way, and how much had been delivered, and when, as it left."""

    sequence: int
    size: int
    sent_s: float
    delivered: int
    delivered_s: float
    probes: bool
    """It left when there was no queue."""


class Window:
    """The window of one lane over its connections; times are monotonic seconds, sizes bytes."""

    def __init__(self, bytes_max: int, delay_s: float) -> None:
        """``delay_s`` is the queue that is allowed for; 0 leaves the window at ``bytes_max``."""
        self._bytes_max, self._delay_s = bytes_max, delay_s
        self.connect()

    def connect(self) -> None:
        """Another connection may have another way: begin anew."""
        self.size = min(FIRST_BYTES, self._bytes_max) if self._delay_s else self._bytes_max
        self.under_way = 0
        self.round_trip_s = math.inf
        """The shortest of late."""
        self._seen_s = math.inf
        self._probe_s = math.inf  # since when it runs the queue empty
        self._delivered, self._delivered_s = 0, 0.0
        self._rates: deque[tuple[float, float]] = deque()

    @property
    def rate(self) -> float:
        """Bytes a second that were delivered at best of late; 0 where nothing is known."""
        return self._rates[0][1] if self._rates else 0.0

    @property
    def room(self) -> bool:
        """Say whether one more may be sent; a single batch always may."""
        return self.under_way < self._allowed

    @property
    def _allowed(self) -> float:
        if self._probe_s == math.inf:
            return self.size
        return min(self.size, max(BYTES_MIN, self.rate * self.round_trip_s * PROBE_PART))

    def sent(self, sequence: int, size: int, now_s: float) -> Flight:
        """Count a batch that was handed to the link."""
        if self._probe_s == math.inf and now_s - self._seen_s > PROBE_INTERVAL_S:
            self._probe_s = now_s
            probes = self.under_way < self._allowed
        else:
            probes = self._probe_s < math.inf
        if not self.under_way:
            self._delivered_s = now_s
        self.under_way += size
        return Flight(sequence, size, now_s, self._delivered, self._delivered_s, probes)

    def lost(self) -> None:
        """Nothing is known of what was under way: it is sent again."""
        self.under_way = 0

    def delivered(self, flight: Flight, now_s: float, *, again: bool = False, newest: bool = True) -> None:
        """Count a batch that was acknowledged; ``newest`` of those that were together.

        ``again`` says that it was sent more than once: nobody knows which of the copies it was.
        """
        was_full = self.under_way >= self.size / 2
        self.under_way = max(0, self.under_way - flight.size)
        self._delivered += flight.size
        if self._delay_s:
            self.size = min(self._bytes_max, self.size + flight.size)
        if not newest:
            return
        took_s = now_s - flight.delivered_s
        self._delivered_s = now_s
        if not self._delay_s or again or now_s <= flight.sent_s:
            return
        self._note_round_trip(flight, now_s)
        rate = (self._delivered - flight.delivered) / took_s
        if self._probe_s == math.inf and (was_full or rate > self.rate):
            self._note_rate(rate, now_s)
        if self._rates:
            target = self.rate * (self.round_trip_s + self._delay_s)
            self.size = round(max(BYTES_MIN, min(self.size, target)))

    def _note_round_trip(self, flight: Flight, now_s: float) -> None:
        round_trip_s = now_s - flight.sent_s
        too_long = now_s - self._probe_s > PROBE_S_MAX
        if round_trip_s <= self.round_trip_s or flight.probes or too_long:
            self.round_trip_s, self._seen_s, self._probe_s = round_trip_s, now_s, math.inf

    def _note_rate(self, rate: float, now_s: float) -> None:
        """Keep the falling row of best rates, so that the best is the first."""
        while self._rates and self._rates[-1][1] <= rate:
            self._rates.pop()
        self._rates.append((now_s, rate))
        age_s = max(RATE_AGE_S, 3 * self.round_trip_s)
        while len(self._rates) > 1 and now_s - self._rates[0][0] > age_s:
            self._rates.popleft()
