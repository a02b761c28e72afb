"""What report policies and the byte budget must satisfy, and what is often forgotten about them."""

from collections.abc import Iterator, Mapping

from device_profiles.schema import Profile
from edge.reporting import is_number
from edge.settings import Device, Report, Settings
from toml_files import Problem, TomlFile

MONTH_S = 30 * 86_400
KEEPALIVE_BYTES = 212
"""PINGREQ, PINGRESP and what TCP says to them: four packets of 52 to 54 bytes."""
BATCH_BYTES = 450
"""A batch without its samples: header, topic, PUBACK, the centre's acknowledgement, and their packets."""


def problems(settings: Settings, profiles: Mapping[str, Profile], file: TomlFile) -> Iterator[Problem]:
    """Yield the mistakes in report policies; ``profiles`` are by device, without those in doubt."""
    everything = settings.report
    for device in settings.devices:
        profile = profiles.get(device.name)
        if profile is not None:
            yield from _device(settings, device, profile, file)
    slowest = max(settings.devices, key=lambda device: device.interval_s, default=None)
    if slowest and everything.mode == "mean" and everything.interval_s < slowest.interval_s:
        yield _too_short(everything, slowest, ("report", "interval_s"), file)


def _device(settings: Settings, device: Device, profile: Profile, file: TomlFile) -> Iterator[Problem]:
    index = settings.devices.index(device)
    read = device.points or profile.names
    seen: set[str] = set()
    remainders = 0
    for number, report in enumerate(device.report):
        at = ("devices", index, "report", number)
        remainders += not report.points
        if not report.points and remainders == 2:
            what = "a second policy without points"
            yield file.problem((*at, "points"), what, "name its points; one is for all the others")
        for place, name in enumerate(report.points):
            key = (*at, "points", place)
            if name not in read:
                yield file.problem(key, f"{device.name} has no point {name!r}", f"it has {', '.join(read)}")
            elif name in seen:
                what = f"point {name!r} has a policy already"
                yield file.problem(key, what, "remove it here or there: one point, one policy")
            elif not is_number(profile, name) and (report.mode == "mean" or report.deadband):
                what = f"{name!r} is a switch: it has no {'mean' if report.mode == 'mean' else 'deadband'}"
                remedy = 'give it a policy of its own with mode = "on_change" and no deadband'
                yield file.problem(key, what, remedy)
            seen.add(name)
        if report.mode == "mean" and report.interval_s < device.interval_s:
            yield _too_short(report, device, (*at, "interval_s"), file)
        if report.mode == "on_change" and report.longest_s < device.interval_s:
            what = (
                f"longest_s is {report.longest_s:g}, and {device.name} is read every {device.interval_s:g} s"
            )
            yield file.problem((*at, "longest_s"), what, f"{device.interval_s:g} at least")


def _too_short(report: Report, device: Device, at: tuple[str | int, ...], file: TomlFile) -> Problem:
    what = f"means over {report.interval_s:g} s, and {device.name} is read every {device.interval_s:g} s only"
    return file.problem(at, what, f"more than {device.interval_s:g}, better ten times that")


def notes(settings: Settings) -> Iterator[str]:
    """Say what is no mistake and yet often forgotten; for settings that are sound."""
    yield from _deadbands(settings)
    yield from _budget(settings)


def _deadbands(settings: Settings) -> Iterator[str]:
    deadbands = {
        f"{device.name}/{point}": report.deadband
        for device in settings.devices
        for report in device.report
        for point in report.points
    }
    for alarm in settings.alarms:
        for name in alarm.points:
            deadband: float = getattr(alarm, "deadband", 0.0)
            if deadband and deadbands.get(name, 0) > deadband:
                yield (
                    f"{name}: the deadband of its report, {deadbands[name]:g}, is more than that of alarm "
                    f"{alarm.name}, {deadband:g}; the alarm is right, its curve may not show why"
                )


def _budget(settings: Settings) -> Iterator[str]:
    budget = settings.broker.monthly_bytes_max
    if not budget:
        return
    costs = {
        f"keepalive_s = {settings.broker.keepalive_s}": KEEPALIVE_BYTES / settings.broker.keepalive_s,
        f"flush_interval_s = {settings.buffer.flush_interval_s:g}": BATCH_BYTES
        / settings.buffer.flush_interval_s,
    }
    for key, octets_per_s in costs.items():
        octets = octets_per_s * MONTH_S
        if octets > budget / 4:
            yield (
                f"{key} costs up to {octets / 1e6:.0f} MB a month by itself, of {budget / 1e6:.0f} MB "
                "monthly_bytes_max; a longer interval leaves more for samples"
            )
