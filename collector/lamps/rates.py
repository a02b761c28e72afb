"""The lit rate and the intact rate of the last whole night, as gauges."""

from collections.abc import Callable

from collector.lamps.reading import LampReading
from collector.metrics import Metrics

RENEWED_AFTER_S = 60.0
"""A night's records come once a day; whoever scrapes more often gets the same figures."""


class LampRates:
    """Keeps the gauges up to date."""

    def __init__(self, reading: LampReading, metrics: Metrics, *, monotonic_s: Callable[[], float]) -> None:
        """Nothing is read before somebody asks."""
        self._reading, self._metrics, self._monotonic_s = reading, metrics, monotonic_s
        self._measured_s: float | None = None

    async def measure(self) -> None:
        """Read the night, unless that was done a moment ago; a rate that is not known has no gauge."""
        now_s = self._monotonic_s()
        if self._measured_s is not None and now_s - self._measured_s < RENEWED_AFTER_S:
            return
        self._measured_s = now_s
        figures = await self._reading.last_night()
        rates = (self._metrics.lamps_lit, figures.lit_rate), (self._metrics.lamps_intact, figures.intact_rate)
        for gauge, rate in rates:
            gauge.clear()
            if rate is not None:
                gauge.labels(self._reading.district).set(rate)
