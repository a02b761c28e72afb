"""Results come from threads to the loop: all of them, in order, and to nobody who has gone."""

import asyncio
import threading
from pathlib import Path

import pytest

from edge.lines.handover import Handover


def descriptors() -> int:
    """Return how many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_every_result_of_many_threads_arrives() -> None:
    """Four threads give a thousand each, while the loop takes them."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        handover: Handover[int] = Handover(loop)
        futures = [loop.create_future() for _ in range(4000)]

        def work(part: int) -> None:
            for index in range(part, 4000, 4):
                handover.give(futures[index], index)

        threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        assert await asyncio.wait_for(asyncio.gather(*futures), 30) == list(range(4000))
        for thread in threads:
            thread.join()
        handover.close()

    asyncio.run(main())


def test_an_error_is_raised_where_the_result_is_awaited_and_the_cancelled_are_passed_over() -> None:
    """A caller that has gone costs the others nothing."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        handover: Handover[str] = Handover(loop)
        gone, bad, good = loop.create_future(), loop.create_future(), loop.create_future()
        gone.cancel()
        for future, result in ((gone, "late"), (bad, ValueError("broken")), (good, "here")):
            handover.give(future, result)
        with pytest.raises(ValueError, match="broken"):
            await bad
        assert await good == "here"
        handover.close()

    asyncio.run(main())


def test_closing_hands_over_what_was_given_and_leaves_no_file_open() -> None:
    """Closing twice does no harm, nor does a loop that has ended."""
    before = descriptors()

    async def main() -> Handover[int]:
        loop = asyncio.get_running_loop()
        handover: Handover[int] = Handover(loop)
        future = loop.create_future()
        handover.give(future, 7)
        handover.close()
        handover.close()
        assert await future == 7
        return Handover(loop)

    asyncio.run(main()).close()
    assert descriptors() == before
