"""What is written down of a lamp's night, and what the figures make of it."""

import datetime as dt

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from contract.events import LampChange, LampNight
from contract.limits import LAMP_CHANGES_MAX
from contract.samples import ClockState
from lighting.commands import Command, Reason
from lighting.evidence import NightLog, Seen
from lighting.figures import counted, was_lit, was_seen

HOUR_MS = 3_600_000
FROM_MS = 1_796_270_400_000  # 2026-12-03 12:00 at UTC+8
ON, DIM, OFF = (Command(level, Reason.PROGRAM, 0, None, "p") for level in (100, 60, 0))


def log(**more: float) -> NightLog:
    """Return an empty log of a night from noon to noon; what was seen holds for two minutes."""
    return NightLog(
        "lamp-1",
        "ctl-1",
        dt.date(2026, 12, 3),
        FROM_MS,
        FROM_MS + 24 * HOUR_MS,
        120,
        rated_power_w=more.get("rated_power_w", 100),
        dark_ms=13 * HOUR_MS,
    )


def record(of: NightLog) -> LampNight:
    """End the night."""
    return of.record("0" * 32, FROM_MS + 24 * HOUR_MS, 7, ClockState.SYNCHRONISED)


def watched(of: NightLog, from_h: float, until_h: float, seen: Seen, every_s: int = 60) -> None:
    """Look at the lamp every minute."""
    for at_ms in range(FROM_MS + round(from_h * HOUR_MS), FROM_MS + round(until_h * HOUR_MS), every_s * 1000):
        of.saw(seen, at_ms)


def night(lit: Seen, *, watched_h: float = 12) -> LampNight:
    """Return a night of twelve hours of light, from 18 to 6, seen so for some of them."""
    of = log()
    of.due(OFF, FROM_MS)
    watched(of, 0, 6, Seen(burns=False))
    of.due(ON, FROM_MS + 6 * HOUR_MS)
    of.sent(ON, FROM_MS + 6 * HOUR_MS + 500)
    watched(of, 6.01, 6 + watched_h, lit)
    of.due(OFF, FROM_MS + 18 * HOUR_MS)
    of.sent(OFF, FROM_MS + 18 * HOUR_MS)
    return record(of)


def test_a_good_night_is_lit_and_measured_for_as_long_as_it_was_to_be() -> None:
    """Twelve hours at 90 W, of 13 hours of darkness at 100 W."""
    found = night(Seen(burns=True, level=100, power_w=90))
    assert found.should_s == 12 * 3600
    assert abs(found.lit_s - 12 * 3600) <= 180
    assert (found.dark_s, found.astray_s, found.unpowered_s) == (0, 0, 0)
    assert abs((found.energy_wh or 0) - 12 * 90) < 5
    assert found.baseline_wh == 1300
    assert [change.level for change in found.commanded] == [100, 0]
    assert found.measured[-1] == LampChange(FROM_MS + round(6.01 * HOUR_MS), 100, "measured")
    assert found.plan == 7
    assert was_lit(found)


def test_a_lamp_that_stays_dark_is_seen_and_not_lit() -> None:
    """But not for the minute that it may take to follow."""
    found = night(Seen(burns=False, level=0, power_w=0.2))
    assert 12 * 3600 - 300 <= found.dark_s < 12 * 3600
    assert found.lit_s == 0
    assert was_seen(found)
    assert not was_lit(found)


def test_what_nobody_saw_counts_neither_as_lit_nor_as_dark() -> None:
    """A measurement holds for two minutes; the lamp is not lit by the rule, and told as unseen."""
    found = night(Seen(burns=True, level=100), watched_h=1)
    assert found.lit_s <= 3600 + 120
    assert found.dark_s == 0
    figures = counted([found])
    assert (figures.should, figures.lit, figures.unseen) == (1, 0, 1)


def test_a_lamp_without_power_is_neither_dark_nor_lit() -> None:
    """Its feeder is off: that is the circuit's matter."""
    found = night(Seen(burns=None, powered=False))
    assert found.unpowered_s > 11 * 3600
    assert (found.lit_s, found.dark_s) == (0, 0)


def test_a_lamp_that_burns_by_day_is_astray() -> None:
    """From a minute after it was to be off."""
    of = log()
    of.due(ON, FROM_MS)
    watched(of, 0, 1, Seen(burns=True))
    of.due(OFF, FROM_MS + HOUR_MS)
    watched(of, 1, 2, Seen(burns=True))
    assert 3600 - 120 <= record(of).astray_s <= 3600 + 120


def test_the_lamp_s_own_counter_is_believed_before_its_power() -> None:
    """It counts between the looks, too; one that was reset is not counted backwards."""
    of = log()
    for at_h, energy_wh in ((6, 1000), (7, 1090), (8, 1180), (9, 20), (10, 110)):
        of.saw(Seen(burns=True, power_w=500, energy_wh=energy_wh), FROM_MS + at_h * HOUR_MS)
    assert record(of).energy_wh == 270


def test_a_night_of_very_many_changes_keeps_the_first_and_the_last() -> None:
    """A flickering lamp does not make the record grow."""
    of = log()
    for minute in range(500):
        of.saw(Seen(burns=minute % 2 == 0), FROM_MS + minute * 60_000)
    measured = record(of).measured
    assert len(measured) == LAMP_CHANGES_MAX
    assert measured[-1].at_ms == FROM_MS + 499 * 60_000


