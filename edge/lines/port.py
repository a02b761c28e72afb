"""An open serial port: bytes out and in by the clock. Whoever has opened it is the only one who uses it."""

import contextlib
import fcntl
import os
import select
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import serial

from edge.lines.direction import Rts, use_kernel
from edge.lines.formats import Format
from edge.lines.line import Direction
from edge.lines.ports import is_pty, lowered_latency_ms
from edge.lines.steps import Event, Pause, ReadUntil, Received, Write, Wrote

WRITE_TIMEOUT_S = 1.0
"""A port that takes no bytes for so long is gone."""
READ_BYTES_AT_ONCE = 4096
ANSWER_CHARACTERS_MAX = 520
"""What has begun is listened to for so many characters at most."""
LISTENED_BYTES_MAX = 64 * 1024
SLACK_S = 0.002
"""How much later than the wire says bytes may reach us, beyond what a USB adapter keeps them back."""
BEGUN_SLACK_S = 0.02
"""How much later the rest of what has begun may come: a machine with other things to do reads late."""
SPEEDS = {
    int(name[1:]): getattr(termios, name) for name in dir(termios) if name[:1] == "B" and name[1:].isdigit()
}
_SIZES = {7: termios.CS7, 8: termios.CS8}


@dataclass(frozen=True)
class SerialSettings:
    """How to open the port."""

    port: str
    baud: int
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    data_bits: Literal[7, 8] = 8
    direction: Direction = "auto"

    @property
    def format(self) -> Format:
        """How characters travel on it."""
        return Format(self.baud, self.parity, self.stop_bits, self.data_bits)


class AskedPort(Protocol):
    """What a scan needs of a port; a model of a wire offers the same."""

    def reformat(self, entry: Format) -> None:
        """See Port."""

    def ask(
        self, data: bytes, patience_s: float, is_whole: Callable[[bytes], bool]
    ) -> tuple[bytes, float | None]:
        """See Port."""

    def listen(self, duration_s: float) -> bytes:
        """See Port."""

    def drop(self) -> None:
        """See Port."""


