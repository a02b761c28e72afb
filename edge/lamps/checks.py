"""What the lamps of a settings file must satisfy beyond its form."""

from collections.abc import Iterator
from typing import Literal, Protocol

from device_profiles.schema import Profile
from edge.lamps.settings import Lamp
from edge.settings import Ref, Settings, ref
from toml_files import Problem, TomlFile

Key = tuple[str | int, ...]
Kind = Literal["switch", "number"]


class Points(Protocol):
    """The points that the devices of the file have."""

    def is_unknown(self, point: Ref) -> bool:
        """Whether the point is certainly not there."""

    def missing(self, name: str, at: Key, file: TomlFile) -> Iterator[Problem]:
        """Tell that it is not there, if so."""

    def profile(self, point: Ref) -> Profile | None:
        """Return the profile of the point's device, if there is nothing wrong with either."""


def problems(settings: Settings, points: Points, file: TomlFile) -> Iterator[Problem]:
    """Yield the mistakes."""
    taken = {
        name: f"the control {control.name!r}" for control in settings.controls for name in control.outputs
    }
    for index, lamp in enumerate(settings.lamps):
        at: Key = ("lamps", index)
        yield from _output(lamp, points, (*at, "output"), file)
        other = taken.setdefault(lamp.output, f"the lamp {lamp.name!r}")
        if other != f"the lamp {lamp.name!r}":
            what = f"output {lamp.output} is driven by {other} already"
            yield file.problem((*at, "output"), what, "one output, one lamp or control")
        yield from _points(lamp, points, at, file)
        yield from _too_rare(settings, lamp, (*at, "output"), file)
    for number, door in enumerate(settings.lighting.doors):
        yield from _of_kind(door, "switch", points, ("lighting", "doors", number), file)
    if sensor := settings.lighting.light_sensor:
        yield from _of_kind(sensor.point, "number", points, ("lighting", "light_sensor", "point"), file)


def _output(lamp: Lamp, points: Points, at: Key, file: TomlFile) -> Iterator[Problem]:
    yield from points.missing(lamp.output, at, file)
    if (profile := points.profile(ref(lamp.output))) is None:
        return
    point = profile.point(ref(lamp.output).point)
    if point is None or not point.writable or (point.type != "bool" and point.unit != "%"):
        remedy = "name a writable bool point, such as a relay, or a writable one in %"
        yield file.problem(at, f"{lamp.output} is no output that a lamp can have", remedy)
        return
    if point.type == "bool" and lamp.dimming_failure:
        yield file.problem((*at[:-1], "dimming_failure"), "is on or off only: it has no dimming", "remove it")


def _points(lamp: Lamp, points: Points, at: Key, file: TomlFile) -> Iterator[Problem]:
    for key in (
        "failure",
        "dimming_failure",
        "relay_failure",
        "cycling_failure",
        "leakage",
        "local",
        "breaker",
    ):
        if name := getattr(lamp, key):
            yield from _of_kind(name, "switch", points, (*at, key), file)
    for key in ("power", "currents"):
        for number, name in enumerate(getattr(lamp, key)):
            yield from _of_kind(name, "number", points, (*at, key, number), file)
    for key in ("voltage", "energy"):
        if name := getattr(lamp, key):
            yield from _of_kind(name, "number", points, (*at, key), file)
    profile = points.profile(ref(lamp.output))
    output = profile.point(ref(lamp.output).point) if profile else None
    if lamp.actual and output:
        kind: Kind = "switch" if output.type == "bool" else "number"
        yield from _of_kind(lamp.actual, kind, points, (*at, "actual"), file)


def _of_kind(name: str, kind: Kind, points: Points, at: Key, file: TomlFile) -> Iterator[Problem]:
    yield from points.missing(name, at, file)
    if (profile := points.profile(ref(name))) is None:
        return
    point = profile.point(ref(name).point)
    is_switch = point is not None and point.type == "bool"
    if is_switch != (kind == "switch"):
        wanted = "a bool point" if kind == "switch" else "a point that is a number"
        yield file.problem(at, f"{name} is {'on or off' if is_switch else 'a number'}", f"name {wanted}")


def _too_rare(settings: Settings, lamp: Lamp, at: Key, file: TomlFile) -> Iterator[Problem]:
    """A lamp that is read less often than its proof is waited for would be commanded again and again."""
    for device in settings.devices:
        if device.name == ref(lamp.output).device and device.interval_s >= settings.lighting.proof_s:
            proof_s = settings.lighting.proof_s
            what = (
                f"{device.name} is read every {device.interval_s:g} s, and proof is waited for {proof_s:g} s"
            )
            remedy = f"give [lighting] proof_s = {2 * device.interval_s:g} or more, or a shorter interval_s"
            yield file.problem(at, what, remedy)
