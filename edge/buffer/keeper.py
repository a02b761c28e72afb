"""Where blocking work on the buffer is done: its own thread, or inline under virtual time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Keeper(Protocol):
    """Runs blocking calls one after the other."""

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the call and return its result."""

    async def close(self) -> None:
        """Let go; nothing is under way any more."""


class OnThread:
    """One thread for all calls, so that SQLite sees one user and the loop never waits for a disk."""

    def __init__(self, name: str = "buffer") -> None:
        """Start with no thread; the first call makes it."""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See Keeper.run."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: call(*args, **kwargs))

    async def close(self) -> None:
        """See Keeper.close."""
        self._executor.shutdown()


class OnSpareThread:
    """A thread for each call, which is left behind where nobody waits any more.

    For calls that others may draw out, and that may be cut off anywhere. Not of an executor: the interpreter
    waits for the threads of those before it ends, whatever they wait for.
    """

    def __init__(self, name: str) -> None:
        """``name`` is what the threads are called."""
        self._name = name

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See Keeper.run; cancelled, it returns at once, and the call goes on."""
        answer: Future[R] = Future()

        def work() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(call(*args, **kwargs))
            except BaseException as error:  # as an executor does: it is for who waits
                answer.set_exception(error)

        Thread(target=work, name=self._name, daemon=True).start()
        return await asyncio.wrap_future(answer)

    async def close(self) -> None:
        """Let go without a wait: a call may still be under way."""


class Inline:
    """Calls at once, on the loop; for virtual time, where no thread may run."""

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See Keeper.run."""
        return call(*args, **kwargs)

    async def close(self) -> None:
        """See Keeper.close."""
