"""Makes the instances of declared alarms."""

from collections.abc import Callable, Iterator

from edge.rules.alarms import AlarmInstance
from edge.rules.baseline import Baseline, Learners
from edge.rules.detectors import (
    Detector,
    Deviation,
    Discrete,
    Flatline,
    Limit,
    Measure,
    Rate,
    Stale,
    measure_of,
)
from edge.rules.effects import Ids
from edge.rules.enabling import EnablingInstance, Periods
from edge.rules.settings import (
    Alarm,
    BaselineAlarm,
    DeviationAlarm,
    DiscreteAlarm,
    FlatlineAlarm,
    Level,
    LimitAlarm,
    RateAlarm,
    StaleAlarm,
)
from edge.settings import Ref, Settings, ref


def alarms(
    settings: Settings, ids: Ids, periods: Periods, maintained: Callable[[str], bool], learners: Learners
) -> Iterator[AlarmInstance]:
    """Yield an instance for each level of each alarm on each of its points."""
    parts = {device.name: device.part for device in settings.devices}
    offset_min = settings.utc_offset_min
    for alarm in settings.alarms:
        for target in map(ref, alarm.points):
            measure = measure_of(alarm, alarm.stale_s, offset_min) if isinstance(alarm, LimitAlarm) else None
            for level in alarm.levels:
                yield AlarmInstance(
                    alarm,
                    level,
                    target,
                    _detector(alarm, level, target, measure, learners, offset_min),
                    [EnablingInstance(it, alarm.stale_s, offset_min, periods) for it in alarm.enabled_when],
                    part=parts.get(target.device, ""),
                    ids=ids,
                    maintained=maintained,
                )


def _detector(
    alarm: Alarm, level: Level, target: Ref, measure: Measure | None, learners: Learners, utc_offset_min: int
) -> Detector:
    match alarm:
        case LimitAlarm():
            measure = measure or measure_of(alarm, alarm.stale_s, utc_offset_min)
            return Limit(alarm, level, target, measure)
        case RateAlarm():
            return Rate(alarm, level)
        case DeviationAlarm():
            return Deviation(alarm, target, utc_offset_min)
        case BaselineAlarm():
            return Baseline(alarm, target, learners)
        case DiscreteAlarm():
            return Discrete(alarm, target)
        case StaleAlarm() | FlatlineAlarm():
            return Stale(alarm) if isinstance(alarm, StaleAlarm) else Flatline(alarm)
