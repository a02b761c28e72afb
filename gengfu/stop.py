"""Until told to end: by a signal, or by a thread that cannot go on."""

import queue
import signal
import time
from types import FrameType

LOOK_INTERVAL_S = 0.5


class Stop:
    """Set by SIGTERM and SIGINT, and by whoever calls ``set``; it stays set.

    Not a ``threading.Event``: a second signal during the first one's ``set`` would wait for ever for the
    event's own lock, and processes whose parent is killed do get SIGTERM more than once.
    """

    def __init__(self) -> None:
        """Take both signals over; in the main thread only."""
        self._told: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put may interrupt its put
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)

    def set(self) -> None:
        """Tell it, from any thread or signal handler."""
        self._told.put(None)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is set, or until the time is over; say whether it is set."""
        until_s = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        while True:
            # In slices: a signal that another thread received runs its handler only when this one wakes.
            rest_s = min(LOOK_INTERVAL_S, max(0.0, until_s - time.monotonic()))
            try:
                self._told.get(timeout=rest_s)
            except queue.Empty:
                if time.monotonic() >= until_s:
                    return False
            else:
                self.set()
                return True

    def _signalled(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.set()
