"""Scans, identification and examinations of lines that the gateway itself polls, streamed to who asks."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

from device_profiles.schema import Profile
from edge.commissioning.candidates import candidates
from edge.commissioning.causes import diagnosed
from edge.commissioning.doctoring import Expected, Stage, examined
from edge.commissioning.finds import Effort
from edge.commissioning.identifying import fingerprint
from edge.commissioning.judging import judged
from edge.commissioning.lent import LentPort
from edge.commissioning.overheard import Overheard
from edge.commissioning.scanning import Progress, Scanner, run
from edge.commissioning.sweep import Sweep
from edge.commissioning.symptoms import Evidence, symptoms
from edge.lines.formats import Format, read_format
from edge.lines.line import Line
from edge.lines.ports import latency_timer, lowered_latency_ms
from edge.lines.serial_port import SerialLine
from edge.local.words import (
    DeviceTold,
    Examine,
    Examined,
    Going,
    IdentifyUnit,
    News,
    OfLines,
    OwnPort,
    Refused,
    ScanLine,
    Scanned,
)
from edge.settings import Device, SerialSide, Settings
from toml_files import TomlFileError

NEWS_MAX = 256
GOING_INTERVAL_S = 0.5
OF_THE_LINE = 0.5
"""So much of the line's time a scan takes at most."""

Tell = Callable[[News], None]


class Commissioning:
    """Does one thing at a time, on one line; polling goes on between its questions."""

    def __init__(
        self,
        settings: Settings,
        profiles: Mapping[str, Profile],
        catalogue: Callable[[], Mapping[str, Profile]],
        lines: Mapping[str, Line],
    ) -> None:
        """``profiles`` are those of the settings' devices; ``catalogue`` reads all there are, when needed."""
        self._settings, self._profiles, self._read = settings, profiles, catalogue
        self._lines = lines
        self._busy = False

    def ports(self) -> list[OwnPort]:
        """Return the serial ports that are the gateway's."""
        return [
            OwnPort(name, line.port_name, str(self._format(name)), self._side(name).transmission_mode)
            for name, line in self._lines.items()
            if isinstance(line, SerialLine)
        ]

    async def stream(self, request: OfLines) -> AsyncGenerator[News, None]:
        """Do it, and yield how far it is and what came of it; it ends where nobody listens any more."""
        line = self._lines.get(request.line)
        if line is None:
            yield Refused(f"no line {request.line!r}; lines here: {', '.join(sorted(self._lines))}")
        elif self._busy:
            yield Refused("somebody is at it already: a gateway does one scan at a time; try again later")
        elif isinstance(request, IdentifyUnit):
            yield await self._identified(line, request)
        elif not isinstance(line, SerialLine):
            yield Refused(f"line {request.line!r} is no serial port of this machine: it cannot be scanned")
        else:
            async for news in self._in_thread(line, request):
                yield news

    async def _identified(self, line: Line, request: IdentifyUnit) -> News:
        try:
            known = candidates(self._catalogue())
        except OSError as error:
            return Refused(str(error))
        side = self._settings_of(request.line)
        baud = side.baud if isinstance(side, SerialSide) else 0
        self._busy = True
        try:
            told = await fingerprint(line, request.unit_id, known, baud=baud, timeout_s=request.timeout_s)
        finally:
            self._busy = False
        return DeviceTold(judged(told, known))

    async def _in_thread(self, line: SerialLine, request: ScanLine | Examine) -> AsyncGenerator[News, None]:
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[News | None] = asyncio.Queue(NEWS_MAX)
        stop = threading.Event()

        def told(entry: News | None) -> None:
            if not news.full() or not isinstance(entry, Going) or entry.found:
                loop.call_soon_threadsafe(news.put_nowait, entry)

        def work() -> None:
            try:
                port = LentPort(line, loop, self._format(request.line))
                if isinstance(request, ScanLine):
                    self._scan(port, line, request, stop, told)
                else:
                    self._examine(port, line, request, told)
            except (OSError, TimeoutError) as error:
                told(Refused(f"line {request.line!r}: {error}"))
            finally:
                told(None)

        self._busy = True
        task = asyncio.create_task(asyncio.to_thread(work))
        try:
            while (entry := await news.get()) is not None:
                yield entry
        finally:
            stop.set()
            self._busy = False
            await asyncio.gather(task, return_exceptions=True)

    def _scan(
        self, port: LentPort, line: SerialLine, request: ScanLine, stop: threading.Event, told: Tell
    ) -> None:
        entry = self._format(request.line)
        sweep = Sweep(
            self._catalogue().values(),
            effort=Effort[request.effort.upper()],
            formats=None
            if request.all_formats
            else [read_format(each) for each in request.formats] or [entry],
            units=request.units or None,
            known=[(entry, device.unit_id) for device in self._devices(request.line)],
        )
        scanner = Scanner(line.port_name, sweep)
        last_s = 0.0

        def going(progress: Progress) -> None:
            nonlocal last_s
            if progress.found or progress.took_s - last_s >= GOING_INTERVAL_S:
                last_s = progress.took_s
                rest_s = progress.rest_s / OF_THE_LINE
                told(Going(sweep.asked, progress.took_s, rest_s, progress.format, progress.found))

        run(scanner, port, going, listen_s=0, stopped=stop.is_set)
        told(Scanned(scanner.result()))

    def _examine(self, port: LentPort, line: SerialLine, request: Examine, told: Tell) -> None:
        began_s = time.monotonic()

        def going(stage: Stage) -> None:
            told(Going(stage.done, time.monotonic() - began_s, 0.0, stage.what))

        side = self._side(request.line)
        latency_ms = lowered_latency_ms(line.port_name) if latency_timer(line.port_name).exists() else None
        evidence = examined(
            port,
            self._format(request.line),
            side.transmission_mode,
            self.expected(request.line),
            clock_s=time.monotonic,
            on_stage=going,
            latency_ms=latency_ms,
            times=request.times,
            listen=False,
        )
        seen = line.seen
        if seen.foreign_requests:  # the line listens all the time, and has heard it
            heard = Overheard(seen.stray_bytes, seen.foreign_requests, [], [], "", 0)
            evidence = Evidence(**{**vars(evidence), "overheard": heard})
        shown = symptoms(evidence)
        told(Examined(request.line, shown, diagnosed(shown)))

    def _catalogue(self) -> Mapping[str, Profile]:
        try:
            return self._read()
        except TomlFileError as error:
            raise OSError(f"the profiles cannot be read: {error}") from error

    def expected(self, line: str) -> Sequence[Expected]:
        """Return the devices that should be on a line."""
        return [
            Expected(device.name, device.unit_id, self._profiles[device.name], device.timeout_s)
            for device in self._devices(line)
        ]

    def _devices(self, line: str) -> list[Device]:
        return [device for device in self._settings.devices if device.line == line]

    def _settings_of(self, name: str) -> object:
        return next(entry for entry in self._settings.lines if entry.name == name)

    def _side(self, name: str) -> SerialSide:
        side = self._settings_of(name)
        assert isinstance(side, SerialSide)  # noqa: S101 - of serial lines only
        return side

    def _format(self, name: str) -> Format:
        side = self._side(name)
        return Format(side.baud, side.parity, side.stop_bits, side.data_bits)
