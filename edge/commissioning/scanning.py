"""A scan carried out: the sweep's questions put to a port, one slice of time after the other. The rim."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from edge.commissioning.finds import Ask, FoundDevice, Heard, Unclear
from edge.commissioning.overheard import Overheard, overheard
from edge.commissioning.sweep import PATIENT_S, Sweep
from edge.drivers.probing import PROTOCOLS, RTU
from edge.lines.formats import Format
from edge.lines.port import AskedPort, SerialSettings, opened

LISTEN_S = 1.5
"""A line is listened to so long before anything is sent: whoever polls it has spoken by then."""
NOISE_BYTES_MAX = 16
"""So many bytes that make no sense are noise of a line that nobody drives; more may be somebody's talk."""
REST_INTERVAL_S = 0.5
AGAIN_REST_S = 0.15
SLICE_S = 0.3
"""So long a line is kept from whoever else uses it."""
LISTEN_FORMATS = tuple(Format(baud) for baud in (9600, 19_200, 115_200, 4800, 38_400, 57_600, 2400))
"""What is spoken there is tried to be understood in these, where something is heard."""

Outcome = Literal["finished", "stopped", "live"]


class Scan(msgspec.Struct, frozen=True):
    """What a scan of a port came to. Times are seconds.

    ``minimum_s`` is what the questions asked need at least: their own bytes and the answers', the devices'
    turnaround, and the time-outs of those that nobody answered. ``live``: another master speaks on the line,
    and nothing was sent, or nothing more.
    """

    port: str
    outcome: Outcome
    devices: list[FoundDevice]
    unclear: list[Unclear]
    asked: int
    took_s: float
    minimum_s: float
    echo: bool
    noisy: int
    overheard: Overheard | None = None

    @property
    def of_minimum(self) -> float:
        """How many times the minimum it took."""
        return self.took_s / self.minimum_s if self.minimum_s else 1.0


@dataclass
class Progress:
    """How far a scan is."""

    sweep: Sweep
    took_s: float
    format: str
    found: FoundDevice | None = None

    @property
    def rest_s(self) -> float:
        """How long it takes yet, about; it shrinks and grows with what is found."""
        return self.sweep.rest_s


@dataclass
class Scanner:
    """One port's scan. ``slice`` goes on with it for a while; one thread at a time may call it."""

    port_name: str
    sweep: Sweep
    clock_s: Callable[[], float] = time.monotonic
    heard: Overheard | None = None
    used_s: float = 0.0
    """How long the line was asked or listened to."""
    over: bool = False
    _told_s: float = field(default=0.0, init=False)

    def listen(self, port: AskedPort, duration_s: float = LISTEN_S) -> Overheard | None:
        """Say what is on the line while we are silent; None: nothing. The scan is over where it is much."""
        began_s = self.clock_s()
        port.drop()
        data = port.listen(duration_s)
        told = overheard(RTU, None, data) if data else None
        for entry in LISTEN_FORMATS if told is not None else ():
            port.reformat(entry)
            port.drop()
            data = port.listen(duration_s)
            told = max(
                told or overheard(RTU, entry, data),
                *(overheard(protocol, entry, data) for protocol in PROTOCOLS),
                key=lambda each: (each.frames, each.bytes_heard),
            )
            if told.frames:
                break
        self.heard = told
        self.over = told is not None and (told.frames > 0 or told.bytes_heard > NOISE_BYTES_MAX)
        self.used_s += self.clock_s() - began_s
        return told

    def slice(self, port: AskedPort, limit_s: float, on_progress: Callable[[Progress], None]) -> None:
        """Ask for so long; a question that is begun is finished."""
        began_s = self.clock_s()
        spoken: Format | None = None
        while not self.over and self.clock_s() - began_s < limit_s:
            ask = self.sweep.next()
            if ask is None:
                self.over = True
                break
            if ask.format != spoken:
                port.reformat(ask.format)
                spoken = ask.format
            self._put(port, ask, began_s, on_progress)
        self.used_s += self.clock_s() - began_s

    def result(self, outcome: Outcome | None = None) -> Scan:
        """Return what it has come to so far."""
        sweep = self.sweep
        live = bool(sweep.foreign) or (self.heard is not None and not sweep.asked)
        return Scan(
            self.port_name,
            outcome or ("live" if live else "finished" if self.over else "stopped"),
            list(sweep.found),
            list(sweep.unclear.values()),
            sweep.asked,
            self.used_s,
            sweep.minimum_s,
            bool(sweep.echoes),
            sweep.noisy,
            self.heard,
        )

    def _put(
        self, port: AskedPort, ask: Ask, began_s: float, on_progress: Callable[[Progress], None]
    ) -> None:
        if ask.again:
            port.listen(
                AGAIN_REST_S
            )  # what is late to an earlier question is not to pass for this one's answer
        data, first_s = port.ask(ask.data, ask.patience_s, lambda came: ask.protocol.is_whole(ask.data, came))
        took_s = self.used_s + self.clock_s() - began_s
        found = self.sweep.took(ask, Heard(data, first_s), took_s)
        if self.sweep.foreign:
            self.heard = overheard(ask.protocol, ask.format, data)
        if found or took_s - self._told_s >= REST_INTERVAL_S:
            self._told_s = took_s
            on_progress(Progress(self.sweep, took_s, str(ask.format), found))


def scan_port(
    settings: SerialSettings,
    sweep: Sweep,
    on_progress: Callable[[Progress], None],
    *,
    listen_s: float = LISTEN_S,
    stopped: Callable[[], bool] = lambda: False,
) -> Scan:
    """Scan a port that nobody else uses; OSError where it cannot be opened. ``stopped`` ends it early.

    The port is left as it was found: what is under way is let finish, and nothing unread stays.
    """
    scanner = Scanner(settings.port, sweep)
    with opened(settings) as port:
        run(scanner, port, on_progress, listen_s=listen_s, stopped=stopped)
        if not scanner.over:
            port.listen(PATIENT_S)  # whoever was asked last may still answer
    return scanner.result()


def run(
    scanner: Scanner,
    port: AskedPort,
    on_progress: Callable[[Progress], None],
    *,
    listen_s: float,
    stopped: Callable[[], bool],
) -> None:
    """Listen, then ask until it is over or stopped."""
    if listen_s:
        scanner.listen(port, listen_s)
    while not scanner.over and not stopped():
        scanner.slice(port, SLICE_S, on_progress)
