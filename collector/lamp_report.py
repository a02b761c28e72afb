"""A month of lamps: the figures by night, by cabinet and by lamp, and the same as CSV. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from contract.events import LampNight
from lighting.figures import Figures, was_lit, was_seen

CSV_COLUMNS = (
    "night",
    "gateway",
    "lamp",
    "part",
    "should_s",
    "lit_s",
    "dark_s",
    "astray_s",
    "unpowered_s",
    "lit",
    "seen",
    "corrected",
    "energy_wh",
    "baseline_wh",
    "plan",
    "failures",
)


class Online(NamedTuple):
    """Of how many concentrators how many were connected, as time-weighted shares of one night."""

    online: float
    all: int


@dataclass
class LampMonth:
    """One lamp's month."""

    gateway: str
    lamp: str
    part: str = ""
    figures: Figures = field(default_factory=Figures)
    unlit_nights: list[str] = field(default_factory=list)


@dataclass
class Report:
    """What was done in some nights; ``online`` by night, where it is known."""

    district: str
    first: date
    last: date
    whole: Figures = field(default_factory=Figures)
    by_night: dict[str, Figures] = field(default_factory=dict)
    by_gateway: dict[str, Figures] = field(default_factory=dict)
    by_lamp: dict[tuple[str, str], LampMonth] = field(default_factory=dict)
    online: Mapping[str, Online] = field(default_factory=dict)

    @property
    def online_rate(self) -> float | None:
        """Mean over nights of the share of concentrators that were connected; None where nobody knows."""
        shares = [night.online / night.all for night in self.online.values() if night.all]
        return sum(shares) / len(shares) if shares else None

    @property
    def troubled(self) -> list[LampMonth]:
        """Lamps that failed or did not burn, those with most such nights first."""
        found = [lamp for lamp in self.by_lamp.values() if lamp.unlit_nights or lamp.figures.failures]
        return sorted(
            found,
            key=lambda lamp: (
                -len(lamp.unlit_nights) - sum(lamp.figures.failures.values()),
                lamp.gateway,
                lamp.lamp,
            ),
        )


def reported(
    district: str,
    first: date,
    last: date,
    nights: Iterable[tuple[str, LampNight]],
    online: Mapping[str, Online],
) -> Report:
    """Return the report of (gateway, record) from the night ``first`` to the night ``last``."""
    report = Report(district, first, last, online=online)
    for gateway, night in nights:
        lamp = report.by_lamp.setdefault((gateway, night.lamp), LampMonth(gateway, night.lamp))
        lamp.part = night.part or lamp.part
        for figures in (
            report.whole,
            report.by_night.setdefault(night.night, Figures()),
            report.by_gateway.setdefault(gateway, Figures()),
            lamp.figures,
        ):
            figures.add(night)
        if night.should_s and not was_lit(night):
            lamp.unlit_nights.append(night.night)
    report.by_night = dict(sorted(report.by_night.items()))
    return report


def as_csv(nights: Iterable[tuple[str, LampNight]]) -> str:
    """Return one line for each lamp and night; begins with a byte order mark, so that Excel reads UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    for gateway, night in nights:
        writer.writerow(_row(gateway, night))
    return "\ufeff" + text.getvalue()


def _row(gateway: str, night: LampNight) -> Sequence[object]:
    return (
        night.night,
        gateway,
        night.lamp,
        night.part,
        night.should_s,
        night.lit_s,
        night.dark_s,
        night.astray_s,
        night.unpowered_s,
        int(was_lit(night)) if night.should_s else "",
        int(was_seen(night)) if night.should_s else "",
        night.corrected,
        "" if night.energy_wh is None else night.energy_wh,
        night.baseline_wh,
        night.plan,
        " ".join(night.failures),
    )
