"""A bus on a real pseudo-terminal: bytes come and go at the pace of the line's baud rate."""

import contextlib
import fcntl
import os
import select
import termios
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

from simulators.bus import ASCII_FRAME_BYTES_MAX, FRAME_BYTES_MAX, Exchange
from simulators.errors import SimulatorError
from simulators.mixed_wire import MixedWire
from simulators.uart import Format, Parity
from simulators.wire import SimulatedWire, characters_ns, silence_ns

STOP_TIMEOUT_S = 5.0
_SPEEDS = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[:1] == "B" and name[1:].isdigit()
}

Finished = Callable[[Exchange], None]


class PtyLine:
    """One thread that plays a wire on a pty; ``path`` is the serial port that a master opens.

    A master that opened the port at another baud rate hears nothing. Of parity a pty keeps too little: Linux
    drops PARENB. So a plain wire does not look at it; a MixedWire takes INPCK, which serious masters set with
    parity, for its sign, and lets everybody hear what a receiver of another setting hears.
    """

    def __init__(
        self,
        wire: SimulatedWire | MixedWire,
        link: Path,
        *,
        on_served: Finished | None = None,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        """``link`` becomes a symlink to the pty; ``on_served`` is told when an answer's last byte is out."""
        self.path = link
        self.wrong_baud_requests = 0
        self._wire = wire
        self._on_served = on_served
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._run, name=f"pty {link.name}", daemon=True)
        self._finished: list[Exchange] = []
        wire.on_served = lambda exchange, _: self._finished.append(exchange)
        self._master = self._slave = self._stop_read = self._stop_write = self._lock = -1

    def start(self) -> None:
        """Open the pty, put the link in its place, and serve.

        SimulatorError if the link cannot be made, or leads to the port of somebody who still serves it.
        """
        self._master, self._slave = os.openpty()
        self._stop_read, self._stop_write = os.pipe()
        # The slave side stays open here, so that a master may come and go without a hang-up.
        tty.setraw(self._slave)
        self._set_speed()
        os.set_blocking(self._master, False)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(_lock_file(self.path))
            _replace_link(self.path, os.ttyname(self._slave))
        except BlockingIOError as error:
            self._close()
            raise SimulatorError(
                f"{self.path}: another running simulator has this port{_owner(_lock_file(self.path))}; "
                "end it, or choose another folder"
            ) from error
        except OSError as error:
            self._close()
            raise SimulatorError(
                f"{self.path}: cannot make this link: {error.strerror}; choose another folder"
            ) from error
        self._thread.start()

    def stop(self) -> None:
        """End the thread, remove the link, close the pty."""
        if self._master < 0:
            return
        os.write(self._stop_write, b"x")
        self._thread.join(STOP_TIMEOUT_S)
        if self.path.is_symlink() and str(self.path.readlink()) == os.ttyname(self._slave):
            self.path.unlink()
        self._close()

    def _run(self) -> None:
        try:
            while self._serve_once():
                pass
        except Exception as error:
            if not self._on_failure:
                raise
            self._on_failure(error)

    def _serve_once(self) -> bool:
        """Wait for a request or for the next byte to give out; False when asked to stop."""
        due_ns = self._wire.next_arrival_ns()
        readable = self._wait(due_ns)
        if self._stop_read in readable:
            return False
        self._give_out()
        if self._master in readable and (frame := self._frame()):
            heard_ns, data = frame
            if isinstance(self._wire, MixedWire) or self._baud_agrees(self._wire):
                self._wire.send(data, heard_ns)
                self._tell()
            else:
                self.wrong_baud_requests += 1
        return True

    def _give_out(self) -> None:
        if data := self._wire.receive(time.monotonic_ns()):
            with contextlib.suppress(BlockingIOError):  # nobody reads: the bytes are lost, as on a wire
                os.write(self._master, data)
        self._tell()

    def _tell(self) -> None:
        while self._finished:
            exchange = self._finished.pop(0)
            if self._on_served:
                self._on_served(exchange)

    def _frame(self) -> tuple[int, bytes] | None:
        """Return when a request began and its bytes; it ends with 3.5 characters of silence.

        A pty hands over in one moment what takes its time on a wire, so the silence counts from when the
        last byte would have been on the line.
        """
        began_ns = time.monotonic_ns()
        entry = self._format()
        bytes_max = FRAME_BYTES_MAX
        if isinstance(self._wire, MixedWire) or self._wire.mode == "ascii":
            bytes_max = ASCII_FRAME_BYTES_MAX
        data = os.read(self._master, bytes_max)
        silence = silence_ns(*entry)
        while data and len(data) <= bytes_max:
            ended_ns = began_ns + characters_ns(len(data), *entry)
            readable = self._wait(ended_ns + silence)
            if self._stop_read in readable:
                return None
            if self._master not in readable:
                return began_ns, data
            data += os.read(self._master, bytes_max)
        return None

    def _wait(self, until_ns: int | None) -> list[int]:
        """Return what became readable, latest at ``until_ns``."""
        timeout_s = None if until_ns is None else max(0.0, (until_ns - time.monotonic_ns()) / 1e9)
        return select.select([self._master, self._stop_read], [], [], timeout_s)[0]

    def _format(self) -> Format:
        """Return the line's format; of a MixedWire, how the master's port is set now."""
        if not isinstance(self._wire, MixedWire):
            return MixedWire.format_of(self._wire)
        iflag, _, cflag, _, _, speed, _ = termios.tcgetattr(self._slave)
        parity: Parity = "N"
        if iflag & termios.INPCK:
            parity = "O" if cflag & termios.PARODD else "E"
        baud = _SPEEDS.get(speed, self._wire.master.baud)
        self._wire.master = Format(baud, parity, 2 if cflag & termios.CSTOPB else 1)
        return self._wire.master

    def _baud_agrees(self, wire: SimulatedWire) -> bool:
        speed = _SPEEDS.get(termios.tcgetattr(self._slave)[5])
        return speed is None or speed == wire.baud

    def _set_speed(self) -> None:
        wire = self._wire.wires[0] if isinstance(self._wire, MixedWire) else self._wire
        constant = next((key for key, baud in _SPEEDS.items() if baud == wire.baud), None)
        if constant is not None:
            settings = termios.tcgetattr(self._slave)
            settings[4] = settings[5] = constant
            termios.tcsetattr(self._slave, termios.TCSANOW, settings)

    def _close(self) -> None:
        for descriptor in (self._master, self._slave, self._stop_read, self._stop_write):
            os.close(descriptor)
        if self._lock >= 0:
            _lock_file(self.path).unlink(missing_ok=True)  # while it is still ours
            os.close(self._lock)
        self._master = self._lock = -1


def _replace_link(link: Path, target: str) -> None:
    """Point the link at the target, whatever it pointed at before; a real file there is left alone."""
    if link.exists() and not link.is_symlink():
        raise FileExistsError(17, "a file of that name stands there")
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


def _lock_file(link: Path) -> Path:
    return link.with_name(f".{link.name}.lock")


def _locked(path: Path) -> int:
    """Return a descriptor that holds the lock until it is closed, or its process is gone.

    BlockingIOError while somebody else holds it.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, str(os.getpid()).encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its owner ended and removed it just now: once more


def _owner(lock: Path) -> str:
    with contextlib.suppress(OSError):
        if pid := lock.read_text():
            return f" (process {pid})"
    return ""
