"""What may stand behind the devices of a cabinet, and what may happen to it; checked with its file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal, Protocol, get_args

from pydantic import Field

from contract.samples import Value
from device_profiles.schema import Profile, ProfileName
from simulators.daylight import Daylight, DaylightSettings
from simulators.lamp_circuits import (
    CabinetHappening,
    CircuitHappening,
    LampHappening,
    Lamps,
    LampsSettings,
)
from simulators.lamp_controller import PROFILE as LAMP_PROFILE
from simulators.physics import Cover, CoverSettings, Dust, DustSettings, Pipe, PipeSettings
from toml_files import Problem, Strict, TomlFile

DeviceHappening = Literal["device_dies", "device_revives"]
What = Literal[
    "works_begin",
    "works_end",
    "cover_lifted",
    "cover_closed",
    "pipe_bursts",
    "pipe_repaired",
    "fog",
    "clear",
    "light_becomes",
    LampHappening,
    CircuitHappening,
    CabinetHappening,
    DeviceHappening,
]
PhysicsSettings = Annotated[
    DustSettings | CoverSettings | PipeSettings | DaylightSettings | LampsSettings,
    Field(discriminator="kind"),
]
World = Dust | Cover | Pipe | Daylight | Lamps
NEEDS: dict[str, type[World]] = {
    "works_begin": Dust,
    "works_end": Dust,
    "cover_lifted": Cover,
    "cover_closed": Cover,
    "pipe_bursts": Pipe,
    "pipe_repaired": Pipe,
    "fog": Daylight,
    "clear": Daylight,
    "light_becomes": Daylight,
    **dict.fromkeys(
        (*get_args(LampHappening), *get_args(CircuitHappening), *get_args(CabinetHappening)), Lamps
    ),
}
"""Which physics a happening acts on; the others act on the device."""


class Happening(Strict):
    """One sentence of the story."""

    at_s: float = Field(ge=0)
    """Seconds after the start."""
    what: What
    device: ProfileName
    """To whom; of what happens to a breaker or a contactor, the name of its circuit."""
    value: float | None = Field(default=None, ge=0)
    """With light_becomes, the illuminance in lx; without it, the sun's again."""


class Seated(Protocol):
    """A device of the file."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def profile(self) -> str | None:
        """Its profile, unless it is a board."""

    @property
    def board(self) -> str | None:
        """Its board."""

    @property
    def values(self) -> Mapping[str, Value]:
        """What the file says it holds."""


def make_physics(settings: PhysicsSettings) -> World:
    """Return the piece of the world that the settings describe."""
    match settings:
        case DustSettings():
            return Dust(settings)
        case CoverSettings():
            return Cover(settings)
        case PipeSettings():
            return Pipe(settings)
        case DaylightSettings():
            return Daylight(settings)
        case LampsSettings():
            return Lamps(settings)


def moved(settings: PhysicsSettings, physics: World) -> Mapping[str, Mapping[str, Value]]:
    """Return the clean values of every device that a piece of the world moves, by point."""
    return physics.all_values() if isinstance(physics, Lamps) else {settings.device: physics.values()}


def happen(physics: World, happening: Happening) -> None:
    """Let it happen."""
    what = happening.what
    if isinstance(physics, Dust):
        physics.works = what == "works_begin"
    elif isinstance(physics, Cover):
        physics.lifted = what == "cover_lifted"
    elif isinstance(physics, Pipe):
        physics.burst = what == "pipe_bursts"
    elif isinstance(physics, Daylight):
        physics.happen(what, happening.value)
    else:
        physics.happen(what, happening.device)


def targets(settings: PhysicsSettings, physics: World, what: str) -> set[str]:
    """Return to whom this can happen in a piece of the world."""
    if not isinstance(physics, NEEDS[what]):
        return set()
    return physics.targets(what) if isinstance(physics, Lamps) else {settings.device}


def problems(
    toml: TomlFile,
    devices: Sequence[Seated],
    pieces: Sequence[PhysicsSettings],
    story: Sequence[Happening],
    profiles: Mapping[str, Profile],
) -> Iterator[Problem]:
    """Return what is wrong with the world of a cabinet and with its story."""
    seated = {device.name: device for device in devices}
    outputs = {f"{d.name}/relay_{n}" for d in devices if d.board for n in range(1, 9)}
    world = [(settings, make_physics(settings)) for settings in pieces]
    taken: set[str] = set()
    for index, (settings, physics) in enumerate(world):
        where = ("physics", index)
        for name, values in moved(settings, physics).items():
            device = seated.get(name)
            profile = profiles.get(device.profile or "") if device else None
            points = {point.name for point in profile.points} if profile else set()
            if missing := sorted(set(values) - points):
                what = f"{name!r} is no device with the points {', '.join(missing)}"
                yield toml.problem((*where, "device"), what, "name a device whose profile has them")
        if isinstance(settings, DustSettings) and settings.valve and settings.valve not in outputs:
            yield _no_output(toml, (*where, "valve"), settings.valve)
        own = [settings.device]
        if isinstance(settings, LampsSettings):
            yield from _circuits(toml, where, settings, seated, outputs)
            own += [name for circuit in settings.circuits for name in circuit.lamps]
        for name in own:
            if name in taken:
                yield toml.problem(
                    (*where, "device"), f"{name!r} has physics already", "give each device one"
                )
            taken.add(name)
    for index, happening in enumerate(story):
        yield from _happening(toml, index, happening, world, seated)


def _circuits(
    toml: TomlFile,
    where: tuple[str, int],
    settings: LampsSettings,
    seated: Mapping[str, Seated],
    outputs: Iterable[str],
) -> Iterator[Problem]:
    names: set[str] = set()
    for index, circuit in enumerate(settings.circuits):
        at = (*where, "circuits", index)
        if circuit.name in names:
            yield toml.problem((*at, "name"), f"{circuit.name} is taken", "give another")
        names.add(circuit.name)
        if circuit.contactor not in outputs:
            yield _no_output(toml, (*at, "contactor"), circuit.contactor)
        for number, name in enumerate(circuit.lamps):
            device = seated.get(name)
            if device and device.profile != LAMP_PROFILE:
                what = f"{name!r} is no lamp"
                yield toml.problem((*at, "lamps", number), what, f'name a device of profile "{LAMP_PROFILE}"')
            elif device and device.values:
                what = f"{name!r} has values, and what a lamp holds comes from here"
                yield toml.problem((*at, "lamps", number), what, "remove them, or give default_level")


def _happening(
    toml: TomlFile,
    index: int,
    happening: Happening,
    world: Sequence[tuple[PhysicsSettings, World]],
    seated: Mapping[str, Seated],
) -> Iterator[Problem]:
    what = happening.what
    needed = NEEDS.get(what)
    if happening.value is not None and what != "light_becomes":
        yield toml.problem(("story", index, "value"), f"means nothing for {what}", "remove it")
    if needed is None:
        known = set(seated)
    else:
        known = {name for settings, physics in world for name in targets(settings, physics, what)}
    if happening.device in known:
        return
    kind = f" with physics of kind {needed.__name__.lower()}" if needed else ""
    who = "circuit" if what in get_args(CircuitHappening) else "device"
    told = f"{happening.device!r} is no {who}{kind}, so {what} cannot happen to it"
    remedy = f"name one that is: {', '.join(sorted(known))}" if known else "name one that is"
    yield toml.problem(("story", index, "device"), told, remedy)


def _no_output(toml: TomlFile, where: tuple[str | int, ...], name: str) -> Problem:
    what = f"{name!r} is no output of this cabinet"
    return toml.problem(where, what, 'write "board/relay_1" with the name of a board')
