"""The monthly byte budget: what the link has carried, and how much of the budget may be used by now. Pure.

The budget accrues evenly over the calendar month, a few days of it in advance; what was not used stays usable
until the month ends. Telemetry waits where it is used up; alarms do not, and count. Where no time is known it
accrues as evenly by running time, and any 31 days of that use the budget once.
"""

import math
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from contract.limits import TIME_MS_MAX
from contract.samples import ClockState
from edge.clock import Moment
from edge.uplink.untimed import DAY_MS, Untimed

MONTHS_KEPT_MAX = 12
UNKNOWN = ""
"""The month where none is known."""
UNKNOWN_MS = 31 * DAY_MS
"""It is taken for as long as the longest: in none then more is used than it has."""
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
    untimed: Untimed = msgspec.field(default_factory=Untimed)
    """What was used since then by a clock that was not set; in no month yet."""


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


@dataclass(frozen=True)
class Account:
    """A month, or days of running time in place of one, as it stands at a moment."""

    name: str
    used: MonthUse
    begins_ms: int
    gone_ms: int
    period_ms: int
    """How long the whole budget takes to accrue."""
    rest_ms: int
    """How soon it will be another account."""


class Allowance:
    """Counts what the link carries by month, and says whether telemetry may go.

    A clock that is not set counts on from the time that was known last, to the end of that month; then, or
    where none ever was, by running time alone. Once the time is known, what was used meanwhile goes to the
    months in which it was. Where the clock goes back into an earlier month, what was counted since counts
    to that one, too, and stays where it is: a month that begins again does not begin anew.
    """

    def __init__(self, plan: Plan, now: Moment) -> None:
        """Nothing is known of a former run yet."""
        self.plan = plan
        self.use = Use()
        self._anchor_ns = now.mono_ns
        self._month: Month | None = None

    def recall(self, kept: Use, now: Moment) -> None:
        """Take up what a former run counted; what this one has counted before is added."""
        self._run(now)
        ours, self.use = self.use, kept
        kept.untimed.run(ours.untimed.running_ms)
        self.spend(sum(each.octets for each in ours.months.values()) + ours.untimed.used(), now)

    def spend(self, octets: int, now: Moment) -> None:
        """The link has carried so many bytes."""
        if now.clock is ClockState.UNSET:
            self._run(now)
            self.use.untimed.spend(octets)
        else:
            self._known(now).octets += octets

    def used(self, now: Moment) -> MonthUse:
        """Return what this month has used."""
        found = self._account(now).used
        return MonthUse(found.octets, found.since_ms)

    def available(self, now: Moment) -> float:
        """Return how many bytes may be used now; negative where alarms took more, infinite without budget."""
        account = self._account(now)
        return self._left(account) if self.plan.monthly_bytes_max else math.inf

    def wait_s(self, octets: int, now: Moment) -> float:
        """Return how long until so many bytes may go, if nothing else goes.

        At most until the account is another: the next month, or without one the next day of running time.
        """
        budget = self.plan.monthly_bytes_max
        if not budget:
            return 0.0
        account = self._account(now)
        short = octets - self._left(account)
        if short <= 0:
            return 0.0
        rest_s = account.rest_ms / 1000
        exceeds = account.used.octets + octets > budget
        return rest_s if exceeds else min(short * account.period_ms / 1000 / budget, rest_s)

    def expected(self, now: Moment) -> int | None:
        """Return what the month will have used at this pace; None where that cannot be said yet."""
        account = self._account(now)
        counted_ms = account.begins_ms + account.gone_ms - account.used.since_ms
        if account.name == UNKNOWN or counted_ms < EXPECTED_AFTER_MS:
            return None
        return round(account.used.octets * (1 + account.rest_ms / counted_ms))

    def month(self, now: Moment) -> str:
        """Return the month's name; empty where none is known."""
        return self._account(now).name

    def is_calendar(self, now: Moment) -> bool:
        """Say whether the budget accrues by the calendar; else by running time, for the clock is not set."""
        return now.clock is not ClockState.UNSET

    def _left(self, account: Account) -> int:
        budget, burst_ms = self.plan.monthly_bytes_max, self.plan.monthly_burst_days * DAY_MS
        accrued = int(budget * (account.gone_ms + burst_ms) / account.period_ms)
        return min(budget, accrued) - account.used.octets

    def _account(self, now: Moment) -> Account:
        if now.clock is not ClockState.UNSET:
            return self._of_month(now.wall_ms, self._known(now))
        self._run(now)
        untimed, known_ms, begins_ms = self.use.untimed, self.use.known_ms, 0
        if known_ms:
            month = self._month_at(known_ms)
            begins_ms = month.ends_ms - known_ms
            if untimed.running_ms < begins_ms:
                found = self.use.months.get(month.name) or MonthUse(0, known_ms)
                used = MonthUse(found.octets + untimed.used(), found.since_ms)
                return self._of_month(known_ms + untimed.running_ms, used)
        used, gone_ms = MonthUse(untimed.used(begins_ms), 0), untimed.running_ms - begins_ms
        to_next_day_ms = DAY_MS - untimed.running_ms % DAY_MS
        return Account(UNKNOWN, used, 0, gone_ms, UNKNOWN_MS, to_next_day_ms)

    def _of_month(self, wall_ms: int, used: MonthUse) -> Account:
        month = self._month_at(wall_ms)
        begins_ms, ends_ms = month.begins_ms, month.ends_ms
        return Account(
            month.name, used, begins_ms, wall_ms - begins_ms, ends_ms - begins_ms, ends_ms - wall_ms
        )

    def _month_at(self, wall_ms: int) -> Month:
        month = self._month
        if month is None or not month.begins_ms <= wall_ms < month.ends_ms:
            month = self._month = Month.at(wall_ms, self.plan.utc_offset_min)
        return month

    def _known(self, now: Moment) -> MonthUse:
        """Return the count of this month; enter it if it has just begun, or was entered again."""
        month, months = self._month_at(now.wall_ms), self.use.months
        self._run(now)
        self.use.known_ms = now.wall_ms
        if month.name not in months or next(reversed(months)) != month.name:
            self._enter(month.name, now.wall_ms)
        found = months[month.name]
        if self.use.untimed.running_ms or self.use.untimed.days:
            self._place(month, found, now)
        return found

    def _place(self, month: Month, found: MonthUse, now: Moment) -> None:
        """Count what was used without a time to the months in which it was."""
        untimed, self.use.untimed = self.use.untimed, Untimed()
        found.since_ms = min(found.since_ms, max(month.begins_ms, now.wall_ms - untimed.running_ms))
        for ended_ms, octets in untimed.placed(now.wall_ms):
            if ended_ms >= month.begins_ms:
                found.octets += octets
            else:
                name = Month.at(ended_ms, self.plan.utc_offset_min).name
                self.use.months.setdefault(name, MonthUse(0, ended_ms)).octets += octets

    def _enter(self, name: str, wall_ms: int) -> None:
        months = self.use.months
        found = months.pop(name, None) or MonthUse(0, wall_ms)
        for other, later in months.items():
            if other > name:
                found.octets += later.octets - later.told_back
                later.told_back = later.octets
        months[name] = found
        while len(months) > MONTHS_KEPT_MAX:
            del months[next(iter(months))]

    def _run(self, now: Moment) -> None:
        """Count the time that has gone, which matters where no other is known."""
        gone_ms = max(0, now.mono_ns - self._anchor_ns) // 1_000_000
        self._anchor_ns += gone_ms * 1_000_000
        untimed = self.use.untimed
        if now.clock is ClockState.UNSET or untimed.running_ms or untimed.days:
            untimed.run(gone_ms)
