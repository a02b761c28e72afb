"""What a series store has for certain: written long ago, with the same process at work ever since. Pure.

A store that answers 204 may still lose what it took when it is killed. So there are two positions in the
journal: *written*, up to where requests were answered, and *settled*, behind which nothing is written again.
All times are seconds of one monotonic clock.
"""

from collections import deque
from dataclasses import dataclass

IDENTITY_STEP_S = 1.5
"""Start times are told in whole seconds. A write waits for the next one, in which no process starts alike."""

MARKS_MAX = 64
"""So many writes are told apart within ``settle_s``; others count as one, as late as its last."""


@dataclass(slots=True)
class _Mark:
    opened_s: float
    written_s: float
    position: int


class Settling:
    """Follows one store. ``identity`` is what the store says of its process, empty where it says nothing."""

    def __init__(self, settled: int, *, settle_s: float) -> None:
        """Begin as after a restart of our own: what is not settled is written again."""
        self.settled = self.written = settled
        self.identity: str | None = None
        """None: not asked yet."""
        self._settle_s = settle_s
        self._known_s = 0.0
        self._marks: deque[_Mark] = deque()

    def may_write(self, now_s: float) -> bool:
        """Say whether a process that takes a write from now on can be told from every later one."""
        return self.identity is not None and now_s >= self._known_s + IDENTITY_STEP_S

    def wrote(self, position: int, now_s: float) -> None:
        """Take note that all up to ``position`` is written, by requests answered before ``now_s``."""
        if position <= self.settled:
            return  # it was passed while the request was under way
        self.written = position
        last = self._marks[-1] if self._marks else None
        if last and (now_s < last.opened_s + self._settle_s / MARKS_MAX or len(self._marks) >= 2 * MARKS_MAX):
            last.position, last.written_s = position, now_s
        else:
            self._marks.append(_Mark(now_s, now_s, position))

    def heard(self, identity: str, asked_s: float, answered_s: float) -> bool:
        """Take note of who answered; return whether that makes us write something again.

        The same process as before was there from then until ``asked_s`` at least, so what was written
        ``settle_s`` before that is settled.
        """
        if identity != self.identity:
            self.identity, self._known_s = identity, answered_s
            return self._back()
        while self._marks and self._marks[0].written_s + self._settle_s <= asked_s:
            self.settled = self._marks.popleft().position
        return False

    def failed(self) -> bool:
        """Take note of a request without an answer; return whether that makes us write something again.

        It does not where the store tells its process: if that is still the same, nothing is lost, and a store
        that is merely slow would be given ever more work.
        """
        return not self.identity and self._back()

    def passed(self, position: int) -> None:
        """Never write again what lies up to ``position``: it is gone."""
        self.settled, self.written = max(self.settled, position), max(self.written, position)
        while self._marks and self._marks[0].position <= self.settled:
            self._marks.popleft()

    def move(self, position: int) -> None:
        """Go on from ``position``, whatever was written before."""
        self.settled = self.written = position
        self._marks.clear()

    def _back(self) -> bool:
        again = self.written != self.settled
        self.move(self.settled)
        return again
