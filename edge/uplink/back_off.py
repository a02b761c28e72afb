"""How long to wait before the next connection. Pure."""

from random import Random

DOUBLINGS_MAX = 16


class BackOff:
    """Twice as long with each failure in a row, with a random part, so that gateways do not come in step."""

    def __init__(self, shortest_s: float, longest_s: float, random: Random) -> None:
        """Nothing has failed yet."""
        self._shortest_s, self._longest_s, self._random = shortest_s, longest_s, random
        self._failures = 0

    def ended(self, *, failed: bool) -> None:
        """A connection has ended; ``failed`` says that it came to nothing."""
        self._failures = min(self._failures + 1, DOUBLINGS_MAX) if failed else 0

    def wait_s(self) -> float:
        """Return how long to wait now: half to one and a half times what it is on average."""
        return min(self._shortest_s * 2.0**self._failures, self._longest_s) * (0.5 + self._random.random())
