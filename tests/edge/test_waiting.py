"""One timer for all who wait: nobody is forgotten, nobody is called early, nobody wakes in vain."""

import asyncio
import math

from hypothesis import given
from hypothesis import strategies as st

from edge.waiting import Timers, Wake, timers
from simulators.virtual_loop import run_virtually

TIMES_S = st.integers(0, 40).map(lambda number: number / 8)


class Guest:
    """Waits and notes when it was called."""

    def __init__(self, due_s: float) -> None:
        """Wait until then."""
        self.due_s = due_s
        self.called_s: list[float] = []

    def over(self) -> None:
        """Note the time."""
        self.called_s.append(asyncio.get_running_loop().time())


@given(plan=st.lists(st.tuples(TIMES_S, TIMES_S, st.none() | TIMES_S), max_size=12))
def test_everybody_is_called_once_when_due_unless_removed_before(
    plan: list[tuple[float, float, float | None]],
) -> None:
    """Each comes at some time, waits so long, and may leave before."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        known, began_s = timers(), loop.time()

        async def visit(come_s: float, wait_s: float, leave_s: float | None) -> None:
            await asyncio.sleep(come_s)
            guest = Guest(loop.time() + wait_s)
            known.add(guest)
            if leave_s is not None:
                await asyncio.sleep(leave_s + 1 / 16)
                known.remove(guest)
            await asyncio.sleep(30)
            stays = leave_s is None or leave_s + 1 / 16 > wait_s
            assert guest.called_s == ([began_s + come_s + wait_s] if stays else [])

        await asyncio.gather(*(visit(*each) for each in plan))

    run_virtually(main())


def test_the_loop_sleeps_over_the_time_of_whoever_has_left() -> None:
    """Fifty are asked with a limit and answer at once: no timer fires for any of them."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        known, fired = timers(), 0
        call = known._call

        def counted() -> None:
            nonlocal fired
            fired += 1
            call()

        known._call = counted  # type: ignore[method-assign]
        for turn in range(20):
            guests = [Guest(loop.time() + 0.05 + number / 1000) for number in range(50)]
            last = Guest(loop.time() + 1)
            for guest in [*guests, last]:
                known.add(guest)
            await asyncio.sleep(0.01)
            for guest in guests:
                known.remove(guest)
            await asyncio.sleep(1)
            assert not any(guest.called_s for guest in guests), turn
            assert len(last.called_s) == 1
        return fired

    assert run_virtually(main()) == 20


def test_a_wait_ends_by_its_limit_by_a_call_or_by_a_call_before_it_began() -> None:
    """And what was set once does not count twice."""

    async def main() -> list[float]:
        loop, wake, took_s = asyncio.get_running_loop(), Wake(), []

        async def wait(limit_s: float) -> None:
            began_s = loop.time()
            await wake.wait(limit_s)
            took_s.append(round(loop.time() - began_s, 6))

        await wait(2)
        loop.call_later(0.5, wake.set)
        await wait(2)
        wake.set()
        await wait(2)
        await wait(1)
        loop.call_later(7, wake.set)
        await wait(math.inf)
        return took_s

    assert run_virtually(main()) == [2, 0.5, 0, 1, 7]


def test_one_who_cannot_be_called_does_not_keep_the_others_waiting() -> None:
    """An error of ours is told by the loop; the timer is set already."""

    class Broken(Guest):
        def over(self) -> None:
            raise RuntimeError("broken")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        told: list[object] = []
        loop.set_exception_handler(lambda _, context: told.append(context.get("exception")))
        known, other = Timers(loop), Guest(loop.time() + 2)
        fellows = [Guest(loop.time() + 1) for _ in range(9)]
        for guest in [Broken(loop.time() + 1), *fellows, Broken(loop.time() + 1), other]:
            known.add(guest)
        await asyncio.sleep(3)
        assert all(len(guest.called_s) == 1 for guest in [*fellows, other])
        assert [str(error) for error in told] == ["broken"] * 2

    run_virtually(main())


def test_every_loop_has_its_own_and_a_closed_one_is_let_go() -> None:
    """Programs and tests run one loop after another."""

    async def mine() -> Timers:
        assert timers() is timers()
        return timers()

    first, second = asyncio.run(mine()), asyncio.run(mine())
    assert first is not second
    from edge import waiting

    assert first.loop not in waiting._timers
