"""What a settings file must satisfy beyond its form: names that exist, sensible limits, safe outputs."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from contract.limits import MESSAGE_BYTES_MAX
from device_profiles import catalogue
from device_profiles.schema import Profile
from edge import report_checks, rule_checks
from edge.controls import checks as control_checks
from edge.identity import link_tls
from edge.lamps import checks as lamp_checks
from edge.lines import endpoints
from edge.lines.ports import by_path
from edge.settings import Device, Line, Ref, SerialLine, SerialSide, Settings, ref
from firmware_shims.base import ShimError
from firmware_shims.catalogue import applied
from toml_files import Problem, TomlFile, TomlFileError

Key = tuple[str | int, ...]
Place = Callable[[Line], endpoints.Endpoint]

INVENTORY_BYTES_MAX = MESSAGE_BYTES_MAX - 8 * 1024
"""What is left of a hello beside its epochs and names."""


def load(path: Path, place: Place = endpoints.of_line) -> tuple[Settings, dict[str, Profile]]:
    """Return the settings and each device's profile, shims applied, by device name.

    ``place`` says where a line leads: to whom it leads now is asked of new settings, not at a start.
    TomlFileError lists every mistake with file, line, key and remedy.
    """
    return judged(TomlFile.read(path), path, place)


def judged(
    file: TomlFile, path: Path, place: Place = endpoints.of_line
) -> tuple[Settings, dict[str, Profile]]:
    """Return the same of what was read already; relative folders begin beside ``path``."""
    settings = file.parse(Settings)
    known = catalogue.load_beside(path, file, settings.profile_folders)
    problems, profiles = _device_profiles(settings, known, file)
    points = _Points(settings, profiles)
    problems += _feeders(settings, points, file)
    problems += _of_text(settings, file, place)
    problems += rule_checks.problems(settings, points, file)
    problems += control_checks.problems(settings, points, file)
    problems += lamp_checks.problems(settings, points, file)
    problems += report_checks.problems(settings, points.sound(profiles), file)
    problems += link_tls.problems(settings, path.parent, file)
    if problems:
        raise TomlFileError(problems)
    return settings, profiles


def of_text(file: TomlFile) -> None:
    """TomlFileError lists what no machine would make good: neither profiles nor files are looked at."""
    if problems := list(_of_text(file.parse(Settings), file, endpoints.written_of)):
        raise TomlFileError(problems)


def notes(
    settings: Settings,
    profiles: dict[str, Profile],
    named_by_place: Callable[[str], Path | None] = by_path,
) -> Iterator[str]:
    """Say what is no mistake and yet often forgotten; for settings that are sound."""
    if not settings.devices:
        yield "no device yet: `gengfu edge identify --write FILE` finds them"
    lines = {line.name: line for line in settings.lines}
    for line in settings.lines:
        if isinstance(line, SerialLine) and (place := named_by_place(line.port)):
            yield f"{line.name}: {line.port} may be another port after a restart; {place} is it and stays"
    for device in settings.devices:
        bus, serial = lines[device.line], profiles[device.name].serial
        if not isinstance(bus, SerialSide) or serial is None:
            continue
        if (serial.baud, serial.parity) != (bus.baud, bus.parity):
            factory = f"{serial.baud} 8{serial.parity}{serial.stop_bits}"
            runs = f"{bus.baud} {bus.data_bits}{bus.parity}{bus.stop_bits}"
            yield (
                f"{device.name}: {device.profile} leaves the factory at {factory}, the line runs at {runs}; "
                "fine if you set the device so"
            )
    yield from report_checks.notes(settings)
    yield from control_checks.notes(settings)


class _Points:
    """What rules may name. Nothing is said of devices with a mistake of their own: it would only mislead."""

    def __init__(self, settings: Settings, profiles: dict[str, Profile]) -> None:
        self.devices = [device.name for device in settings.devices]
        self.of: dict[Ref, Profile] = {}
        counts = Counter(self.devices)
        self._twice = {name for name, count in counts.items() if count > 1}
        self._unsound = self._twice | (set(self.devices) - set(profiles))
        for device in settings.devices:
            if device.name in self._unsound:
                continue
            profile = profiles[device.name]
            misspelt = set(device.points) - set(profile.names)
            read = profile.names if misspelt or not device.points else device.points
            self.of |= {Ref(device.name, name): profile for name in read}

    def sound(self, profiles: dict[str, Profile]) -> dict[str, Profile]:
        """Return the profiles of devices without a mistake of their own."""
        return {name: profile for name, profile in profiles.items() if name not in self._unsound}

    def is_unknown(self, point: Ref) -> bool:
        """Whether the point is certainly not there."""
        if point in self.of or point.device in self._unsound:
            return False
        return point.device in self.devices or not self._twice  # it may be what a twin should be called

    def profile(self, point: Ref) -> Profile | None:
        """Return the profile of the point's device, if there is nothing wrong with either."""
        return self.of.get(point)

    def missing(self, name: str, at: Key, file: TomlFile) -> Iterator[Problem]:
        """Tell that the point is not there, if so."""
        target = ref(name)
        if self.is_unknown(target):
            of_device = sorted(each.point for each in self.of if each.device == target.device)
            devices = f"devices here: {', '.join(self.devices)}"
            remedy = f"{target.device} has {', '.join(of_device)}" if of_device else devices
            yield file.problem(at, f"no point {name!r}", remedy)


