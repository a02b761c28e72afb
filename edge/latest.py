"""What each device said last, by reference: the way of a sample costs nothing more for it. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence

from contract.samples import Measured, Row, Sample, spread

PARTS_MAX = 16
"""Of a device so many tellings of some of its points are kept since the last of all of them."""


class Latest:
    """Takes what is measured of one device at a time."""

    def __init__(self, points: Mapping[str, int]) -> None:
        """``points`` says how many points of each device are polled."""
        self._points = points
        self._whole: dict[str, Sequence[Measured]] = {}
        self._parts: dict[str, deque[Sequence[Measured]]] = {}

    def take(self, measured: Sequence[Measured]) -> None:
        """Take what was measured of one device; it is not to be changed any more."""
        if not measured:
            return
        first = measured[0]
        if isinstance(first, Row) or len(measured) >= self._points.get(first.device, 0):
            self._whole[first.device] = measured
            if self._parts:
                self._parts.pop(first.device, None)
        else:
            self._parts.setdefault(first.device, deque(maxlen=PARTS_MAX)).append(measured)

    def of(self, device: str) -> list[Sample]:
        """Return the last sample of each of its points; none of what was never told."""
        known = {each.point: each for each in spread(self._whole.get(device, ()))}
        for part in self._parts.get(device, ()):
            known |= {each.point: each for each in spread(part)}
        return list(known.values())
