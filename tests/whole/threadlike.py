"""The buffer's thread, on virtual time."""

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class ThreadLike:
    """A keeper like the buffer's thread: calls one after the other, each taking a while.

    A caller that is cancelled leaves a call that has begun to its end; one that has not begun is dropped.
    """

    def __init__(self, random: Random, during: Callable[[], None]) -> None:
        """Begin idle; ``during`` is called in the middle of each call."""
        self._random, self._during = random, during
        self._jobs: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See Keeper.run."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._jobs.append((lambda: call(*args, **kwargs), done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await done

    async def close(self) -> None:
        """See Keeper.close."""
        while self._worker is not None and not self._worker.done():
            await asyncio.sleep(0.01)

    async def _work(self) -> None:
        while self._jobs:
            call, done = self._jobs.popleft()
            if done.done():
                continue
            await asyncio.sleep(self._random.choice((0.0, 0.0, 0.02)))
            self._during()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            try:
                result, failure = call(), None
            except Exception as error:  # it belongs to the caller
                result, failure = None, error
            await asyncio.sleep(self._random.choice((0.0, 0.0, 0.02)))
            if not done.done():
                done.set_exception(failure) if failure else done.set_result(result)
