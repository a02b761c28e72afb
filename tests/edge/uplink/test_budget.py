"""A month's bytes stay within the budget, alarms go all the same, and what was not used may be used later."""

from bisect import bisect_left
from datetime import datetime
from itertools import accumulate
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.samples import ClockState
from edge.clock import Moment
from edge.uplink.budget import UNKNOWN, Allowance, Month, Plan, Use
from edge.uplink.untimed import DAY_MS

MB = 1_000_000
PLAN = Plan(300 * MB, 3, 480)


def ms(text: str) -> int:
    """Return a moment of the site, which is eight hours ahead."""
    return round(datetime.fromisoformat(text + "+08:00").timestamp() * 1000)


def moment(wall_ms: int, clock: ClockState = ClockState.SYNCHRONISED, mono_ms: int | None = None) -> Moment:
    """Return a moment whose monotonic clock goes with the wall's unless told otherwise."""
    return Moment(1_000_000 * (wall_ms if mono_ms is None else mono_ms), wall_ms, clock)


def test_months_are_those_of_the_site() -> None:
    """Eight hours ahead a month begins eight hours before Greenwich's."""
    assert Month.at(ms("2026-12-01T00:00"), 480) == Month(
        "2026-12", ms("2026-12-01T00:00"), ms("2027-01-01T00:00")
    )
    assert Month.at(ms("2026-12-01T00:00") - 1, 480).name == "2026-11"
    assert Month.at(ms("2028-02-29T23:59"), 480).ends_ms == ms("2028-03-01T00:00")


@given(st.integers(0, 253_402_300_799_999), st.integers(-720, 840))
def test_every_moment_that_can_be_stamped_has_a_month(wall_ms: int, offset_min: int) -> None:
    """Up to the year 9999, wherever the site is."""
    month = Month.at(wall_ms, offset_min)
    assert 28 * DAY_MS <= month.ends_ms - month.begins_ms <= 31 * DAY_MS


def test_it_accrues_evenly_with_some_days_in_advance_and_what_was_not_used_stays() -> None:
    """300 MB in a month of thirty days: 30 MB at its first moment, 10 MB a day, never more than all of it."""
    allowance = Allowance(PLAN, moment(ms("2026-11-01T00:00")))
    assert allowance.available(moment(ms("2026-11-01T00:00"))) == 30 * MB
    allowance.spend(25 * MB, moment(ms("2026-11-01T00:00")))
    assert allowance.available(moment(ms("2026-11-11T00:00"))) == 105 * MB
    assert allowance.available(moment(ms("2026-11-30T23:59"))) == 275 * MB
    assert allowance.available(moment(ms("2026-12-01T00:00"))) == int(300 * MB * 3 / 31)


def test_it_says_how_long_to_wait() -> None:
    """5 MB are half a day's; nobody waits beyond the month."""
    at = ms("2026-11-01T00:00")
    allowance = Allowance(PLAN, moment(at))
    allowance.spend(30 * MB, moment(at))
    assert allowance.wait_s(5 * MB, moment(at)) == pytest.approx(43_200)
    assert allowance.available(moment(at + 43_200_000)) == 5 * MB
    assert allowance.wait_s(5 * MB, moment(at + 43_200_000)) == 0
    last = ms("2026-11-30T23:00")
    assert allowance.wait_s(400 * MB, moment(last)) == 3600


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 400), st.booleans())
def test_a_month_never_exceeds_its_budget_but_by_alarms(seed: int, busy: int, restarts: bool) -> None:
    """Three months of hours; telemetry asks, alarms do not; some hours the gateway restarts."""
    chance = Random(seed)
    at = ms("2026-11-01T00:00")
    allowance = Allowance(PLAN, moment(at))
    by_month: dict[str, int] = {}
    alarms: dict[str, int] = {}
    for _ in range(24 * 92):
        now = moment(at)
        name = Month.at(at, 480).name
        if chance.random() < 0.05:
            octets = chance.randrange(MB)
            alarms[name] = alarms.get(name, 0) + octets
            by_month[name] = by_month.get(name, 0) + octets
            allowance.spend(octets, now)
        for _ in range(chance.randrange(4)):
            octets = chance.randrange(1, busy * 10_000)
            if allowance.wait_s(octets, now) <= 0:
                by_month[name] = by_month.get(name, 0) + octets
                allowance.spend(octets, now)
        if restarts and chance.random() < 0.02:
            kept = msgspec.json.decode(msgspec.json.encode(allowance.use), type=Use)
            allowance = Allowance(PLAN, now)
            allowance.recall(kept, now)
        assert allowance.used(now).octets == by_month.get(name, 0)
        at += 3_600_000
    for name, used in by_month.items():
        assert used <= PLAN.monthly_bytes_max + alarms.get(name, 0)


def test_what_a_quiet_month_saved_can_be_used_in_its_last_days() -> None:
    """Nothing for four weeks, then all of it; a new month brings its own."""
    at = ms("2026-11-28T12:00")
    allowance = Allowance(PLAN, moment(ms("2026-11-01T00:00")))
    sent = 0
    while allowance.wait_s(MB, moment(at)) <= 0:
        allowance.spend(MB, moment(at))
        sent += 1
    assert sent == 300
    assert allowance.wait_s(MB, moment(at)) == 2.5 * 86_400
    assert allowance.wait_s(MB, moment(ms("2026-12-01T00:00"))) == 0