def _device_profiles(
    settings: Settings, known: dict[str, Profile], file: TomlFile
) -> tuple[list[Problem], dict[str, Profile]]:
    problems: list[Problem] = []
    profiles: dict[str, Profile] = {}
    lines = {line.name for line in settings.lines}
    for index, device in enumerate(settings.devices):
        at: Key = ("devices", index)
        if device.line not in lines:
            what = f"no line {device.line!r}"
            problems.append(file.problem((*at, "line"), what, f"lines here: {', '.join(sorted(lines))}"))
        if device.profile not in known:
            what = f"no profile {device.profile!r}"
            remedy = "`gengfu profiles list` shows them, or add its folder to profile_folders"
            problems.append(file.problem((*at, "profile"), what, remedy))
            continue
        try:
            profile = applied(known[device.profile], device.shims, device.firmware or None)
        except ShimError as error:
            problems.append(file.problem((*at, "shims"), str(error), "mend shims or firmware"))
            continue
        problems += _unknown_points(device, profile, (*at, "points"), file)
        profiles[device.name] = profile
    return problems, profiles


def _feeders(settings: Settings, points: _Points, file: TomlFile) -> Iterator[Problem]:
    for index, device in enumerate(settings.devices):
        if device.feeder is None:
            continue
        feeder = ref(device.feeder)
        profile = points.profile(feeder)
        point = profile.point(feeder.point) if profile else None
        is_no_switch = profile is not None and (point is None or point.type != "bool")
        if feeder.device == device.name or is_no_switch or points.is_unknown(feeder):
            what = f"{device.feeder} is no switch of another device that is read"
            yield file.problem(("devices", index, "feeder"), what, "name a bool point, such as a relay")


def _unknown_points(device: Device, profile: Profile, at: Key, file: TomlFile) -> list[Problem]:
    return [
        file.problem(
            (*at, index), f"profile {profile.id} has no point {name!r}", f"it has {', '.join(profile.names)}"
        )
        for index, name in enumerate(device.points)
        if name not in profile.names
    ]


def _of_text(settings: Settings, file: TomlFile, place: Place) -> Iterator[Problem]:
    yield from _duplicates(settings, file)
    yield from _shared_buses(settings, file, place)
    yield from _inventory(settings, file)


def _duplicates(settings: Settings, file: TomlFile) -> Iterator[Problem]:
    for table in ("lines", "devices", "alarms", "controls", "lamps"):
        seen: set[str] = set()
        for index, entry in enumerate(getattr(settings, table)):
            if entry.name in seen:
                key = (table, index, "name")
                yield file.problem(key, f"name {entry.name!r} is given twice", "rename one of them")
            seen.add(entry.name)
    places: dict[tuple[str, int], str] = {}
    for index, device in enumerate(settings.devices):
        other = places.setdefault((device.line, device.unit_id), device.name)
        if other != device.name:
            what = f"unit_id {device.unit_id} on line {device.line} is {other!r} already"
            yield file.problem(("devices", index, "unit_id"), what, "two devices would answer at once")


def _shared_buses(settings: Settings, file: TomlFile, place: Place) -> Iterator[Problem]:
    """Two lines to one bus garble each other, and what is locked on one could be written by the other."""
    seen: dict[endpoints.Endpoint, str] = {}
    for index, line in enumerate(settings.lines):
        other = seen.setdefault(place(line), line.name)
        if other == line.name:
            continue
        key, bus = (
            ("port", line.port) if isinstance(line, SerialLine) else ("host", f"{line.host} port {line.port}")
        )
        what = f"{other!r} and {line.name!r} lead to one bus, {bus}"
        remedy = "keep one of the two lines, and put the devices of both on it"
        yield file.problem(("lines", index, key), what, remedy)


def _inventory(settings: Settings, file: TomlFile) -> Iterator[Problem]:
    """The hello carries every device: one that is too large could never be said."""
    octets = len(msgspec.json.encode(settings.inventory))
    if octets > INVENTORY_BYTES_MAX:
        count = len(settings.devices)
        what = f"the {count} devices take {octets} bytes in a hello, {INVENTORY_BYTES_MAX} at most"
        yield file.problem(("devices",), what, "shorten their titles or names, or use a second gateway")
