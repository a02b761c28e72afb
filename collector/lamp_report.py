"""A month of lamps: the figures by night, by cabinet and by lamp, and the same as CSV. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from contract.events import LampNight
from lighting.figures import Figures, was_lit, was_seen

TROUBLED_MAX = 500
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
    """What was done in some nights; ``online`` by night, where it is known.

    ``add`` takes records gateway by gateway: of lamps only those of one gateway are held, and the worst.
    """

    district: str
    first: date
    last: date
    whole: Figures = field(default_factory=Figures)
    by_night: dict[str, Figures] = field(default_factory=dict)
    by_gateway: dict[str, Figures] = field(default_factory=dict)
    online: Mapping[str, Online] = field(default_factory=dict)
    troubled_lamps: int = 0
    """How many failed or did not burn."""
    troubled: list[LampMonth] = field(default_factory=list)
    """Up to TROUBLED_MAX of them, those with most such nights first; complete once ``settle`` was called."""
    _lamps: dict[str, LampMonth] = field(default_factory=dict)

    @property
    def online_rate(self) -> float | None:
        """Mean over nights of the share of concentrators that were connected; None where nobody knows."""
        shares = [night.online / night.all for night in self.online.values() if night.all]
        return sum(shares) / len(shares) if shares else None

    def add(self, gateway: str, night: LampNight) -> None:
        """Count a record; all of a gateway come together."""
        if gateway not in self.by_gateway:
            self.settle()
        lamp = self._lamps.setdefault(night.lamp, LampMonth(gateway, night.lamp))
        lamp.part = night.part or lamp.part
        for figures in (
            self.whole,
            self.by_night.setdefault(night.night, Figures()),
            self.by_gateway.setdefault(gateway, Figures()),
            lamp.figures,
        ):
            figures.add(night)
        if night.should_s and not was_lit(night):
            lamp.unlit_nights.append(night.night)

    def settle(self) -> None:
        """Judge the lamps of the gateway that came last; put nights in order."""
        found = [lamp for lamp in self._lamps.values() if lamp.unlit_nights or lamp.figures.failures]
        self.troubled_lamps += len(found)
        self.troubled = sorted([*self.troubled, *found], key=_worst_first)[:TROUBLED_MAX]
        self._lamps = {}
        self.by_night = dict(sorted(self.by_night.items()))


def _worst_first(lamp: LampMonth) -> tuple[int, str, str]:
    return -len(lamp.unlit_nights) - sum(lamp.figures.failures.values()), lamp.gateway, lamp.lamp


def reported(
    district: str,
    first: date,
    last: date,
    nights: Iterable[tuple[str, LampNight]],
    online: Mapping[str, Online],
) -> Report:
    """Return the report of (gateway, record), gateway by gateway, from the night ``first`` to ``last``."""
    report = Report(district, first, last, online=online)
    for gateway, night in nights:
        report.add(gateway, night)
    report.settle()
    return report


def as_csv(nights: Iterable[tuple[str, LampNight]], *, begins: bool = True) -> str:
    """Return one line for each lamp and night.

    Where it ``begins``, columns stand first, after a byte order mark, so that Excel reads UTF-8.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    if begins:
        text.write("\ufeff")
        writer.writerow(CSV_COLUMNS)
    for gateway, night in nights:
        writer.writerow(_row(gateway, night))
    return text.getvalue()


def _harmless(text: str) -> str:
    """Return a free text so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _row(gateway: str, night: LampNight) -> Sequence[object]:
    return (
        night.night,
        gateway,
        night.lamp,
        _harmless(night.part),
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
