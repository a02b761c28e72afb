"""A port over a model of the wire, on a clock of its own: scans and examinations in no time."""

from collections.abc import Callable
from typing import Protocol

from edge.commissioning.scanning import Scan, Scanner
from edge.commissioning.sweep import Sweep
from edge.lines.formats import Format
from edge.lines.port import SLACK_S
from simulators.mixed_wire import MixedWire
from simulators.uart import Format as UartFormat

SLACK_NS = int(SLACK_S * 1e9)


class Wire(Protocol):
    """What the simulators' wires have in common."""

    def send(self, data: bytes, now_ns: int, /) -> object:
        """Put a request on the wire."""

    def receive(self, now_ns: int) -> bytes:
        """Return what has arrived by now."""

    def next_arrival_ns(self) -> int | None:
        """Return when the next byte arrives."""


class VirtualPort:
    """See edge.lines.port.AskedPort.

    ``before`` is called before each question, to make something happen. A wire that knows no formats hears
    what is sent in ``only`` this one.
    """

    def __init__(
        self,
        wire: Wire,
        before: Callable[[Wire, int], None] = lambda _wire, _now_ns: None,
        only: Format | None = None,
    ) -> None:
        """Begin one second after the model's beginning."""
        self._wire, self._before, self._only = wire, before, only
        self._format = Format(9600)
        self.now_ns = 10**9

    def s(self) -> float:
        """Return the time, seconds."""
        return self.now_ns / 1e9

    def reformat(self, entry: Format) -> None:
        """See AskedPort."""
        self._format = entry
        if isinstance(self._wire, MixedWire):
            self._wire.master = UartFormat(entry.baud, entry.parity, entry.stop_bits)

    def ask(
        self, data: bytes, patience_s: float, is_whole: Callable[[bytes], bool]
    ) -> tuple[bytes, float | None]:
        """See AskedPort."""
        wire, entry = self._wire, self._format
        came = wire.receive(self.now_ns)
        if came:
            self.now_ns += entry.silence_ns
        if self._only is not None and self._only[:2] != entry[:2]:
            self.now_ns += len(data) * entry.character_ns + int(patience_s * 1e9)
            return came, None
        self._before(wire, self.now_ns)
        sent_ns = self.now_ns + len(data) * entry.character_ns
        until_ns = sent_ns + int(patience_s * 1e9) + entry.character_ns + SLACK_NS
        wire.send(data, self.now_ns)
        heard, begun_ns, first_ns = b"", 0, 0
        while (due_ns := wire.next_arrival_ns()) is not None and due_ns <= until_ns:
            heard += wire.receive(due_ns)
            begun_ns = begun_ns or due_ns
            if data.startswith(heard):
                continue
            first_ns = first_ns or (due_ns if heard.startswith(data) else begun_ns)
            until_ns = due_ns + entry.silence_ns + (0 if is_whole(heard) else SLACK_NS)
            if is_whole(heard):
                break
        self.now_ns = until_ns
        first_s = max(0.0, (first_ns - sent_ns - entry.character_ns) / 1e9) if first_ns else None
        return came + heard, first_s

    def listen(self, duration_s: float) -> bytes:
        """See AskedPort."""
        self.now_ns += int(duration_s * 1e9)
        return self._wire.receive(self.now_ns)

    def drop(self) -> None:
        """See AskedPort."""
        self._wire.receive(self.now_ns)


class Nobody:
    """A wire on which nobody is."""

    def send(self, data: bytes, now_ns: int, /) -> None:
        """Nobody hears it."""

    def receive(self, now_ns: int) -> bytes:  # noqa: ARG002
        """Nothing comes."""
        return b""

    def next_arrival_ns(self) -> int | None:
        """Nothing ever comes."""
        return None


def swept(sweep: Sweep, wire: Wire | None = None) -> Scan:
    """Carry out a sweep on a model of the wire; None: nobody is there."""
    port = VirtualPort(wire or Nobody())
    scanner = Scanner("virtual", sweep, clock_s=port.s)
    while not scanner.over:
        scanner.slice(port, 3600.0, lambda _progress: None)
    return scanner.result()
