"""Whose turn it is on a line. Pure: earliest deadline first; the dead are asked ever less often."""

from dataclasses import dataclass

DEAD_AFTER_FAILURES = 3
BACK_OFF_MAX_S = 60.0


@dataclass
class Turn:
    """One device's place in the schedule; times are monotonic seconds."""

    device: str
    interval_s: float
    due_s: float
    failures: int = 0

    @property
    def wait_s(self) -> float:
        """How long until it is due again after now: its interval, or more for a dead device."""
        doublings = max(0, self.failures - DEAD_AFTER_FAILURES + 1)
        if not doublings:
            return self.interval_s
        return max(self.interval_s, min(self.interval_s * 2.0 ** min(doublings, 30), BACK_OFF_MAX_S))


class Schedule:
    """The devices of one line."""

    def __init__(self, intervals_s: dict[str, float], now_s: float) -> None:
        """Everyone is due at once: a fresh gateway shows everything as soon as the line allows."""
        self._turns = {device: Turn(device, interval_s, now_s) for device, interval_s in intervals_s.items()}

    def next(self) -> Turn:
        """Return the turn with the earliest deadline."""
        return min(self._turns.values(), key=lambda turn: turn.due_s)

    def polled(self, device: str, *, answered: bool, now_s: float) -> None:
        """Set the next deadline on the device's own grid, without drift; missed turns are skipped."""
        turn = self._turns[device]
        turn.failures = 0 if answered else turn.failures + 1
        step_s = turn.wait_s
        turn.due_s += step_s
        if turn.due_s <= now_s:
            turn.due_s = now_s + step_s - (now_s - turn.due_s) % step_s
