"""The limits of one alarm on one point: asked only when their figure leaves where nothing changes."""

import math
from collections.abc import Sequence

from edge.clock import Moment
from edge.rules.alarms import AlarmInstance
from edge.rules.detectors import Limit, Measure


class Levels:
    """What most samples meet: a figure between limits, and nothing that waits for anything."""

    __slots__ = ("_greatest", "_least", "alarms", "measure", "settled")

    def __init__(self, measure: Measure) -> None:
        """Begin without limits."""
        self.measure = measure
        self.alarms: list[tuple[AlarmInstance, Limit]] = []
        self.settled = False
        self._least, self._greatest = math.inf, -math.inf

    def take(self, value: float, now: Moment, _now_s: float) -> Sequence[AlarmInstance]:
        """Take a good number; return the alarms that are to be asked."""
        figure = self.measure.take(value, now)
        if not self.settled:
            self._settle()
        if figure is not None and self._least <= figure <= self._greatest:
            return ()
        return [alarm for alarm, _ in self.alarms]

    def unsettle(self) -> None:
        """Take it that one of the alarms may have changed."""
        self.settled = False

    def _settle(self) -> None:
        self.settled = True
        self._least, self._greatest = -math.inf, math.inf
        for alarm, limit in self.alarms:
            if alarm.restless:
                self._least, self._greatest = math.inf, -math.inf
                return
            least, greatest = limit.unchanged(active=alarm.shown)
            self._least, self._greatest = max(self._least, least), min(self._greatest, greatest)
