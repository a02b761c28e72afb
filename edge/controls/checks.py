"""What controls must satisfy beyond their form: points that exist, limits that make sense, safe outputs."""

from collections.abc import Iterator
from typing import Protocol

from device_profiles.schema import Point, Profile
from edge.controls.settings import Control, Inhibit
from edge.rule_checks import other_unit, too_rare
from edge.rules.settings import Condition
from edge.settings import Ref, Settings, ref
from toml_files import Problem, TomlFile

Key = tuple[str | int, ...]


class Points(Protocol):
    """The points that the devices of the file have."""

    def missing(self, name: str, at: Key, file: TomlFile) -> Iterator[Problem]:
        """Tell that it is not there, if so."""

    def profile(self, point: Ref) -> Profile | None:
        """Return the profile of the point's device, if there is nothing wrong with either."""


def problems(settings: Settings, points: Points, file: TomlFile) -> Iterator[Problem]:
    """Yield the mistakes."""
    yield from _driven_twice(settings, file)
    yield from _circles(settings, file)
    intervals_s = {device.name: device.interval_s for device in settings.devices}
    for index, control in enumerate(settings.controls):
        at: Key = ("controls", index)
        named = dict(_inputs(control))
        if named:
            yield from too_rare(intervals_s, named.values(), control.stale_s, at, file)
        for key, name in named.items():
            yield from points.missing(name, (*at, *key), file)
        yield from _discrete(control, points, at, file)
        for key, limit in _written(control):
            yield from other_unit(limit.unit, limit.point, points, (*at, *key, "unit"), file)
        yield from _limits(control, at, file)
        keys: list[Key] = [("output",), ("lag", "output")]
        for key, name in zip(keys, control.outputs, strict=False):
            yield from points.missing(name, (*at, *key), file)
            yield from _output(control, name, points.profile(ref(name)), at, key, file)


def notes(settings: Settings) -> Iterator[str]:
    """Yield what is no mistake, but worth a second look."""
    for control in settings.controls:
        for key, start, stop in _pairs(control):
            if control.shortest_rest_s == 0 and (why := _chatters(start, stop)):
                yield f"{control.name}: {'.'.join(key)}: {why}; give shortest_rest_s, such as 60"


def _pairs(control: Control) -> Iterator[tuple[tuple[str, ...], Condition, Condition]]:
    """Yield what starts with what stops that again, and with the key of the latter."""
    if control.start and control.stop:
        yield ("stop",), control.start, control.stop
    if control.lag and control.lag.stop:
        yield ("lag", "stop"), control.lag.start, control.lag.stop


def _inputs(control: Control) -> Iterator[tuple[Key, str]]:
    """Yield every point that it looks at, with its key."""
    for key, limit in _written(control):
        yield (*key, "point"), limit.point
    if control.proves:
        yield ("proves", "point"), control.proves.point


def _written(control: Control) -> Iterator[tuple[Key, Condition | Inhibit]]:
    """Yield everything of it that has a limit, with its key."""
    lag = control.lag
    conditions: dict[Key, Condition | None] = {("start",): control.start, ("stop",): control.stop}
    conditions |= {("lag", "start"): lag.start, ("lag", "stop"): lag.stop} if lag else {}
    yield from ((key, condition) for key, condition in conditions.items() if condition)
    yield from ((("inhibits", number), inhibit) for number, inhibit in enumerate(control.inhibits))


def _driven_twice(settings: Settings, file: TomlFile) -> Iterator[Problem]:
    outputs: dict[str, str] = {}
    for index, control in enumerate(settings.controls):
        for number, name in enumerate(control.outputs):
            key: Key = ("controls", index, "lag", "output") if number else ("controls", index, "output")
            if name in outputs:
                what = f"output {name} is driven by {outputs[name]!r} already"
                yield file.problem(key, what, "one output, one control")
            outputs.setdefault(name, control.name)


def _circles(settings: Settings, file: TomlFile) -> Iterator[Problem]:
    """Controls that inhibit each other in a circle: which of them runs would be left to chance."""
    owner = {name: control.name for control in settings.controls for name in control.outputs}
    inhibited_by = {
        control.name: {owner[each.point] for each in control.inhibits if each.point in owner}
        for control in settings.controls
    }
    for index, control in enumerate(settings.controls):
        for number, inhibit in enumerate(control.inhibits):
            if inhibit.point in owner and control.name in _reached(owner[inhibit.point], inhibited_by):
                what = f"{owner[inhibit.point]!r} inhibits {control.name!r}, and that one it in turn"
                remedy = "let one of them go first: remove an inhibit of the circle"
                yield file.problem(("controls", index, "inhibits", number, "point"), what, remedy)


def _reached(first: str, following: dict[str, set[str]]) -> set[str]:
    """Return whatever can be reached from the first, itself included."""
    reached, open_ends = {first}, [first]
    while open_ends:
        fresh = following.get(open_ends.pop(), set()) - reached
        reached |= fresh
        open_ends += fresh
    return reached