class Port:
    """An open port: sleeps to the clock while the wire brings bytes, and is not woken by each of them."""

    def __init__(self, settings: SerialSettings) -> None:
        """Open it for ourselves alone; OSError where it is not there, is no port, or is another's."""
        self._serial = serial.Serial(
            settings.port,
            settings.baud,
            timeout=0,
            write_timeout=WRITE_TIMEOUT_S,
            exclusive=True,
        )
        self._descriptor: int = self._serial.fileno()
        self._is_pty = is_pty(settings.port)
        self._slack_ns = int(SLACK_S * 1e9) + (lowered_latency_ms(settings.port) or 0) * 1_000_000
        self._character_ns = settings.format.character_ns
        self._silence_ns = settings.format.silence_ns
        self._settle(settings.format)
        self._rts: Rts | None = None
        if settings.direction == "kernel":
            use_kernel(self._serial)
        elif settings.direction != "auto":
            inverted = settings.direction == "rts_inverted"
            self._rts = Rts(self._serial, self._descriptor, inverted=inverted)
        self._quiet_ns = time.monotonic_ns()
        self._count = bytearray(4)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def reformat(self, entry: Format) -> None:
        """Speak in another format from now on; what is still to be read stays. OSError where it is gone."""
        speed = SPEEDS.get(entry.baud)
        if speed is None:
            self._serial.baudrate = entry.baud  # one that only pyserial knows how to set
        self._character_ns, self._silence_ns = entry.character_ns, entry.silence_ns
        try:
            self._settle(entry, speed)
        except termios.error as error:  # which is no OSError
            raise OSError(*error.args) from error

    def _settle(self, entry: Format, speed: int | None = None) -> None:
        attributes = termios.tcgetattr(self._descriptor)
        attributes[6][termios.VMIN] = 1  # with 0 an empty read would look like a hang-up
        attributes[2] &= ~(termios.PARENB | termios.PARODD | termios.CSTOPB | termios.CSIZE)
        attributes[2] |= termios.CS8 if self._is_pty else _SIZES[entry.data_bits]  # a pty knows no other
        attributes[0] &= ~termios.INPCK
        if entry.parity != "N":
            attributes[2] |= 0 if self._is_pty else termios.PARENB
            attributes[0] |= (
                termios.INPCK
            )  # what comes with wrong parity is read as 0, not as if it were right
        if entry.parity == "O":
            attributes[2] |= termios.PARODD
        if entry.stop_bits == 2:
            attributes[2] |= termios.CSTOPB
        if speed is not None:
            attributes[4] = attributes[5] = speed
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, attributes)

    def ask(
        self, data: bytes, patience_s: float, is_whole: Callable[[bytes], bool]
    ) -> tuple[bytes, float | None]:
        """Send, and return what has come until the line is silent again, and how soon it began.

        That is seconds from the end of what was sent, None where nothing came within ``patience_s``; an echo
        is returned too, but is no beginning. It ends at once where ``is_whole`` says so. The silence that the
        protocol asks for is kept before.
        """
        came = self._until_silent()
        began_ns = time.monotonic_ns()
        self._write(data)
        self._quiet_ns = sent_ns = began_ns + len(data) * self._character_ns
        until_ns = sent_ns + int(patience_s * 1e9) + self._slack_ns + self._character_ns
        limit_ns = until_ns + ANSWER_CHARACTERS_MAX * self._character_ns
        heard, begun_ns, first_ns = b"", 0, 0
        while (now_ns := time.monotonic_ns()) < until_ns:
            if not select.select([self._descriptor], [], [], (until_ns - now_ns) / 1e9)[0]:
                continue
            heard += self._read()
            self._quiet_ns = now_ns = time.monotonic_ns()
            begun_ns = begun_ns or now_ns
            if data.startswith(heard):
                continue  # our own, handed back; or an answer that begins like it
            first_ns = first_ns or (now_ns if heard.startswith(data) else begun_ns)
            if is_whole(heard):
                break
            until_ns = min(limit_ns, now_ns + self._silence_ns + self._slack_ns + int(BEGUN_SLACK_S * 1e9))
        first_s = (first_ns - sent_ns) / 1e9 - self._character_ns / 1e9 if first_ns else None
        return came + heard, None if first_s is None else max(0.0, first_s)

    def listen(self, duration_s: float) -> bytes:
        """Send nothing, and return what comes meanwhile."""
        until_ns, heard = time.monotonic_ns() + int(duration_s * 1e9), b""
        while (rest_ns := until_ns - time.monotonic_ns()) > 0 and len(heard) < LISTENED_BYTES_MAX:
            if select.select([self._descriptor], [], [], rest_ns / 1e9)[0]:
                heard += self._read()
        return heard

    def put_back(self, before: list[Any]) -> None:
        """Give the port these settings, which it had before it was opened."""
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, before)

    def drop(self) -> None:
        """Forget what has come and was not read."""
        termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def _until_silent(self) -> bytes:
        """Wait for the silence before a request, within a limit; return what came meanwhile."""
        came, now_ns = self.came(), time.monotonic_ns()
        limit_ns = now_ns + int(WRITE_TIMEOUT_S * 1e9)
        quiet_ns = now_ns if came else self._quiet_ns
        while (until_ns := quiet_ns + self._silence_ns) > time.monotonic_ns() and quiet_ns < limit_ns:
            sleep_until(until_ns)
            if more := self.came():
                came, quiet_ns = came + more, time.monotonic_ns()
        return came

    def perform(self, action: Pause | Write | ReadUntil) -> Event:
        """Do what a line machine says, and return what came of it."""
        match action:
            case Pause(until_ns):
                sleep_until(until_ns)
                return Received(self.came())
            case Write(data):
                return self._write(data)
            case ReadUntil(count, until_ns, from_ns):
                # Even inside one poll the kernel wakes this thread for every byte: sleeping saves that.
                data = self._read() if sleep_until(from_ns) else self.came()
                waited = len(data) < count
                while len(data) < count and (rest_ns := until_ns - time.monotonic_ns()) > 0:
                    if not self._poll.poll(rest_ns / 1e6):
                        break
                    missing = count - len(data) - self._has_come()
                    if missing > 0:
                        wire_ns = missing * self._character_ns
                        sleep_until(min(until_ns, time.monotonic_ns() + wire_ns))
                    data += self._read()
                return Received(data, waited)

    def came(self) -> bytes:
        """Return what has come."""
        return self._read() if self._has_come() else b""

    def _write(self, data: bytes) -> Wrote:
        if self._rts:
            self._rts.talk()
        began_ns = time.monotonic_ns()
        written = os.write(self._descriptor, data)
        if written < len(data):
            self._serial.write(data[written:])  # waits for room, with its timeout
        if self._rts:
            self._rts.listen(began_ns + len(data) * self._character_ns)
        return Wrote(drained=self._rts is not None)

    def close(self) -> None:
        """Let go of it."""
        with contextlib.suppress(OSError):  # pulled out: there is nothing left to close
            self._serial.close()

    def _has_come(self) -> int:
        """Return how many bytes are there to read: asking costs a tenth of a read in vain."""
        fcntl.ioctl(self._descriptor, termios.FIONREAD, self._count)
        return int.from_bytes(self._count, sys.byteorder)

    def _read(self) -> bytes:
        try:
            data = os.read(self._descriptor, READ_BYTES_AT_ONCE)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError("the serial port is gone")  # readable and empty: hang-up
        return data


def _attributes(port: str) -> list[Any] | None:
    """Return how a port is set; None where it cannot be asked."""
    try:
        descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return None  # whoever opens it tells why
    try:
        return termios.tcgetattr(descriptor)
    except termios.error:
        return None
    finally:
        os.close(descriptor)


def sleep_until(until_ns: int) -> bool:
    """Sleep to the clock; say whether there was time to."""
    slept = False
    while (rest_ns := until_ns - time.monotonic_ns()) > 0:
        time.sleep(rest_ns / 1e9)
        slept = True
    return slept


@contextlib.contextmanager
def opened(settings: SerialSettings) -> Iterator[Port]:
    """Open a port, and leave it as it was: its settings back, nothing unread. OSError where it cannot be."""
    before = _attributes(settings.port)
    port = Port(settings)
    try:
        yield port
    finally:
        with contextlib.suppress(OSError, termios.error):  # pulled out: there is nothing to put back
            port.drop()
            if before is not None:
                port.put_back(before)
        port.close()
