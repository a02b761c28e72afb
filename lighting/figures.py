"""The figures that a lighting team is asked for, of the records of lamps' nights. Pure.

National texts name the rates without saying how to count, so the rule is said here:

- **Lit rate** (亮灯率): of the lamps that were to burn in a night, those that were seen to burn for at least
  95 % of the time that somebody saw them. A lamp that was seen for less than half of its time counts as not
  lit, and is counted apart as unseen as well: nobody may count on it. So does one that was to burn by plan
  and of which there is no record, as of a cabinet without power; it is counted apart as missing.
- **Intact rate** (设施完好率): of the lamps of which there is a record, those without a failure that night.
- **Energy**: what was measured, against every lamp at full light from sunset to sunrise. Compared are lamps
  that have both figures, in nights in which they were seen to burn for 95 % of the time that they were to:
  what a dark lamp does not use is no saving, nor what nobody measured.

A circuit that feeds lamps with records of their own counts in none of these: it would count them twice. Its
failures and repeated commands are its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contract.events import LampNight

LIT_SHARE_MIN = 0.95
SEEN_SHARE_MIN = 0.5


@dataclass
class Figures:
    """Sums over lamps and nights; ``add`` one record after the other."""

    records: int = 0
    should: int = 0
    lit: int = 0
    unseen: int = 0
    astray: int = 0
    intact: int = 0
    corrected: int = 0
    energy_wh: float = 0
    compared_wh: float = 0
    baseline_wh: float = 0
    failures: dict[str, int] = field(default_factory=dict)
    """Lamp-nights by failure class."""
    missing: int = 0
    """Lamp-nights that were to be lit by plan, and of which there is no record; they are in ``should``."""

    def add(self, night: LampNight) -> None:
        """Count a lamp's night; of a circuit beside its lamps only what is its own."""
        self.corrected += night.corrected
        for failure in night.failures:
            self.failures[failure] = self.failures.get(failure, 0) + 1
        if night.feeds:
            return
        self.records += 1
        self.intact += not night.failures
        self.astray += night.astray_s > 0
        if night.should_s:
            self.should += 1
            self.lit += was_lit(night)
            self.unseen += not was_seen(night)
        if night.energy_wh is not None:
            self.energy_wh += night.energy_wh
            if night.baseline_wh and night.lit_s >= LIT_SHARE_MIN * night.should_s:
                self.compared_wh += night.energy_wh
                self.baseline_wh += night.baseline_wh

    def miss(self, lamp_nights: int = 1) -> None:
        """Count lamps that were to burn by plan, and of which nobody told."""
        self.should += lamp_nights
        self.missing += lamp_nights

    @property
    def lit_rate(self) -> float | None:
        """Between 0 and 1; None where no lamp was to burn."""
        return self.lit / self.should if self.should else None

    @property
    def intact_rate(self) -> float | None:
        """Between 0 and 1; None without records."""
        return self.intact / self.records if self.records else None

    @property
    def saved_share(self) -> float | None:
        """Share of the baseline that was not used; None where nothing can be compared."""
        return 1 - self.compared_wh / self.baseline_wh if self.baseline_wh else None


def counted(nights: Iterable[LampNight]) -> Figures:
    """Return the figures of these records."""
    figures = Figures()
    for night in nights:
        figures.add(night)
    return figures


def was_seen(night: LampNight) -> bool:
    """Say whether somebody saw the lamp for long enough to judge it."""
    return night.lit_s + night.dark_s >= SEEN_SHARE_MIN * night.should_s


def was_lit(night: LampNight) -> bool:
    """Say whether the lamp counts as lit, where it was to burn."""
    return was_seen(night) and night.lit_s >= LIT_SHARE_MIN * (night.lit_s + night.dark_s)