def test_figures_are_those_that_a_hand_would_count() -> None:
    """Three of four lamps lit; one of them failed, one was not seen."""
    good = night(Seen(burns=True, power_w=50))
    failed = log()
    failed.failed("lamp_failure")
    failed.due(ON, FROM_MS)
    watched(failed, 0, 12, Seen(burns=False))
    figures = counted([good, good, good, record(failed)])
    assert (figures.should, figures.lit, figures.intact) == (4, 3, 3)
    assert (figures.lit_rate, figures.intact_rate) == (0.75, 0.75)
    assert figures.failures == {"lamp_failure": 1}
    assert figures.saved_share is not None
    assert abs(figures.saved_share - (1 - 600 / 1300)) < 0.01


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4000),
            st.sampled_from(
                [
                    ON,
                    DIM,
                    OFF,
                    Seen(True),
                    Seen(False),
                    Seen(None),
                    Seen(None, powered=False),
                    Seen(True, 60, 55),
                ]
            ),
        ),
        max_size=60,
    )
)
def test_no_second_is_counted_twice(story: list[tuple[int, Command | Seen]]) -> None:
    """Whatever comes: what is known of the time a lamp should burn is no longer than that time."""
    of, now_ms = log(), FROM_MS
    for wait_s, what in story:
        now_ms += wait_s * 1000
        of.due(what, now_ms) if isinstance(what, Command) else of.saw(what, now_ms)
    found = record(of)
    assert found.lit_s + found.dark_s <= found.should_s + 1
    assert found.should_s + found.astray_s <= 24 * 3600 + 1


@given(
    st.lists(
        st.tuples(st.integers(1, 4000), st.sampled_from([ON, OFF, Seen(True, 60, 55, 12.5)])), max_size=20
    )
)
def test_a_night_that_goes_to_a_file_and_back_ends_as_if_it_had_not(
    story: list[tuple[int, Command | Seen]],
) -> None:
    """A gateway may start again in the middle of a night."""
    kept, now_ms = log(), FROM_MS
    again = log()
    for wait_s, what in story:
        now_ms += wait_s * 1000
        for of in (kept, again):
            of.due(what, now_ms) if isinstance(what, Command) else of.saw(what, now_ms)
        again = msgspec.json.decode(msgspec.json.encode(again), type=NightLog)
    assert record(again) == record(kept)


def test_while_nobody_was_there_the_plan_was_due_once_an_override_had_ended() -> None:
    """Stopped at eight under an override until nine; by plan it burns from six to six; back at three."""
    its = log()
    its.plan(
        [
            LampChange(FROM_MS + hour * HOUR_MS, level, "program")
            for hour, level in ((0, 0), (6, 100), (18, 0))
        ]
    )
    its.due(ON, FROM_MS + 6 * HOUR_MS)
    its.due(Command(0, Reason.OVERRIDE, 0, FROM_MS + 9 * HOUR_MS), FROM_MS + 7 * HOUR_MS)
    its.away(FROM_MS + 15 * HOUR_MS)
    its.due(ON, FROM_MS + 15 * HOUR_MS)
    assert record(its).should_s == 3600 * (1 + 6 + 9)


def test_whoever_is_back_after_the_night_finds_what_was_due_in_it() -> None:
    """By the plan, not by the last command; coming back twice changes nothing."""
    its = log()
    its.plan(
        [
            LampChange(FROM_MS + hour * HOUR_MS, level, "program")
            for hour, level in ((0, 0), (6, 100), (18, 0))
        ]
    )
    its.due(OFF, FROM_MS)
    its.saw(Seen(burns=False), FROM_MS + HOUR_MS)
    for hour in (50, 51):
        its.away(FROM_MS + hour * HOUR_MS)
    found = record(its)
    assert (found.should_s, found.lit_s, found.dark_s) == (3600 * 12, 0, 0)


def by_counter(*readings_wh: float, rated_power_w: float = 100, step_wh: float = 0) -> float | None:
    """Return what a night with a reading of the lamp's own counter every minute has used."""
    of = log(rated_power_w=rated_power_w)
    of.counter_step_wh = step_wh
    of.due(ON, FROM_MS)
    for minute, counter_wh in enumerate(readings_wh):
        of.saw(Seen(burns=True, level=100, energy_wh=counter_wh), FROM_MS + minute * 60_000)
    return record(of).energy_wh


def test_a_counter_that_is_misread_once_costs_no_more_than_that_minute() -> None:
    """Zero while its controller starts, all ones, or another controller in its place."""
    good = [5_000_000 + 2.0 * minute for minute in range(600)]
    for wrong in (0.0, 42_949_672_950.0, 4_999_000.0):
        for rated_w in (100, 0):
            found = by_counter(*good[:300], wrong, *good[301:], rated_power_w=rated_w)
            assert 2 * 597 <= (found or 0) <= 2 * 599 + (0 if rated_w else 10_000)
    exchanged = by_counter(*good[:300], *(2.0 * minute for minute in range(300)))
    assert exchanged == 2 * 598


def test_a_lamp_that_takes_too_much_and_a_counter_with_few_digits_are_counted() -> None:
    """Half as much again is no mistake of the counter, nor is a whole kWh at once that took hours."""
    assert by_counter(*(2.5 * minute for minute in range(600))) == 2.5 * 599
    assert by_counter(*(1000.0 * (minute // 500) for minute in range(600)), step_wh=1000) == 1000


def test_no_record_of_a_night_breaks_the_contract() -> None:
    """Whatever was measured, its energy is one that can be decoded."""
    of = log(rated_power_w=1_000_000)
    of.due(ON, FROM_MS)
    of.used_wh = 5e9
    assert record(of).energy_wh == 1e9
