"""Looking for devices from a terminal: through the running gateway where a port is its own, else directly."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gengfu.commands.edge_socket import no_answer
from gengfu.finding_words import text

if TYPE_CHECKING:
    from device_profiles.schema import Profile
    from edge.commissioning.finds import Effort, FoundDevice
    from edge.commissioning.scanning import Progress as ScanProgress
    from edge.commissioning.scanning import Scan
    from edge.lines.formats import Format
    from edge.lines.line import Direction
    from edge.local.words import OwnPort


class NotScannedError(Exception):
    """A port cannot be scanned; the text says why, and what to do."""


@dataclass(frozen=True)
class Owner:
    """A running gateway and the ports that are its own."""

    folder: Path
    ports: "list[OwnPort]"

    def of(self, port: str) -> "OwnPort | None":
        """Return the line of this port, if it is the gateway's."""
        from os.path import realpath

        return next((each for each in self.ports if realpath(each.port) == realpath(port)), None)


@dataclass(frozen=True)
class Wanted:
    """What is looked for, and how hard."""

    effort: "Effort"
    formats: "Sequence[Format] | None" = None
    units: Sequence[int] | None = None
    listen_s: float = 1.5
    direction: "Direction" = "auto"


def owner(settings: Path | None) -> Owner | None:
    """Return the gateway that runs with these settings; None where none does, or there are no settings."""
    from edge.local import client
    from edge.local.words import Ports

    if settings is None or not settings.exists():
        return None
    folder = state_folder(settings)
    try:
        return Owner(folder, client.asked(folder, Ports()).ports)
    except client.NoAnswerError as error:
        if error.why in ("absent", "killed"):
            return None
        raise NotScannedError(no_answer(error)) from error


def state_folder(settings: Path) -> Path:
    """Return the state folder that the settings name, though they may have mistakes elsewhere."""
    return settings.parent / str(_raw(settings).get("state_folder", "state"))


def profiles_of(settings: Path | None) -> "dict[str, Profile]":
    """Return the shipped profiles, and those of the folders that the settings name."""
    from device_profiles import catalogue

    named = _raw(settings).get("profile_folders", []) if settings is not None and settings.exists() else []
    folders = named if isinstance(named, list) else []
    return catalogue.load_all([settings.parent / str(folder) for folder in folders] if settings else [])


def _raw(settings: Path) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(settings.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise NotScannedError(f"{settings}: {error}") from error


def scan_all(
    ports: Sequence[str], profiles: "dict[str, Profile]", wanted: Wanted, own: Owner | None, *, quiet: bool
) -> "list[Scan | NotScannedError]":
    """Scan ports side by side, with a bar for each; Ctrl-C ends it with what was found so far."""
    with (
        _interrupted() as stopped,  # around the threads: whoever leaves them waits for them
        _bars(quiet=quiet) as bars,
        ThreadPoolExecutor(max_workers=max(1, len(ports))) as pool,
    ):
        running = [
            pool.submit(_scan, port, profiles, wanted, own, _Bar(bars, port), stopped) for port in ports
        ]
        while any(not each.done() for each in running):
            time.sleep(0.1)
        return [each.result() for each in running]


@contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Say whether Ctrl-C was pressed; a second one ends the command at once."""
    asked = False
    former = signal.getsignal(signal.SIGINT)

    def heard(_number: int, _frame: object) -> None:
        nonlocal asked
        asked = True  # no lock: whoever is interrupted may hold it
        signal.signal(signal.SIGINT, former)

    signal.signal(signal.SIGINT, heard)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, former)


class _Bar:
    """One port's bar; what it shows is about, and may go back when something is found."""

    def __init__(self, bars: Progress, port: str) -> None:
        self._bars, self._port = bars, port
        self._task: TaskID = bars.add_task(port, total=None, found=0, what=text("listening"))
        self._found = 0

    def told(self, progress: "ScanProgress") -> None:
        if progress.found is not None:
            self.found(progress.found)
        self.going(progress.took_s, progress.rest_s, progress.format)

    def found(self, found: "FoundDevice") -> None:
        self._found += 1
        told = text("found_one").format(
            self._port, found.unit_id, found.format, found.transmission_mode.upper()
        )
        self._bars.console.print(told)

    def going(self, took_s: float, rest_s: float, what: str) -> None:
        self._bars.update(self._task, completed=took_s, total=took_s + rest_s, found=self._found, what=what)


@contextmanager
def _bars(*, quiet: bool) -> Iterator[Progress]:
    console = Console(stderr=True, highlight=False, markup=False, quiet=quiet)
    columns = (TextColumn("{task.description} {task.fields[what]}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield bars


def _scan(
    port: str,
    profiles: "dict[str, Profile]",
    wanted: Wanted,
    own: Owner | None,
    bar: _Bar,
    stopped: Callable[[], bool],
) -> "Scan | NotScannedError":
    from edge.commissioning.scanning import scan_port
    from edge.commissioning.sweep import Sweep
    from edge.lines.port import SerialSettings

    line = own.of(port) if own else None
    try:
        if own and line:
            return _through_gateway(own, line, wanted, bar, stopped)
        sweep = Sweep(profiles.values(), effort=wanted.effort, formats=wanted.formats, units=wanted.units)
        return scan_port(
            SerialSettings(port, 9600, direction=wanted.direction),
            sweep,
            bar.told,
            listen_s=wanted.listen_s,
            stopped=stopped,
        )
    except NotScannedError as error:
        return error
    except OSError as error:
        return NotScannedError(_why(port, error))


def _why(port: str, error: OSError) -> str:
    told = str(error)
    if "exclusively lock" in told or "Resource temporarily unavailable" in told:
        return text("port_in_use").format(port)
    if "No such file" in told:
        return text("no_port").format(port)
    if "Permission denied" in told:
        return text("not_allowed").format(port)
    return f"{port}: {error.strerror or told}"


def _through_gateway(
    own: Owner, line: "OwnPort", wanted: Wanted, bar: _Bar, stopped: Callable[[], bool]
) -> "Scan":
    from edge.commissioning.scanning import Scan
    from edge.local import client
    from edge.local.words import Going, Refused, ScanLine, Scanned

    devices: list[FoundDevice] = []
    request = ScanLine(
        line.line,
        wanted.effort.name.lower(),  # type: ignore[arg-type]
        all_formats=wanted.effort.value == 0,
        formats=[str(each) for each in wanted.formats or []],
        units=list(wanted.units or []),
    )
    try:
        for news in client.streamed(own.folder, request):
            match news:
                case Going(asked, took_s, rest_s, what, found):
                    if found is not None:
                        devices.append(found)
                        bar.found(found)
                    bar.going(took_s, rest_s, what)
                    if stopped():
                        return Scan(
                            line.port, "stopped", devices, [], asked, took_s, 0.0, echo=False, noisy=0
                        )
                case Scanned(scan):
                    return scan
                case Refused(told):
                    raise NotScannedError(told)
                case _:
                    break
    except client.NoAnswerError as error:
        raise NotScannedError(no_answer(error)) from error
    raise NotScannedError(text("stopped_early").format(line.line))
