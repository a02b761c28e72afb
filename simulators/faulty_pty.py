"""A faulty wire on a real pseudo-terminal, which can be pulled out and put in again.

The wire is a model of time, and a busy machine is late. So that its lateness is not mistaken for a fault of
the master, a byte that could not be given out within ``STALL_NS`` of its time is not given out at all, nor is
anything else that was under way; ``stalls`` counts that. What is drawn for the wire stays true within that.
"""

import contextlib
import os
import select
import threading
import time
import tty
from pathlib import Path
from types import TracebackType

from simulators.faults import MS
from simulators.faulty_wire import FaultyWire
from simulators.wire import characters_ns, silence_ns

STALL_NS = 20 * MS
REQUEST_BYTES_MAX = 512
STOP_TIMEOUT_S = 5.0


class FaultyPty:
    """One thread that plays a wire on a pty behind the link ``path``. Hold ``lock`` to touch the wire."""

    def __init__(self, wire: FaultyWire, link: Path, baud: int) -> None:
        """``link`` becomes a symlink to the pty, and to each that follows it."""
        self.path = link
        self.lock = threading.Lock()
        self.stalls = 0
        self.heard = 0
        """How many requests were heard; the last at ``heard_ns``."""
        self.heard_ns = 0
        self.given_ns = 0
        """When something was given out last."""
        self.unplug_when_heard = False
        self.plugged = 0
        """How often the port was pulled out and put in again."""
        self._wire = wire
        self._baud = baud
        self._silence_ns = silence_ns(baud, "N", 1)
        self._thread = threading.Thread(target=self._run, name=f"faulty pty {link.name}", daemon=True)
        self._wake_read, self._wake_write = os.pipe()
        self._master = self._slave = -1
        self._ended = self._unplug = False

    def __enter__(self) -> "FaultyPty":
        """Open the pty and serve."""
        self._plug_in()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the thread, remove the link, close the pty."""
        self._ended = True
        self.wake()
        self._thread.join(STOP_TIMEOUT_S)
        self.path.unlink()
        for descriptor in (self._master, self._slave, self._wake_read, self._wake_write):
            os.close(descriptor)

    def unplug(self) -> None:
        """Pull the port out, soon, and put another in."""
        self._unplug = True
        self.wake()

    def wake(self) -> None:
        """Let the thread look at the wire again: something was put on it."""
        os.write(self._wake_write, b"x")

    def _run(self) -> None:
        while not self._ended:
            with self.lock:
                due_ns = self._wire.next_arrival_ns()
            readable = self._wait(due_ns)
            if self._wake_read in readable:
                os.read(self._wake_read, REQUEST_BYTES_MAX)
            if self._unplug:
                self._replug()
                continue
            self._give_out()
            if self._master in readable:
                self._hear()

    def _give_out(self) -> None:
        with self.lock:
            due_ns = self._wire.next_arrival_ns()
            now_ns = time.monotonic_ns()
            if due_ns is None or due_ns > now_ns:
                return
            if now_ns - due_ns > STALL_NS:
                self.stalls += 1
                self._wire.hush()
                return
            with contextlib.suppress(BlockingIOError):  # nobody reads: lost, as on a wire
                os.write(self._master, self._wire.receive(now_ns))
            self.given_ns = time.monotonic_ns()

    def _hear(self) -> None:
        """Take a request: it ends with 3.5 characters of silence after its last byte can have come."""
        began_ns = time.monotonic_ns()
        data = os.read(self._master, REQUEST_BYTES_MAX)
        while len(data) < REQUEST_BYTES_MAX:
            ended_ns = began_ns + characters_ns(len(data), self._baud, "N", 1)
            if self._master not in self._wait(ended_ns + self._silence_ns):
                break
            data += os.read(self._master, REQUEST_BYTES_MAX)
        with self.lock:
            if self.unplug_when_heard:
                self._unplug, self.unplug_when_heard = True, False
            self._wire.send(data, began_ns)
            self.heard_ns = began_ns
            self.heard += 1

    def _wait(self, until_ns: int | None) -> list[int]:
        timeout_s = None if until_ns is None else max(0.0, (until_ns - time.monotonic_ns()) / 1e9)
        return select.select([self._master, self._wake_read], [], [], timeout_s)[0]

    def _replug(self) -> None:
        old = self._master, self._slave
        self._plug_in()
        for descriptor in old:
            os.close(descriptor)
        self._unplug = False
        self.plugged += 1

    def _plug_in(self) -> None:
        self._master, self._slave = os.openpty()
        # The slave side stays open here, so that a master may come and go without a hang-up.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        fresh = self.path.with_name(f".{self.path.name}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self.path)
