"""The monthly byte budget: what the link has carried, and how much of the budget may be used by now. Pure.

The budget accrues evenly over the calendar month, a few days of it in advance; what was not used stays usable
until the month ends. Telemetry waits where it is used up; alarms do not, and count.
"""

import math
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from contract.limits import TIME_MS_MAX
from contract.samples import ClockState
from edge.clock import Moment

DAY_MS = 86_400_000
MONTHS_KEPT_MAX = 12
UNKNOWN = ""
"""The month of a gateway that never knew the time; what it used counts to the first month that it knows."""
UNKNOWN_DAYS = 28
"""As long as the shortest month, for what it may use by then."""
EXPECTED_AFTER_MS = DAY_MS // 4
"""Sooner nothing can be said of the month's end."""


@dataclass(frozen=True)
class Plan:
    """The budget, from the settings; 0 is none."""

    monthly_bytes_max: int = 0
    monthly_burst_days: float = 3
    utc_offset_min: int = 480


class MonthUse(msgspec.Struct):
    """What one month has used, and since when that was counted."""

    octets: int
    since_ms: int
    told_back: int = 0
    """What of it counts to an earlier month as well, because the clock went back there."""


class Use(msgspec.Struct):
    """What is kept over restarts: by month, as ``2026-11``; the month touched last stands last."""

    months: dict[str, MonthUse] = {}
    known_ms: int = 0
    """The last time that was known; 0 for never."""


@dataclass(frozen=True)
class Month:
    """A calendar month of the site."""

    name: str
    begins_ms: int
    ends_ms: int

    @classmethod
    def at(cls, wall_ms: int, utc_offset_min: int) -> "Month":
        """Return the month of a moment."""
        offset = timedelta(minutes=utc_offset_min)
        local = datetime.fromtimestamp(min(wall_ms, TIME_MS_MAX - 31 * DAY_MS) / 1000, UTC) + offset
        days = monthrange(local.year, local.month)[1]
        begins_ms = round((datetime(local.year, local.month, 1, tzinfo=UTC) - offset).timestamp() * 1000)
        return cls(f"{local.year:04d}-{local.month:02d}", begins_ms, begins_ms + days * DAY_MS)


class Allowance:
    """Counts what the link carries by month, and says whether telemetry may go.

    A clock that is not set counts on from the time that was known last, and to that month. Where the clock
    goes back into an earlier month, what was counted since counts to that one, too, and stays where it is:
    a month that begins again does not begin anew.
    """

    def __init__(self, plan: Plan, now: Moment) -> None:
        """Nothing is known of a former run yet."""
        self.plan = plan
        self.use = Use()
        self._anchor_ns = now.mono_ns
        self._month: Month | None = None

    def recall(self, kept: Use, now: Moment) -> None:
        """Take up what a former run counted; what this one has counted before is added."""
        ours, self.use = self.use, kept
        self._month, self._anchor_ns = None, now.mono_ns
        self.spend(sum(each.octets for each in ours.months.values()), now)

    def spend(self, octets: int, now: Moment) -> None:
        """The link has carried so many bytes."""
        self._used(now).octets += octets

    def used(self, now: Moment) -> MonthUse:
        """Return what this month has used."""
        found = self._used(now)
        return MonthUse(found.octets, found.since_ms)

    def available(self, now: Moment) -> float:
        """Return how many bytes may be used now; negative where alarms took more, infinite without budget."""
        if not self.plan.monthly_bytes_max:
            return math.inf
        used = self._used(now).octets
        return self._allowed(self._wall_ms(now)) - used

    def wait_s(self, octets: int, now: Moment) -> float:
        """Return how long until so many bytes may go, if nothing else goes; at most until the next month."""
        short = octets - self.available(now)
        if short <= 0:
            return 0.0
        month = self._month
        days = UNKNOWN_DAYS if month is None else (month.ends_ms - month.begins_ms) / DAY_MS
        budget = self.plan.monthly_bytes_max
        wait_s = short * days * DAY_MS / 1000 / budget
        if month is None:
            return wait_s
        rest_s = (month.ends_ms - self._wall_ms(now)) / 1000
        return rest_s if self._used(now).octets + octets > budget else min(wait_s, rest_s)

    def expected(self, now: Moment) -> int | None:
        """Return what the month will have used at this pace; None where that cannot be said yet."""
        found, month, wall_ms = self._used(now), self._month, self._wall_ms(now)
        counted_ms = wall_ms - found.since_ms
        if month is None or counted_ms < EXPECTED_AFTER_MS:
            return None
        return round(found.octets * (1 + (month.ends_ms - wall_ms) / counted_ms))

    def month(self, now: Moment) -> str:
        """Return the month's name; empty where the time was never known."""
        self._used(now)
        return self._month.name if self._month else UNKNOWN

    def _allowed(self, wall_ms: int) -> int:
        budget, burst_ms = self.plan.monthly_bytes_max, self.plan.monthly_burst_days * DAY_MS
        if self._month is None:
            return min(budget, int(budget * burst_ms / (UNKNOWN_DAYS * DAY_MS)))
        gone_ms = wall_ms - self._month.begins_ms + burst_ms
        return min(budget, int(budget * gone_ms / (self._month.ends_ms - self._month.begins_ms)))

    def _used(self, now: Moment) -> MonthUse:
        """Return the count of this month; enter it if it has just begun, or was entered again."""
        wall_ms = self._wall_ms(now)
        month = self._month
        if wall_ms and (month is None or not month.begins_ms <= wall_ms < month.ends_ms):
            month = self._month = Month.at(wall_ms, self.plan.utc_offset_min)
        name, months = month.name if month else UNKNOWN, self.use.months
        if name not in months or next(reversed(months)) != name:
            self._enter(name, wall_ms)
        return months[name]

    def _enter(self, name: str, wall_ms: int) -> None:
        months = self.use.months
        found = months.pop(name, None) or MonthUse(0, wall_ms)
        if UNKNOWN in months:
            found.octets += months.pop(UNKNOWN).octets
        for other, later in months.items():
            if other > name:
                found.octets += later.octets - later.told_back
                later.told_back = later.octets
        months[name] = found
        while len(months) > MONTHS_KEPT_MAX:
            del months[next(iter(months))]

    def _wall_ms(self, now: Moment) -> int:
        """Return the time that counts; 0 where none was ever known."""
        if now.clock is not ClockState.UNSET:
            self.use.known_ms, self._anchor_ns = now.wall_ms, now.mono_ns
            return now.wall_ms
        if not self.use.known_ms:
            return 0
        since_ms = max(0, now.mono_ns - self._anchor_ns) // 1_000_000
        ends_ms = Month.at(self.use.known_ms, self.plan.utc_offset_min).ends_ms
        return min(self.use.known_ms + since_ms, ends_ms - 1)
