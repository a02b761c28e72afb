"""A simulated cabinet as a TOML file: its lines, devices, physics and story. Every key is explained here."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from contract.samples import Value
from device_profiles import catalogue
from device_profiles.codec import CodecError
from device_profiles.schema import Profile, ProfileName
from simulators import world
from simulators.bus import Mode
from simulators.devices import Device, ProfileDevice
from simulators.relay_board import RelayBoard
from toml_files import Problem, Strict, Title, TomlFile, TomlFileError

SHIPPED = Path(str(files("simulators"))) / "cabinets"
LINES_MAX = 32
DEVICES_MAX = 1_000
STORY_MAX = 10_000


class SerialLine(Strict):
    """A serial line, played on a pseudo-terminal."""

    name: ProfileName
    kind: Literal["serial"]
    baud: int = Field(ge=300, le=1_000_000)
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    transmission_mode: Mode = "rtu"
    link: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
    """Name of the symlink that leads to the port, within the folder given when it is run."""
    strict: bool = False
    """Whether devices ignore requests that leave no silence of 3.5 characters before them."""


class TcpLineSettings(Strict):
    """A Modbus TCP endpoint on the loopback interface."""

    name: ProfileName
    kind: Literal["tcp"]
    port: int = Field(default=0, ge=0, le=65_535)
    """0: a free one."""


class DeviceSettings(Strict):
    """One device: of a profile, or a board that is simulated from its vendor's document."""

    name: ProfileName
    line: ProfileName
    unit_id: int = Field(ge=1, le=247)
    profile: ProfileName | None = None
    board: Literal["waveshare_relay_8"] | None = None
    turnaround_ms: float = Field(default=5, ge=0, le=60_000)
    """From the end of a request to the start of its answer."""
    values: dict[str, bool | int | float] = Field(default={})
    """By point name, in the points' units; physics may move them."""
    noise: dict[str, Annotated[float, Field(ge=0)]] = Field(default={})
    """Standard deviation by point name, in the points' units; drawn anew ten times a second."""
    decimals: int = Field(default=0, ge=0, le=6)
    """What the device's own decimals register says, where its profile has one."""
    unit_code: int | None = Field(default=None, ge=0, le=0xFFFF)
    """What the device's own unit register says, where its profile has one; by default the first code of the
    first point that has a value here or from physics."""


class CabinetFile(Strict):
    """The whole file."""

    schema_version: Literal[1] = Field(alias="schema")
    title: Title
    lines: list[Annotated[SerialLine | TcpLineSettings, Field(discriminator="kind")]] = Field(
        min_length=1, max_length=LINES_MAX
    )
    devices: list[DeviceSettings] = Field(min_length=1, max_length=DEVICES_MAX)
    physics: list[world.PhysicsSettings] = Field(default=[], max_length=DEVICES_MAX)
    story: list[world.Happening] = Field(default=[], max_length=STORY_MAX)


@dataclass(frozen=True)
class Plan:
    """A checked file and the profiles it speaks of."""

    name: str
    file: CabinetFile
    profiles: dict[str, Profile]


def shipped() -> list[str]:
    """Return the names of the cabinets that come with the product."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(cabinet: str) -> Plan:
    """Read a cabinet by path or shipped name; TomlFileError tells every mistake in it."""
    path = SHIPPED / f"{cabinet}.toml" if cabinet in shipped() else Path(cabinet)
    if cabinet not in shipped() and not path.exists():
        remedy = f"give a path, or one of {', '.join(shipped())}"
        raise TomlFileError([Problem(cabinet, 0, "", "there is no such cabinet", remedy)])
    toml = TomlFile.read(path)
    file = toml.parse(CabinetFile)
    profiles = catalogue.load_all()
    if problems := list(_problems(toml, file, profiles)):
        raise TomlFileError(problems)
    return Plan(path.stem, file, profiles)


def make_device(
    settings: DeviceSettings, profiles: dict[str, Profile], measured: Sequence[str] = ()
) -> Device:
    """Return the device that the settings describe; ``measured`` are the points that physics will move.

    KeyError or CodecError where the settings are unsound.
    """
    if settings.board or settings.profile is None:
        return RelayBoard(settings.name)
    values: dict[str, Value] = dict(settings.values)
    return ProfileDevice(
        settings.name,
        profiles[settings.profile],
        values,
        decimals=settings.decimals,
        unit_code=settings.unit_code,
        measured=measured,
    )


def _problems(toml: TomlFile, file: CabinetFile, profiles: dict[str, Profile]) -> Iterator[Problem]:
    yield from _twice(toml, "lines", "name", [(line.name,) for line in file.lines])
    yield from _twice(toml, "devices", "name", [(device.name,) for device in file.devices])
    seats = [(device.line, device.unit_id) for device in file.devices]
    yield from _twice(toml, "devices", "unit_id", seats)
    links = [(line.link if isinstance(line, SerialLine) else index,) for index, line in enumerate(file.lines)]
    yield from _twice(toml, "lines", "link", links)
    lines = {line.name for line in file.lines}
    for index, device in enumerate(file.devices):
        if device.line not in lines:
            what = f"{device.line!r} is no line of this cabinet"
            yield toml.problem(("devices", index, "line"), what, f"write one of {_listed(lines)}")
        yield from _device_problems(toml, index, device, profiles)
    yield from world.problems(toml, file.devices, file.physics, file.story, profiles)


def _twice(toml: TomlFile, table: str, key: str, names: Sequence[tuple[str | int, ...]]) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if name in names[:index]:
            what = f"{' '.join(map(str, name))} is taken by {table}[{names.index(name)}]"
            yield toml.problem((table, index, key), what, "give another")


def _device_problems(
    toml: TomlFile, index: int, device: DeviceSettings, profiles: dict[str, Profile]
) -> Iterator[Problem]:
    where = ("devices", index)
    if (device.profile is None) == (device.board is None):
        yield toml.problem(where, "profile or board, exactly one", "give one and remove the other")
        return
    if device.board:
        for key in ("values", "noise"):
            if getattr(device, key):
                yield toml.problem((*where, key), "a board has none", "remove it")
        return
    if device.profile not in profiles:
        remedy = f"write one of {_listed(profiles)}"
        yield toml.problem((*where, "profile"), f"{device.profile!r} is no known profile", remedy)
        return
    profile = profiles[device.profile]
    for key, given in (("values", device.values), ("noise", device.noise)):
        for name in given:
            if profile.point(name) is None:
                remedy = f"write one of {_listed(point.name for point in profile.points)}"
                yield toml.problem((*where, key, name), f"no point of {profile.id}", remedy)
                return
    try:
        make_device(device, profiles)
    except CodecError as error:
        yield toml.problem((*where, "values"), str(error), "give a value that the register can hold")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
