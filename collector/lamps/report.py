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
    "record",
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
    "feeds",
)


class Missing(NamedTuple):
    """A lamp that was to burn in a night by plan, and of which there is no record."""

    night: str
    lamp: str


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
    """With a record."""

    @property
    def is_in_trouble(self) -> bool:
        """Say whether it failed, did not burn, or was not told of."""
        return bool(self.unlit_nights or self.figures.failures or self.figures.missing)


@dataclass
class Report:
    """What was done in some nights; ``online`` by night, where it is known.

    ``add`` takes records gateway by gateway: of lamps only those of one gateway are held, and the worst.
    ``miss`` takes what there is no record of, before: of each such lamp a number is held.
    """

    district: str
    first: date
    last: date
    whole: Figures = field(default_factory=Figures)
    by_night: dict[str, Figures] = field(default_factory=dict)
    by_gateway: dict[str, Figures] = field(default_factory=dict)
    online: Mapping[str, Online] = field(default_factory=dict)
    troubled_lamps: int = 0
    """How many failed, did not burn, or were not told of."""
    troubled: list[LampMonth] = field(default_factory=list)
    """Up to TROUBLED_MAX of them, those with most such nights first; complete once ``settle`` was called."""
    _lamps: dict[str, LampMonth] = field(default_factory=dict)
    _gateway: str = ""
    """Whose lamps these are."""
    _missing: dict[str, dict[str, int]] = field(default_factory=dict)
    """Nights without a record by gateway and lamp."""

    @property
    def online_rate(self) -> float | None:
        """Mean over nights of the share of concentrators that were connected; None where nobody knows."""
        shares = [night.online / night.all for night in self.online.values() if night.all]
        return sum(shares) / len(shares) if shares else None

    def add(self, gateway: str, night: LampNight) -> None:
        """Count a record; all of a gateway come together."""
        if gateway != self._gateway:
            self._judge()
            self._gateway = gateway
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

    def miss(self, gateway: str, night: str, lamp: str) -> None:
        """Count a lamp that was to burn by plan, and of which there is no record."""
        for figures in (
            self.whole,
            self.by_night.setdefault(night, Figures()),
            self.by_gateway.setdefault(gateway, Figures()),
        ):
            figures.miss()
        lamps = self._missing.setdefault(gateway, {})
        lamps[lamp] = lamps.get(lamp, 0) + 1

    def settle(self) -> None:
        """Judge the lamps that are left; put nights and gateways in order."""
        self._judge()
        for gateway in sorted(self._missing):
            self._gateway = gateway
            self._judge()
        self.by_night = dict(sorted(self.by_night.items()))
        self.by_gateway = dict(sorted(self.by_gateway.items()))

    def _judge(self) -> None:
        """Judge the lamps of the gateway that came last."""
        for name, count in self._missing.pop(self._gateway, {}).items():
            self._lamps.setdefault(name, LampMonth(self._gateway, name)).figures.miss(count)
        found = [lamp for lamp in self._lamps.values() if lamp.is_in_trouble]
        self.troubled_lamps += len(found)
        self.troubled = sorted([*self.troubled, *found], key=_worst_first)[:TROUBLED_MAX]
        self._lamps = {}


def _worst_first(lamp: LampMonth) -> tuple[int, str, str]:
    nights = len(lamp.unlit_nights) + lamp.figures.missing + sum(lamp.figures.failures.values())
    return -nights, lamp.gateway, lamp.lamp


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


def as_csv(nights: Iterable[tuple[str, LampNight | Missing]], *, begins: bool = True) -> str:
    """Return one line for each lamp and night, also for one without a record.

    Where it ``begins``, columns stand first, after a byte order mark, so that Excel reads UTF-8.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    if begins:
        text.write("\ufeff")
        writer.writerow(CSV_COLUMNS)
    for gateway, night in nights:
        writer.writerow(_row(gateway, night) if isinstance(night, LampNight) else _lost(gateway, night))
    return text.getvalue()


def _harmless(text: str) -> str:
    """Return a free text so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _row(gateway: str, night: LampNight) -> Sequence[object]:
    judged = night.should_s and not night.feeds  # a circuit is no lamp of the rates
    return (
        night.night,
        gateway,
        night.lamp,
        1,
        _harmless(night.part),
        night.should_s,
        night.lit_s,
        night.dark_s,
        night.astray_s,
        night.unpowered_s,
        int(was_lit(night)) if judged else "",
        int(was_seen(night)) if judged else "",
        night.corrected,
        "" if night.energy_wh is None else night.energy_wh,
        night.baseline_wh,
        night.plan,
        " ".join(night.failures),
        night.feeds,
    )


def _lost(gateway: str, missing: Missing) -> Sequence[object]:
    """Return the line of a lamp that counts as not lit, for nobody told of it."""
    known = {
        "night": missing.night,
        "gateway": gateway,
        "lamp": missing.lamp,
        "record": 0,
        "lit": 0,
        "seen": 0,
    }
    return [known.get(name, "") for name in CSV_COLUMNS]
