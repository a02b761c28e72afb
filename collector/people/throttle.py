"""How long whoever gave wrong passwords waits; pure but for its own table, which is bounded."""

from collections import OrderedDict

ADDRESS_SHARE = 10
"""An address may be a whole building's: it has so many times as many free tries as a user."""
DOUBLINGS_MAX = 30

Key = tuple[str, ...]


class Throttle:
    """Counts tries that did not succeed, by user and by address; every wait ends by itself.

    A try is counted before the password is looked at, so that many at once gain nothing. While somebody else
    tries a user's name, that user still signs in from where they did before, and on the machine itself.
    """

    def __init__(self, *, free: int, wait_max_s: float, tracked_max: int) -> None:
        """``free`` tries cost nothing; then each wait is twice the one before, up to ``wait_max_s``."""
        self._free, self._wait_max_s, self._tracked_max = free, wait_max_s, tracked_max
        self._tries: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        self._known: OrderedDict[Key, None] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._tries)

    def wait_s(self, user: str, address: str, now_s: float) -> float:
        """Return how long it is until this user may be tried from there; 0: now."""
        return max(self._left_s(key, now_s) for key in self._keys(user, address))

    def tried(self, user: str, address: str, now_s: float) -> None:
        """Count a try, which is taken to be wrong until it is known to be right."""
        for key in self._keys(user, address):
            count, last_s = self._tries.pop(key, (0, now_s))
            if now_s > last_s + self._delay_s(key, count) + self._wait_max_s:
                count = 0  # long ago
            self._tries[key] = (count + 1, now_s)
        while len(self._tries) > self._tracked_max:
            self._tries.popitem(last=False)

    def right(self, user: str, address: str) -> None:
        """Forget the user's tries, and this one of the address: it gains no others by it."""
        mine, whole_address = self._keys(user, address)
        self._tries.pop(mine, None)
        if whole_address in self._tries:
            count, last_s = self._tries[whole_address]
            self._tries[whole_address] = (count - 1, last_s)
        self._known[user, address] = None
        self._known.move_to_end((user, address))
        while len(self._known) > self._tracked_max:
            self._known.popitem(last=False)

    def _keys(self, user: str, address: str) -> tuple[Key, Key]:
        is_known = (user, address) in self._known or address in ("127.0.0.1", "::1")
        return ("both", user, address) if is_known else ("user", user), ("address", address)

    def _left_s(self, key: Key, now_s: float) -> float:
        count, last_s = self._tries.get(key, (0, now_s))
        return max(0.0, last_s + self._delay_s(key, count) - now_s)

    def _delay_s(self, key: Key, count: int) -> float:
        beyond = count - self._free * (ADDRESS_SHARE if key[0] == "address" else 1)
        return 0.0 if beyond <= 0 else min(self._wait_max_s, 2.0 ** min(beyond, DOUBLINGS_MAX))