def _discrete(control: Control, points: Points, at: Key, file: TomlFile) -> Iterator[Problem]:
    for number, inhibit in enumerate(control.inhibits):
        point = _point(inhibit.point, points)
        if point is None:
            continue
        key = (*at, "inhibits", number)
        is_switch = point.type == "bool"
        if inhibit.equals is None and is_switch:
            what = f"{inhibit.point} is a switch, and a limit is no state of it"
            yield file.problem(key, what, "write equals = true, or equals = false")
        elif inhibit.equals is not None and isinstance(inhibit.equals, bool) is not is_switch:
            what = f"{inhibit.point} is {'a switch' if is_switch else 'no switch'}"
            yield file.problem(
                (*key, "equals"), what, "true or false for a switch, a number for anything else"
            )


def _limits(control: Control, at: Key, file: TomlFile) -> Iterator[Problem]:
    for key, start, stop in _pairs(control):
        if start.point == stop.point and _wrong_side(start, stop):
            what = "the stop limit lies on the wrong side of the start limit"
            yield file.problem((*at, *key), what, "start above and stop below it, or the reverse")
    if control.fails_off and control.longest_run_s is None:
        yield file.problem((*at, "longest_run_s"), "fails off but has no longest run", "give longest_run_s")
    for name in ("longest_run_s", "run_s_per_day_max"):
        if not control.fails_off and getattr(control, name) is not None:
            what = f"time alone would switch off an output that fails {control.fail_state!r}"
            yield file.problem((*at, name), what, f"remove {name}")
    if not control.fails_off:
        yield from _withheld(control, at, file)
    longest_s = control.longest_run_s
    if control.proves and longest_s is not None and control.proves.within_s >= longest_s:
        what = "the run ends before its effect is asked for"
        yield file.problem((*at, "proves", "within_s"), what, f"less than longest_run_s = {longest_s:g}")


def _chatters(start: Condition, stop: Condition) -> str:
    """Say why an output would go on and off by turns, as quickly as its values come, or nothing."""
    if (start.point, start.mean_s) != (stop.point, stop.mean_s):
        return "start and stop look at differing points or means, so either may follow the other at once"
    if start.held_s == stop.held_s == 0 and start.above == stop.below and start.below == stop.above:
        return "start and stop have the same limit, so a value that dances around it switches every time"
    return ""


def _withheld(control: Control, at: Key, file: TomlFile) -> Iterator[Problem]:
    """Tell what would keep off, by a count, an output that does not fail off; or would never be looked at."""
    fails, proves = f"an output that fails {control.fail_state!r}", control.proves
    if control.runs_per_day_max is not None:
        what, remedy = f"a count of runs would withhold {fails}", "remove runs_per_day_max"
        if control.shortest_rest_s == 0:
            remedy += "; shortest_rest_s spares a motor or contactor"
        yield file.problem((*at, "runs_per_day_max"), what, remedy)
    if control.effect:
        what = f"only runs with a longest time are judged by it, and {fails} has none"
        yield file.problem(
            (*at, "effect"), what, "remove effect; proves raises an alarm where a point shows nothing"
        )
    if proves and "runs_without_max" in proves.model_fields_set:
        what = f"runs without effect never lock out {fails}"
        yield file.problem((*at, "proves", "runs_without_max"), what, "remove runs_without_max")


def _wrong_side(start: Condition, stop: Condition) -> bool:
    if start.above is not None:
        return stop.below is None or stop.below > start.above
    return stop.above is None or (start.below is not None and stop.above < start.below)


def _output(
    control: Control, name: str, profile: Profile | None, at: Key, key: Key, file: TomlFile
) -> Iterator[Problem]:
    if profile is None:
        return
    point = profile.point(ref(name).point)
    if point is None or not point.writable or point.type != "bool":
        yield file.problem(
            (*at, *key), f"{name} cannot be switched", "name a writable bool point, such as a relay"
        )
        return
    timer = point.self_off
    if control.self_off_s is None:
        if timer and control.fails_off:
            what = "the output has a timer of its own, and it is not used"
            yield file.problem(
                (*at, "self_off_s"), what, "give self_off_s: it ends a run if the gateway dies"
            )
        elif control.fails_off:
            remedy = (
                "use one that has, or another fail_state: nothing would switch it off if the gateway dies"
            )
            yield file.problem((*at, *key), "the output has no timer of its own", remedy)
    elif timer is None:
        yield file.problem((*at, "self_off_s"), f"{name} has no timer of its own", "remove self_off_s")
    elif not control.fails_off:
        what = f"a timer would switch off an output that fails {control.fail_state!r}"
        yield file.problem((*at, "self_off_s"), what, "remove self_off_s")
    elif control.self_off_s * 1000 > timer.step_ms * timer.steps_max:
        longest = timer.step_ms * timer.steps_max / 1000
        what = f"{control.self_off_s:g} s is more than the output's timer can do"
        yield file.problem((*at, "self_off_s"), what, f"{longest:g} at most")


def _point(name: str, points: Points) -> Point | None:
    profile = points.profile(ref(name))
    return profile.point(ref(name).point) if profile else None
