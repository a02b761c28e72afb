"""When a gateway may connect again, so that a whole city does not at once. Pure.

The centre gives each gateway a turn of its own in a round that is as long as all of them together need. After
a loss that befell all, each comes in its turn, and one that fails comes again in its turn of a later round.
"""

import math

from contract.messages import Turn


class Turns:
    """The rounds since the last loss; times are monotonic seconds."""

    def __init__(self, turn: Turn | None, now_s: float) -> None:
        """``turn`` is what the centre gave last, if it ever did; the first round begins now."""
        self.turn = turn
        self._began_s = now_s

    def lost(self, now_s: float) -> None:
        """A connection that had been made is gone: a new round begins."""
        self._began_s = now_s

    def wait_s(self, now_s: float, at_least_s: float) -> float:
        """Return how long to wait for the next turn that is no sooner than ``at_least_s``."""
        if self.turn is None or not self.turn.of_s:
            return at_least_s
        first_s = self._began_s + self.turn.after_s
        rounds = max(0, math.ceil((now_s + at_least_s - first_s) / self.turn.of_s))
        return first_s + rounds * self.turn.of_s - now_s
