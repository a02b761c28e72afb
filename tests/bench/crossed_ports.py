"""Two serial ports crossed by a wire that takes its time: a process that passes bytes between two ptys.

``python tests/bench/crossed_ports.py A B`` makes the links A and B. A byte arrives one character time after
the one before it, at the speed that its sender's port is set to, and it is lost where the two ports are set
to different speeds. It ends with its standard input.
"""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from pathlib import Path

BYTES_AT_ONCE = 256
IDLE_S = 0.1
BAUDS = {getattr(termios, f"B{baud}"): baud for baud in (1200, 9600, 19200, 38400, 57600, 115200)}


class End:
    """One of the two ports, from the wire's side."""

    def __init__(self, link: Path) -> None:
        """Make the pty and its link; the port's own end stays open, so that it outlives whoever uses it."""
        self.descriptor, self._port = os.openpty()
        tty.setraw(self._port)
        os.set_blocking(self.descriptor, False)
        link.symlink_to(os.ttyname(self._port))
        self.under_way: list[tuple[float, int]] = []
        """When each byte arrives at the other end, monotonic seconds; the last bit of it."""

    @property
    def baud(self) -> int | None:
        """The speed that the port is set to."""
        return BAUDS.get(termios.tcgetattr(self.descriptor)[5])

    def take(self, now_s: float) -> None:
        """Put what was sent meanwhile on the wire."""
        with contextlib.suppress(BlockingIOError):
            for byte in os.read(self.descriptor, BYTES_AT_ONCE):
                free_s = max(now_s, self.under_way[-1][0] if self.under_way else 0.0)
                self.under_way.append((free_s + 10 / (self.baud or 1200), byte))

    def give(self, other: "End", now_s: float) -> None:
        """Let what has arrived be read at the other end."""
        while self.under_way and self.under_way[0][0] <= now_s:
            _, byte = self.under_way.pop(0)
            if self.baud == other.baud:
                os.write(other.descriptor, bytes([byte]))


def cross(first: End, second: End) -> None:
    """Pass bytes both ways until standard input ends."""
    while True:
        arrivals = [end.under_way[0][0] for end in (first, second) if end.under_way]
        rest_s = max(0.0, min(arrivals, default=time.monotonic() + IDLE_S) - time.monotonic())
        readable, _, _ = select.select([0, first.descriptor, second.descriptor], [], [], rest_s)
        if 0 in readable and not os.read(0, 1):
            return
        for end, other in ((first, second), (second, first)):
            end.take(time.monotonic())
            end.give(other, time.monotonic())


if __name__ == "__main__":
    ends = [End(Path(name)) for name in sys.argv[1:3]]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    cross(*ends)
