"""What is kept and sent follows the policy of each point, and tells the truth about what was left out."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contract import batches
from contract.samples import ClockState, Measured, Quality, Row, Sample, Value, spread
from edge import checks, reporting
from edge.reporting import SHORT_INTERVAL, Reporting, Tally, _Mean, _OnChange, _policy
from edge.settings import EXAMPLE, Report

INTERVAL_MS = 60_000
START_MS = 30 * 60_000 * 1_000_000

Stream = list[tuple[Sample, float]]
"""Samples with the monotonic second in which they came."""


def sample(at_s: float, value: Value, quality: Quality = Quality.GOOD, error: str = "") -> Sample:
    """Return a sample of that second."""
    return Sample(START_MS + round(at_s * 1000), "d", "p", value, quality, error)


def kept(report: Report, stream: Stream, *, rest: bool = False) -> list[Sample]:
    """Return what the policy keeps, at the end with what would go untold."""
    policy = _policy(report, 3)
    found = [each for measured, now_s in stream for each in policy.take(measured, now_s)]
    return found + list(policy.rest() if rest else ())


def on_change(deadband: float = 0, shortest_s: float = 0, longest_s: float = 900) -> Report:
    """Return such a policy."""
    return Report(mode="on_change", deadband=deadband, shortest_s=shortest_s, longest_s=longest_s)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Draw readings in strictly increasing time, some of them not good, some of the texts and switches."""
    failures = [(Quality.BAD, "timeout"), (Quality.BAD, "crc"), (Quality.STALE, "")]
    states = st.sampled_from([*[(Quality.GOOD, "")] * 3, (Quality.UNCERTAIN, "out_of_range"), *failures])
    numbers = st.integers(-50, 50) | st.floats(-50, 50).map(lambda value: round(value, 1))
    values = draw(st.sampled_from([numbers, numbers, st.booleans(), st.sampled_from(["on", "off"])]))
    stream, at_s = [], draw(st.floats(0, 120))
    for _ in range(draw(st.integers(1, 60))):
        quality, error = draw(states)
        value = None if quality is Quality.BAD else draw(values)
        stream.append((sample(at_s, value, quality, error), at_s))
        at_s += draw(st.sampled_from([0.001, 1, 5, 5, 17, 100]))
    return stream


reports = st.builds(on_change, st.sampled_from([0, 0.5, 10]), st.sampled_from([0, 10, 60]), st.just(300))
means = st.builds(lambda s: Report(mode="mean", interval_s=s), st.sampled_from([1, 60, 300]))


def far(one: Value, other: Value, deadband: float) -> bool:
    """Say whether two values differ by more than the deadband; other than numbers, whether at all."""
    if type(one) in {int, float} and type(other) in {int, float}:
        return bool(abs(one - other) > deadband)  # type: ignore[operator]
    return type(one) is not type(other) or one != other


def state(of: Sample) -> tuple[Quality, str, ClockState]:
    """Return how far a sample is to be trusted."""
    return of.quality, of.error, of.clock


@given(streams(), reports)
def test_what_was_last_told_is_never_wrong_for_longer_than_shortest(stream: Stream, report: Report) -> None:
    """Beyond the deadband only so long; in quality and error never; and never older than the longest."""
    policy = _OnChange(report)
    told: Sample | None = None
    told_s = wrong_since_s = 0.0
    was_wrong = False
    for measured, now_s in stream:
        for each in policy.take(measured, now_s):
            told, told_s = each, now_s
        assert told is not None
        assert state(told) == state(measured)
        assert now_s - told_s < report.longest_s
        wrong = far(told.value, measured.value, report.deadband)
        wrong_since_s = wrong_since_s if wrong and was_wrong else now_s
        was_wrong = wrong
        assert now_s - wrong_since_s < max(report.shortest_s, 1e-9)
    assert not was_wrong or policy.rest()[0] is stream[-1][0]


