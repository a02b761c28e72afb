"""Real HTTP servers in the test's own loop, and a clock that races so that no back-off is waited for."""

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import uvicorn
from fastapi import FastAPI

from collector.service import World
from tests.collector.making import NOW_MS

WAIT_S = 60.0
"""A bound, for machines that are busy: nothing waits for it."""
PACE = 100


class Racing(World):
    """Time that passes a hundred times as fast."""

    def __init__(self, pace: int = PACE) -> None:
        """Begin now."""
        began_s, ids = time.monotonic(), itertools.count(1)
        super().__init__(
            now_ms=lambda: NOW_MS + round((time.monotonic() - began_s) * 1000 * pace),
            monotonic_s=time.monotonic,
            new_id=lambda: f"{next(ids):032x}",
            random=Random(7),
        )


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application on a free loopback port."""
    configuration = uvicorn.Config(
        app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(configuration)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/cases"
        finally:
            server.should_exit = True
            await serving


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; fail after a bound."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)
