"""An asyncio loop on virtual time: sleeping costs nothing, and every run is the same.

No thread, executor, socket, signal or subprocess works under it; reaching for one raises, because it would
bring real time back in.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

Result = TypeVar("Result")


class RealTimeError(RuntimeError):
    """Something under the virtual loop reached for real time."""


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, moves the clock; waiting for nothing at all is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # No socket is looked at: none works under this loop, and to ask the kernel is what would cost most.
        if timeout is None:
            raise RealTimeError("everything waits, and nothing is left that could happen")
        self.now_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` begins at 0 and jumps to whatever is due next."""

    def __init__(self) -> None:
        """Begin at time 0."""
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._virtual.now_s


def _refused(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise RealTimeError("threads, sockets, signals and subprocesses do not run under virtual time")


_REAL = (
    "run_in_executor",
    "call_soon_threadsafe",
    "create_connection",
    "create_server",
    "create_datagram_endpoint",
    "create_unix_connection",
    "sock_connect",
    "subprocess_exec",
    "subprocess_shell",
    "add_signal_handler",
)
for _name in _REAL:
    setattr(VirtualLoop, _name, _refused)


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """Run ``main`` to its end on virtual time."""
    loop = VirtualLoop()
    try:
        task = loop.create_task(main)
        task.add_done_callback(lambda _: loop.stop())
        loop.run_forever()
        return task.result()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