def test_a_clock_that_is_not_set_counts_to_the_month_known_last() -> None:
    """A board without a battery boots in 1970, and its month goes on from where it was known."""
    allowance = Allowance(PLAN, moment(ms("2026-11-10T00:00")))
    allowance.spend(80 * MB, moment(ms("2026-11-10T00:00")))
    kept = msgspec.convert(msgspec.to_builtins(allowance.use), Use)
    booted = Allowance(PLAN, moment(0, ClockState.UNSET, 0))
    booted.recall(kept, moment(0, ClockState.UNSET, 0))
    day = moment(86_400_000, ClockState.UNSET, 86_400_000)
    booted.spend(MB, day)
    assert booted.month(day) == "2026-11"
    assert booted.available(day) == (9 + 1 + 3) * 10 * MB - 81 * MB
    end = moment(0, ClockState.UNSET, 21 * DAY_MS - 1)
    assert booted.month(end) == "2026-11"
    assert booted.available(end) == PLAN.monthly_bytes_max - 81 * MB
    later = moment(0, ClockState.UNSET, 21 * DAY_MS)
    assert booted.month(later) == UNKNOWN
    assert booted.available(later) == int(300 * MB * 3 / 31)
    assert booted.available(moment(0, ClockState.UNSET, 1000 * DAY_MS)) == PLAN.monthly_bytes_max


def test_what_was_used_before_any_time_was_known_counts_to_the_first_month() -> None:
    """Where it was in it."""
    at = ms("2026-11-01T00:00")
    unset = moment(5, ClockState.UNSET, at - 5)
    allowance = Allowance(PLAN, unset)
    allowance.spend(20 * MB, unset)
    assert allowance.month(unset) == UNKNOWN
    assert 0 < allowance.available(unset) < 15 * MB
    assert allowance.used(moment(at)).octets == 20 * MB
    assert list(allowance.use.months) == ["2026-11"]


def test_a_gateway_that_never_knows_the_time_accrues_by_its_running_time() -> None:
    """The days in advance, then a day's share each day; what nobody used stays for 31 days."""
    allowance = Allowance(PLAN, unset_after(0))
    assert allowance.available(unset_after(0)) == int(300 * MB * 3 / 31)
    allowance.spend(29 * MB, unset_after(0))
    assert 0 < allowance.wait_s(MB, unset_after(0)) < 86_400
    assert allowance.available(unset_after(10)) == int(300 * MB * 13 / 31) - 29 * MB
    assert allowance.available(unset_after(31)) == 271 * MB
    assert allowance.available(unset_after(40)) == 300 * MB
    assert not allowance.is_calendar(unset_after(40))


def unset_after(days: float) -> Moment:
    """Return a moment of a clock that was never set, so many days after the start."""
    return moment(0, ClockState.UNSET, round(days * DAY_MS))


class Unclocked:
    """A gateway without a clock over restarts: what it spent, when in truth, and after how much running."""

    def __init__(self, seed: int) -> None:
        """It begins in the middle of a month."""
        self.chance = Random(seed)
        self.at_ms, self.mono_ms, self.running_ms = ms("2026-11-17T00:00"), 0, 0
        self.allowance = Allowance(PLAN, self.now)
        self.spent: list[tuple[int, int, int]] = []

    @property
    def now(self) -> Moment:
        """Return this moment as it knows it."""
        return moment(self.running_ms, ClockState.UNSET, self.mono_ms)

    @property
    def known(self) -> Moment:
        """Return this moment once its clock is set."""
        return moment(self.at_ms, mono_ms=self.mono_ms)

    def spend(self, octets: int) -> None:
        """Use so many bytes."""
        self.allowance.spend(octets, self.now)
        self.spent.append((self.at_ms, self.running_ms, octets))

    def pass_time(self, gone_ms: int) -> None:
        """So much time goes."""
        self.at_ms, self.mono_ms = self.at_ms + gone_ms, self.mono_ms + gone_ms
        self.running_ms += gone_ms

    def restart(self, dark_ms: int) -> None:
        """Without power for so long; what was kept is taken up a moment after the start."""
        self.allowance.available(self.now)
        kept = msgspec.json.decode(msgspec.json.encode(self.allowance.use), type=Use)
        self.at_ms, self.mono_ms = self.at_ms + dark_ms, self.chance.randrange(10**6)
        self.allowance = Allowance(PLAN, self.now)
        self.spend(100)
        self.pass_time(5_000)
        self.allowance.recall(kept, self.now)

    def live(self, hours: int, greed: int, *, restarts: bool) -> None:
        """Telemetry that asks, hour by hour."""
        for _ in range(hours):
            for _ in range(self.chance.randrange(4)):
                octets = self.chance.randrange(1, greed * 10_000)
                if self.allowance.wait_s(octets, self.now) <= 0:
                    self.spend(octets)
            if restarts and self.chance.random() < 0.01:
                self.restart(self.chance.randrange(9 * DAY_MS))
            self.pass_time(3_600_000)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 400), st.booleans())
