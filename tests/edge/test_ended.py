"""A task that is to end ends, also where a library swallows that it was told so."""

import asyncio

from edge.waiting import ended
from simulators.virtual_loop import run_virtually


def test_a_task_that_was_deaf_to_its_end_is_told_again() -> None:
    """As wait_for of Python 3.11 does, when what it waits for arrives at the same moment."""

    async def deaf_once() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(3600)

    async def fails() -> None:
        raise OSError("lost")

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        for work in (deaf_once(), fails()):
            task = asyncio.create_task(work)
            await asyncio.sleep(1)
            await ended(task, 10)
            assert task.done()
        return loop.time()

    assert run_virtually(scenario()) < 20
