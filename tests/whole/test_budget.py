"""The real uplink, session and buffer under a monthly budget, and the centre's intake, on virtual time."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from contract.topics import Lane
from edge.clock import Moment
from edge.uplink.budget import Plan
from edge.uplink.metering import ANSWER_BYTES, SAVE_INTERVAL_S
from simulators.virtual_loop import run_virtually
from tests.edge.virtual_gateway import LoopClock
from tests.whole.lossy_world import World

PLAN = Plan(2**20, monthly_burst_days=3)
ROOM_BYTES = ANSWER_BYTES + 20
"""Less than any batch takes with its answer, and enough for a look at one."""


def lived(live: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """Run an act in a world whose gateway has used what has accrued of its budget so far."""

    async def whole() -> None:
        await world.start()
        begin(world)
        await asyncio.sleep(5)
        await live(world)
        await world.stop()

    world = World(Path(tempfile.mkdtemp()), 1)
    try:
        run_virtually(whole())
    finally:
        world.close()


def begin(world: World) -> None:
    """Give the running uplink the budget, and use up all that has accrued."""
    now, allowance = LoopClock().now(), world.uplink.meter.allowance
    allowance.plan = PLAN
    allowance.spend(int(allowance.available(now)), now)


def acked(world: World, lane: Lane) -> tuple[int, int]:
    """Return up to where the centre has a lane, and what is the last on disk."""
    state = world.uplink.session.lanes[lane]
    return state.acked, state.last


def test_alarms_go_at_once_and_telemetry_when_its_bytes_have_accrued() -> None:
    """A batch and its answer are about a kilobyte: of one mebibyte a month that accrues within the hour."""

    async def live(world: World) -> None:
        for _ in range(3):
            await world.do("telemetry")
        await asyncio.sleep(60)
        assert acked(world, Lane.TELEMETRY) == (0, 3)
        assert world.uplink.spending.holds
        for number in (1, 2, 3):
            await world.do("event")
            await asyncio.sleep(1)
            assert acked(world, Lane.EVENTS) == (number, number)
        assert acked(world, Lane.TELEMETRY) == (0, 3)
        assert world.uplink.meter.allowance.available(LoopClock().now()) < 0
        await asyncio.sleep(6 * 3600)
        assert acked(world, Lane.TELEMETRY) == (3, 3)
        assert not world.uplink.spending.holds

    lived(live)


def test_what_waits_is_read_from_disk_once_for_each_time_it_may_go() -> None:
    """An hour of waiting costs neither reads nor wake-ups beyond the usual look around."""

    async def live(world: World) -> None:
        reads: Counter[int] = Counter()
        read = world.buffer.to_send

        def counted(lane: Lane, sequence: int, now: Moment) -> Any:
            reads[sequence] += 1
            return read(lane, sequence, now)

        world.buffer.to_send = counted  # type: ignore[method-assign]
        now, allowance = LoopClock().now(), world.uplink.meter.allowance
        allowance.spend(100_000, now)
        for _ in range(40):
            await world.do("telemetry")
        await asyncio.sleep(3600)
        assert acked(world, Lane.TELEMETRY) == (0, 40)
        assert not reads
        now = LoopClock().now()
        allowance.use.months[allowance.month(now)].octets -= int(ROOM_BYTES - allowance.available(now))
        await asyncio.sleep(300)
        assert acked(world, Lane.TELEMETRY) == (0, 40)
        assert reads == {1: 1}  # what is read is settled: nothing else is, while it waits

    lived(live)


def test_what_the_budget_keeps_waiting_is_not_taken_for_what_leaves_at_once() -> None:
    """It may wait for days: what its header says stays open until it leaves."""

    async def live(world: World) -> None:
        assert not world.uplink.leaves_at_once(Lane.TELEMETRY)
        assert world.uplink.leaves_at_once(Lane.EVENTS)
        await world.do("telemetry")
        await asyncio.sleep(6 * 3600)
        assert acked(world, Lane.TELEMETRY) == (1, 1)
        assert world.uplink.leaves_at_once(Lane.TELEMETRY)

    lived(live)


def test_what_was_used_outlives_the_gateway() -> None:
    """Kept every few minutes at least: a killed gateway knows all but what was sent since."""

    async def live(world: World) -> None:
        await world.do("event")
        await asyncio.sleep(2 * SAVE_INTERVAL_S)
        used = world.uplink.meter.allowance.used(LoopClock().now())
        assert used.octets > 500_000
        await world.restart_gateway()
        await asyncio.sleep(1)
        again = world.uplink.meter.allowance.used(LoopClock().now())
        assert again.since_ms == used.since_ms
        assert 0 <= again.octets - used.octets < 10_000

    lived(live)


@pytest.mark.parametrize("monthly_bytes_max", [0, 3_100_000])
def test_the_link_carries_no_more_than_has_accrued(monthly_bytes_max: int) -> None:
    """A batch every five minutes is three times of 100 kB a day; without a budget half a day shows it."""

    async def live(world: World) -> None:
        allowance = world.uplink.meter.allowance
        allowance.plan = Plan(monthly_bytes_max, 3)
        budget = Plan(3_100_000, 3)
        began = allowance.used(LoopClock().now()).octets
        begins_s = LoopClock().now().s
        if monthly_bytes_max:
            allowance.spend(int(allowance.available(LoopClock().now())), LoopClock().now())
            began = allowance.used(LoopClock().now()).octets
        exceeded = alarms = 0
        for number in range(144):
            await world.do("telemetry")
            if number % 50 == 0:
                await world.do("event")
                alarms += 1
            await asyncio.sleep(300)
            used = allowance.used(LoopClock().now()).octets - began
            accrued = (LoopClock().now().s - begins_s) * budget.monthly_bytes_max / (31 * 86_400)
            exceeded += used > accrued + alarms * 2_000
        assert (exceeded > 100) == (not monthly_bytes_max)
        assert exceeded == 0 or not monthly_bytes_max
        assert used > 40_000

    lived(live)