def test_without_a_time_no_31_days_use_more_than_the_budget(seed: int, greed: int, restarts: bool) -> None:
    """A hundred days; who asks for more gets nearly all of it, who is restarted as much of what it ran."""
    gateway = Unclocked(seed)
    gateway.live(24 * 100, greed, restarts=restarts)
    times = [running_ms for _, running_ms, _ in gateway.spent]
    sums = [0, *accumulate(octets for *_, octets in gateway.spent)]
    for first, begin_ms in enumerate(times):
        end = bisect_left(times, begin_ms + 31 * DAY_MS)
        assert sums[end] - sums[first] <= PLAN.monthly_bytes_max + 100 * (end - first)
    if greed > 100:
        assert sum(octets for _, _, octets in gateway.spent) > 280 * MB * (gateway.running_ms // DAY_MS) / 31


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32), st.integers(1, 400), st.integers(1, 24 * 90), st.booleans())
def test_once_the_time_is_known_what_was_spent_is_in_the_month_in_which_it_was(
    seed: int, greed: int, hours: int, restarts: bool
) -> None:
    """To the day; times without power nobody counted, so that this month never has less than was in it."""
    gateway = Unclocked(seed)
    gateway.live(hours, greed, restarts=restarts)
    begins_ms = Month.at(gateway.at_ms, 480).begins_ms
    total = sum(octets for *_, octets in gateway.spent)
    spent = sum(octets for at_ms, _, octets in gateway.spent if at_ms >= begins_ms)
    before = sum(octets for at_ms, _, octets in gateway.spent if at_ms < begins_ms - DAY_MS)
    used = gateway.allowance.used(gateway.known)
    assert spent <= used.octets <= (total if restarts else total - before)
    assert gateway.allowance.used(gateway.known) == used
    assert sum(each.octets for each in gateway.allowance.use.months.values()) <= total
    assert gateway.allowance.is_calendar(gateway.known)


def test_a_month_that_begins_again_does_not_begin_anew() -> None:
    """The clock jumps into December and back: November has all of it, and December what was used in it."""
    november, december = moment(ms("2026-11-29T00:00")), moment(ms("2026-12-01T00:00"))
    allowance = Allowance(PLAN, november)
    for _ in range(3):
        allowance.spend(10 * MB, november)
        allowance.spend(MB, december)
    assert allowance.used(november).octets == 33 * MB
    assert allowance.used(december).octets == 3 * MB
    assert allowance.used(november).octets == 33 * MB


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5)), min_size=1, max_size=80))
def test_no_step_of_the_clock_makes_a_month_forget(steps: list[tuple[int, int]]) -> None:
    """However it jumps over eight months: a month has at least what was spent while the clock said so."""
    at = [ms(f"2026-{month:02d}-15T00:00") for month in range(1, 9)]
    allowance = Allowance(PLAN, moment(at[steps[0][0]]))
    spent = dict.fromkeys(range(8), 0)
    total = 0
    for month, octets in steps:
        allowance.spend(octets, moment(at[month]))
        spent[month] += octets
        total += octets
        assert spent[month] <= allowance.used(moment(at[month])).octets <= total


def test_the_month_s_end_is_told_from_what_was_counted() -> None:
    """A gateway that came on the 21st has used 10 MB in five days: 10 more are to be expected."""
    came = moment(ms("2026-11-21T00:00"))
    allowance = Allowance(PLAN, came)
    allowance.spend(1, came)
    assert allowance.expected(came) is None
    later = moment(ms("2026-11-26T00:00"))
    allowance.spend(10 * MB - 1, later)
    assert allowance.expected(later) == 20 * MB


def test_months_kept_are_bounded() -> None:
    """A clock that runs wild fills no memory."""
    allowance = Allowance(PLAN, moment(0))
    for year in range(2000, 2100):
        allowance.spend(1, moment(ms(f"{year}-05-05T00:00")))
    assert len(allowance.use.months) <= 12


def test_without_a_budget_everything_may_go() -> None:
    """It is counted all the same."""
    now = moment(ms("2026-11-21T00:00"))
    allowance = Allowance(Plan(), now)
    allowance.spend(10**12, now)
    assert allowance.wait_s(10**9, now) == 0
    assert allowance.used(now).octets == 10**12


def test_waiting_ends_when_it_says() -> None:
    """Whatever was used: after the wait so many bytes may go, but for one that is cut off by rounding."""
    chance = Random(5)
    at = ms("2026-11-02T00:00")
    allowance = Allowance(PLAN, moment(at))
    for _ in range(50):
        octets = chance.randrange(1, 5 * MB)
        wait_ms = 1 + round(1000 * allowance.wait_s(octets, moment(at)))
        at += wait_ms
        if at >= ms("2026-12-01T00:00"):
            break
        assert allowance.available(moment(at)) >= octets
        allowance.spend(octets, moment(at))
