"""The limits of one alarm on one point: asked only when their figure leaves where nothing changes."""

import math
from collections.abc import Sequence

from edge.clock import Moment
from edge.rules.alarms import AlarmInstance
from edge.rules.detectors import Limit, Measure
from edge.rules.window import Window


class Levels:
    """What most samples meet: a figure between limits, and nothing that waits for anything."""

    __slots__ = ("_greatest", "_least", "_moving", "_settled", "alarms", "measure")

    def __init__(self, measure: Measure) -> None:
        """Begin without limits."""
        self.measure = measure
        self._moving = measure if isinstance(measure, Window) else None
        self.alarms: list[tuple[AlarmInstance, Limit]] = []
        self._settled = False
        self._least, self._greatest = math.inf, -math.inf

    def take(self, value: float, now: Moment, now_s: float) -> Sequence[AlarmInstance]:
        """Take a good number; return the alarms that are to be asked."""
        figure = self._moving.add(value, now_s) if self._moving else self.measure.take(value, now)
        if figure is not None:
            if self._least <= figure <= self._greatest:
                return ()
            if not self._settled:
                self._settle()
                if self._least <= figure <= self._greatest:
                    return ()
        return [alarm for alarm, _ in self.alarms]

    def unsettle(self) -> None:
        """Take it that one of the alarms may have changed."""
        self._settled = False
        self._least, self._greatest = math.inf, -math.inf

    def _settle(self) -> None:
        self._settled = True
        self._least, self._greatest = -math.inf, math.inf
        for alarm, limit in self.alarms:
            if alarm.restless:
                self._least, self._greatest = math.inf, -math.inf
                return
            least, greatest = limit.unchanged(active=alarm.shown)
            self._least, self._greatest = max(self._least, least), min(self._greatest, greatest)
