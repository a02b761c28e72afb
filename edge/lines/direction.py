"""Who turns the transceiver of an RS-485 port round between talking and listening.

``auto``: the adapter itself, as nearly all do. ``kernel``: the port's driver (TIOCSRS485), exact where it
exists. ``rts`` and ``rts_inverted``: this process, by the RTS line; it lets go only when the last stop bit is
out, and that a scheduler may delay: better than nothing.
"""

import fcntl
import struct
import termios
import time
from typing import Protocol

import serial
import serial.rs485

TIOCSERGETLSR = 0x5459
TRANSMITTER_EMPTY = 0x01
DRAIN_LIMIT_S = 0.1
"""A port that says it still has bytes so long after they should be out is not believed."""
DRAIN_POLL_S = 0.00005


class RtsPort(Protocol):
    """What is needed of a serial port: its RTS line."""

    rts: bool


class Rts:
    """Turns by RTS: active while talking."""

    def __init__(self, port: RtsPort, descriptor: int, *, inverted: bool) -> None:
        """Listen at first; OSError if the port has no RTS line."""
        self._port, self._descriptor, self._active = port, descriptor, not inverted
        try:
            port.rts = not self._active
        except OSError as error:
            raise OSError(
                'this port has no RTS line; set direction = "auto" if its adapter turns by itself'
            ) from error

    def talk(self) -> None:
        """Take the bus."""
        self._port.rts = self._active

    def listen(self, drained_ns: int) -> None:
        """Let go of the bus when everything is out, never before ``drained_ns`` of the monotonic clock."""
        while (rest_ns := drained_ns - time.monotonic_ns()) > 0:
            time.sleep(rest_ns / 1e9)
        limit_ns = drained_ns + int(DRAIN_LIMIT_S * 1e9)
        while not _drained(self._descriptor) and time.monotonic_ns() < limit_ns:
            time.sleep(DRAIN_POLL_S)
        self._port.rts = not self._active


def use_kernel(port: serial.Serial) -> None:
    """Let the port's driver turn; OSError if it cannot."""
    try:
        port.rs485_mode = serial.rs485.RS485Settings()
    except (ValueError, OSError) as error:
        raise OSError(
            'the driver of this port has no RS-485 mode; set direction = "auto" or "rts"'
        ) from error


def _drained(descriptor: int) -> bool:
    """Say whether queue and shift register are empty; the latter as far as the driver tells."""
    word = struct.pack("i", 0)
    (queued,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, word))
    if queued:
        return False
    try:
        (status,) = struct.unpack("i", fcntl.ioctl(descriptor, TIOCSERGETLSR, word))
    except OSError:
        return True
    return bool(status & TRANSMITTER_EMPTY)