@given(streams(), reports | means | st.just(Report()))
def test_times_increase_the_first_is_told_and_no_state_goes_untold(stream: Stream, report: Report) -> None:
    """Whatever the policy: what is kept can be packed, and begins with the first sample as it is."""
    found = kept(report, stream, rest=True)
    assert found[0] is stream[0][0]
    assert all(before.time_ms < after.time_ms for before, after in pairwise(found))
    for (before, _), (after, _) in pairwise(stream):
        if state(before) != state(after) and report.mode != "mean":
            assert after in found
    batches.samples_payload(found)


@given(streams(), reports)
def test_on_change_invents_nothing(stream: Stream, report: Report) -> None:
    """Everything kept was measured, in this order."""
    measured = iter([each for each, _ in stream])
    assert all(any(each is other for other in measured) for each in kept(report, stream, rest=True))


@given(streams(), means)
def test_a_mean_is_of_the_good_values_of_its_interval_only(stream: Stream, report: Report) -> None:
    """Held against a second, simpler reckoning; an interval without a good one is told as bad as it was."""
    policy = _Mean(report, 6)
    interval_ms = round(report.interval_s * 1000)
    before: Sample | None = None
    for measured, now_s in stream:
        told = list(policy.take(measured, now_s))
        ended = before is not None and measured.time_ms // interval_ms != before.time_ms // interval_ms
        mean = told.pop(0) if ended else None
        # A time that was told already is another's: this one is told a millisecond later.
        assert [replace(each, time_ms=measured.time_ms) for each in told] in ([], [measured])
        assert all(each.time_ms - measured.time_ms in (0, 1) for each in told)
        interval, before = (before.time_ms // interval_ms if before else 0), measured
        if mean is None:
            continue
        assert mean.time_ms - (interval + 1) * interval_ms in (-1, 0)
        of = [each for each, _ in stream if each.time_ms // interval_ms == interval]
        numbers = [each for each in of if type(each.value) in {int, float}]
        good = [each.value for each in numbers if each.quality is Quality.GOOD]
        uncertain = [each.value for each in numbers if each.quality is Quality.UNCERTAIN]
        if good:
            assert mean.quality is Quality.GOOD or mean.error == SHORT_INTERVAL
        elif uncertain:
            assert mean.quality is Quality.UNCERTAIN
        else:
            assert (state(mean), mean.value) == (state(of[-1]), of[-1].value)
            continue
        values = [float(value) for value in good or uncertain]  # type: ignore[arg-type]
        assert mean.value == pytest.approx(sum(values) / len(values), abs=1e-5)


@given(streams(), means)
def test_what_was_told_last_is_as_good_or_bad_as_the_device_is(stream: Stream, report: Report) -> None:
    """A mean of good values does not hide that the device has failed since."""
    policy = _Mean(report, 6)
    last: Sample | None = None
    for measured, now_s in stream:
        for each in policy.take(measured, now_s):
            last = each
        assert last is not None
        of = Quality.GOOD if last.error == SHORT_INTERVAL else last.quality
        assert of is measured.quality


def test_nothing_is_told_while_a_value_rests_but_once_in_the_longest_interval() -> None:
    """An hour of readings each five seconds, longest interval a quarter of an hour."""
    stream: Stream = [(sample(at_s, 20.1 + at_s % 2 / 10), at_s) for at_s in range(0, 3600, 5)]
    assert [each.time_ms - START_MS for each in kept(on_change(deadband=0.2), stream)] == [
        0,
        900_000,
        1_800_000,
        2_700_000,
    ]


def test_a_mean_s_time_is_the_last_millisecond_of_an_interval_of_the_clock() -> None:
    """So that means of many devices fall together; the first value is told at once, a short one is marked."""
    stream: Stream = [(sample(at_s, 10 if at_s < 60 else 20), at_s) for at_s in range(40, 200, 5)]
    assert kept(Report(mode="mean", interval_s=60), stream) == [
        sample(40, 10),
        sample(59.999, 10.0, Quality.UNCERTAIN, SHORT_INTERVAL),
        sample(119.999, 20.0),
        sample(179.999, 20.0),
    ]


def test_a_mean_begun_is_told_at_the_end_and_marked_where_it_is_short() -> None:
    """Nothing measured goes untold because a gateway stops."""
    report = Report(mode="mean", interval_s=60)
    short: Stream = [(sample(at_s, 3), at_s) for at_s in range(0, 25, 5)]
    whole: Stream = [(sample(at_s, 3), at_s) for at_s in range(0, 45, 5)]
    assert kept(report, short, rest=True)[-1] == sample(20, 3.0, Quality.UNCERTAIN, SHORT_INTERVAL)
    assert kept(report, whole, rest=True)[-1] == sample(40, 3.0)


def test_a_clock_that_was_set_back_stops_no_policy() -> None:
    """Times then creep on by a millisecond a sample; intervals are the monotonic clock's."""
    creeping: Stream = [(sample(at_s / 5000, 1 if at_s < 300 else 2), at_s) for at_s in range(0, 3600, 5)]
    changes = kept(on_change(shortest_s=60, longest_s=900), creeping)
    assert [each.value for each in changes] == [1, 2, 2, 2, 2]
    assert len(kept(Report(mode="mean", interval_s=300), creeping)) >= 3600 / 300 / 2


def test_means_have_the_right_times_after_a_clock_that_was_far_ahead() -> None:
    """What was begun before is told with a time of then; what follows with those of its own intervals."""
    mean = Report(mode="mean", interval_s=60)
    policy, told = _Mean(mean, 1), list[Sample]()
    for at_s in range(86_400 + 3, 86_400 + 153, 10):
        told += policy.take(sample(at_s, 1.0), at_s)
    ahead = len(told)
    for at_s in range(3, 313, 10):
        told += policy.take(sample(at_s, 2.0), 86_400 + 150 + at_s)
    assert [each.time_ms for each in told[ahead:]] == [
        told[0].time_ms + 140_000,
        *(told[0].time_ms - 86_400_000 - 3_000 + end_ms for end_ms in range(59_999, 300_000, 60_000)),
    ]
    assert [each.value for each in told[ahead:]] == [1.0] + 5 * [2.0]


def test_no_number_has_left_any_deadband() -> None:
    """NaN compares with nothing, and is told."""
    stream: Stream = [(sample(0, 1.0), 0), (sample(5, float("nan")), 5), (sample(10, 1.0), 10)]
    assert len(kept(on_change(deadband=5), stream)) == 3


def rows(count: int, device: str = "station") -> Iterable[Row]:
    """Return rows of two points, one a second."""
    return (Row(START_MS + 1000 * n, device, ("temperature", "noise"), (20.0, n)) for n in range(count))


def taken(subject: Reporting, rows: Iterable[Row]) -> Sequence[Measured]:
    """Return what is kept of rows that come one a second."""
    return [each for n, row in enumerate(rows) for each in subject.take([row], float(n))]


def test_what_a_policy_saves_is_counted_and_other_devices_are_not_touched(tmp_path: Path) -> None:
    """The example's station: temperature on change, noise every time; rows of the meter pass as they are."""
    subject = reporting.of(*checks.load(EXAMPLE))
    found = list(spread(taken(subject, rows(100))))
    assert [each.point for each in found].count("temperature") == 1
    assert [each.value for each in found if each.point == "noise"] == list(range(100))
    assert subject.tallies == {"station": Tally(200, 101)}
    measured = list(rows(1, "main-pressure"))
    assert subject.take(measured, 0) is measured


def test_without_policies_there_is_nothing_to_pass() -> None:
    """The gateway does not even ask."""
    settings, profiles = checks.load(EXAMPLE)
    for device in settings.devices:
        device.report.clear()
    assert not reporting.of(settings, profiles)
