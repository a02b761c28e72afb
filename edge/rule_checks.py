"""What the alarms of a settings file must satisfy beyond their form: points that exist, values that fit."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from device_profiles.schema import Profile
from edge.rules.baseline import learner_key
from edge.rules.settings import (
    DAY_S,
    Alarm,
    BaselineAlarm,
    DeviationAlarm,
    DiscreteAlarm,
    Enabling,
    FlatlineAlarm,
    LimitAlarm,
    RateAlarm,
    StaleAlarm,
)
from edge.settings import Ref, Settings, ref
from toml_files import Problem, TomlFile

Key = tuple[str | int, ...]

LEARNT_VALUES_MAX = 32_000
"""Of all baselines together: about 160 kB on disk, written anew each time that something was learnt."""


class Points(Protocol):
    """The points that devices of these settings have."""

    def missing(self, name: str, at: Key, file: TomlFile) -> Iterator[Problem]:
        """Tell that the point is not there, if so."""

    def profile(self, point: Ref) -> Profile | None:
        """Return the profile of the point's device, if there is nothing wrong with either."""


def problems(settings: Settings, points: Points, file: TomlFile) -> Iterator[Problem]:
    """Yield what is wrong with the alarms."""
    intervals_s = {device.name: device.interval_s for device in settings.devices}
    for index, alarm in enumerate(settings.alarms):
        at: Key = ("alarms", index)
        for number, name in enumerate(alarm.points):
            yield from points.missing(name, (*at, "points", number), file)
            if name in alarm.points[:number]:
                what = f"point {name!r} is given twice"
                yield file.problem((*at, "points", number), what, "remove one of them")
        for number, enabling in enumerate(alarm.enabled_when):
            yield from _enabling(enabling, points, (*at, "enabled_when", number), file)
        yield from too_rare(intervals_s, [*alarm.points, *alarm.others], alarm.stale_s, at, file)
        yield from _of_kind(alarm, points, at, file)
        for number, name in enumerate(alarm.points):
            yield from other_unit(alarm.unit, name, points, (*at, "unit"), file)
            yield from _of_two_units(alarm, number, points, at, file)
    yield from _too_much_to_learn(settings, file)


def _too_much_to_learn(settings: Settings, file: TomlFile) -> Iterator[Problem]:
    """What baselines learn is kept in memory and written to disk."""
    learnt: dict[str, int] = {}
    for index, alarm in enumerate(settings.alarms):
        if not isinstance(alarm, BaselineAlarm):
            continue
        values = 2 * round(DAY_S / alarm.slot_s) * alarm.days
        for name in [*alarm.points, *(each.point for each in alarm.confirmed_by)]:
            learnt[learner_key(ref(name), alarm)] = values
        if sum(learnt.values()) > LEARNT_VALUES_MAX:
            what = (
                f"baselines up to this one learn {sum(learnt.values())} values, {LEARNT_VALUES_MAX} at most"
            )
            yield file.problem(("alarms", index), what, "a longer slot_s, fewer days, or fewer points")
            return


def too_rare(
    intervals_s: Mapping[str, float], points: Iterable[str], stale_s: float, at: Key, file: TomlFile
) -> Iterator[Problem]:
    """A rule whose values are stale before the next ones come never decides, or only now and then."""
    slowest = max((ref(name).device for name in points), key=lambda name: intervals_s.get(name, 0))
    interval_s = intervals_s.get(slowest, 0)
    if interval_s >= stale_s:
        what = f"values count as stale after {stale_s:g} s, and {slowest} is read every {interval_s:g} s only"
        yield file.problem((*at, "stale_s"), what, f"more than {interval_s:g}, better twice that or more")


def other_unit(unit: str, name: str, points: Points, at: Key, file: TomlFile) -> Iterator[Problem]:
    """A limit in another unit than its point is met at the wrong value."""
    its = _unit(name, points)
    if unit and its is not None and unit != its:
        yield file.problem(
            at, f"{name} is in {its}, not {unit}", f"give the limit in {its}, or correct the unit"
        )


def _of_two_units(alarm: Alarm, number: int, points: Points, at: Key, file: TomlFile) -> Iterator[Problem]:
    """One limit cannot be meant for points of several units."""
    if not isinstance(alarm, LimitAlarm | RateAlarm | FlatlineAlarm):
        return
    first, mine = _unit(alarm.points[0], points), _unit(alarm.points[number], points)
    if first is not None and mine is not None and first != mine:
        what = f"{alarm.points[number]} is in {mine}, {alarm.points[0]} in {first}"
        yield file.problem((*at, "points", number), what, "an alarm for each unit: their limits differ")


def _of_kind(alarm: Alarm, points: Points, at: Key, file: TomlFile) -> Iterator[Problem]:
    match alarm:
        case DeviationAlarm():
            yield from points.missing(alarm.from_point, (*at, "from"), file)
            its = _unit(alarm.from_point, points)
            for number, name in enumerate(alarm.points):
                mine = _unit(name, points)
                if name == alarm.from_point:
                    what = f"{name} never differs from itself"
                    yield file.problem((*at, "from"), what, "name another point")
                elif mine is not None and its is not None and mine != its:
                    what = f"{name} is in {mine}, {alarm.from_point} in {its}"
                    yield file.problem((*at, "points", number), what, "compare points of one unit")
        case DiscreteAlarm():
            key = "equals" if alarm.equals is not None else "differs"
            for name in alarm.points:
                yield from _fits(getattr(alarm, key), name, points, (*at, key), file)
        case BaselineAlarm():
            for number, each in enumerate(alarm.confirmed_by):
                yield from points.missing(each.point, (*at, "confirmed_by", number, "point"), file)
        case StaleAlarm():
            pass
        case _:
            for number, name in enumerate(alarm.points):
                if _type(name, points) == "bool":
                    remedy = 'write kind = "discrete" and equals = true, or false'
                    yield file.problem((*at, "points", number), f"{name} is a bool and has no limit", remedy)


def _enabling(enabling: Enabling, points: Points, at: Key, file: TomlFile) -> Iterator[Problem]:
    if enabling.point is None:
        return
    yield from points.missing(enabling.point, (*at, "point"), file)
    for key in ("equals", "differs"):
        if (value := getattr(enabling, key)) is not None:
            yield from _fits(value, enabling.point, points, (*at, key), file)
    if (enabling.above, enabling.below) != (None, None) and _type(enabling.point, points) == "bool":
        yield file.problem((*at, "point"), f"{enabling.point} is a bool", "write equals = true, or false")


def _fits(value: object, name: str, points: Points, at: Key, file: TomlFile) -> Iterator[Problem]:
    """A value that a point never has is never met, or always."""
    kind = _type(name, points)
    if kind is None:
        return
    if (kind == "bool") != isinstance(value, bool) or isinstance(value, str):
        remedy = "write true or false" if kind == "bool" else "write a whole number"
        yield file.problem(at, f"{name} is never {value!r}", remedy)


def _type(name: str, points: Points) -> str | None:
    """Return the data type of a point, "derived" for what is computed; None where it is not known."""
    target = ref(name)
    profile = points.profile(target)
    if profile is None:
        return None
    point = profile.point(target.point)
    return point.type if point else "derived"


def _unit(name: str, points: Points) -> str | None:
    target = ref(name)
    profile = points.profile(target)
    if profile is None:
        return None
    units = {entry.name: entry.unit for entry in profile.points}
    units |= {entry.name: entry.unit for entry in profile.derived}
    return units.get(target.point)
