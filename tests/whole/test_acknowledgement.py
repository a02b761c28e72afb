"""The end-to-end acknowledgement as a whole: whatever happens, everything arrives, nothing waits for ever."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contract.topics import Lane
from edge.buffer.store import Buffer
from simulators.virtual_loop import run_virtually
from tests.whole.lossy_world import World

ACTS = [
    "telemetry",
    "event",
    "many",
    "squeeze",
    "crush",
    "restart_gateway",
    "copy_card",
    "roll_back_card",
    "cut",
    "cut_at_work",
    "cut_at_hello",
    "away",
    "wipe_broker",
    "bad_link",
    "good_link",
    "restart_centre",
    "wipe_centre",
    "back_up_centre",
    "restore_centre",
]
ONE_AT_A_TIME = {"restart_gateway", "copy_card", "roll_back_card"}
PAUSES_S = [0.0, 0.06, 0.1, 1.0, 30.0]
SETTLE_S = 900.0

Story = list[tuple[str, float]]


async def live(world: World, story: Story) -> None:
    """Let the acts happen, one after the other's pause."""
    for act, pause_s in story:
        doing = world.do(act)
        if act in ONE_AT_A_TIME:
            await doing
        await asyncio.sleep(pause_s)


async def come_to_rest(world: World) -> None:
    """Let everything work as it should until the gateway has nothing left; give it a quarter of an hour."""
    await asyncio.sleep(70)
    world.link_up = world.centre_up = True
    await world.good_link()
    await world.telemetry()  # a centre that is new hears of a gateway when that has something to say
    await world.event()
    end_s = asyncio.get_running_loop().time() + SETTLE_S
    while not world.uplink.drained and asyncio.get_running_loop().time() < end_s:
        assert not world.running.done(), world.running
        await asyncio.sleep(1)
    world.drained = world.uplink.drained
    world.left = world.buffer.ranges()


def told(
    story: Story,
    seed: int = 0,
    first: Callable[[World], None] = lambda _: None,
    then: Callable[[World], None] = lambda _: None,
) -> World:
    """``first``, live through the story, ``then``; return the world as it is when it has come to rest."""

    async def whole() -> None:
        first(world)
        await world.start()
        await live(world, story)
        then(world)
        await come_to_rest(world)
        await world.stop()

    world = World(Path(tempfile.mkdtemp()), seed)
    try:
        run_virtually(whole())
        world.look()
    finally:
        world.close()
    return world


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink a story of hours takes hours
)
@given(
    st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(PAUSES_S)), min_size=5, max_size=40),
    st.integers(0, 2**32),
)
def test_everything_arrives_and_nothing_waits_for_ever(story: Story, seed: int) -> None:
    """Reconnections, restarts of either side, a forgetful broker, rolled-back cards, new or restored centres.

    What was committed at the gateway is journalled at a centre, as it is or as a tombstone; what is gone with
    that centre is named by a gap; and the gateway comes to rest.
    """
    world = told(story, seed)
    assert world.drained, world.left
    assert world.owed <= world.centre.seen
    assert not world.unnamed
    if not world.rolled_back:
        assert not world.parted
        assert all(count == 1 for count in world.in_journal.values())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("call", range(2, 7))
def test_a_connection_may_die_at_any_moment_of_a_renumbering(call: int, seed: int) -> None:
    """A rolled-back card is noticed on the next hello; wherever the connection is cut then, it goes on."""

    def cut_soon(world: World) -> None:
        world.calls_to_cut = call

    world = told(
        [
            ("telemetry", 30.0),
            ("copy_card", 30.0),
            ("many", 30.0),
            ("roll_back_card", 0.0),
            ("telemetry", 0.0),
        ],
        seed,
        then=cut_soon,
    )
    assert world.drained, world.left
    assert world.owed <= world.centre.seen


@pytest.mark.parametrize("seed", range(5))
def test_a_cancellation_that_is_hidden_ends_the_connection_all_the_same(seed: int) -> None:
    """The connection dies while a hello waits for its PUBACK, which comes that moment: we connect again."""

    def hide(world: World) -> None:
        world.swallows = 1.0

    def connected(world: World) -> None:
        assert world.client is not None, "still with a connection that is gone"

    world = told([("telemetry", 0.0), ("cut_at_hello", 60.0)], seed, first=hide, then=connected)
    assert world.drained, world.left


def test_a_new_centre_is_told_what_there_is_on_a_standing_connection() -> None:
    """It knows an old hello at best and waits for what is gone; nothing but another hello helps."""
    world = told([("telemetry", 30.0), ("many", 30.0), ("wipe_centre", 1.0), ("telemetry", 30.0)])
    assert world.drained, world.left
    assert world.owed <= world.centre.seen


def test_a_mark_without_a_digest_deletes_nothing_that_is_held() -> None:
    """A new centre passed over what another life of this card no longer held; this life still holds it."""
    world = told(
        [
            ("telemetry", 30.0),
            ("away", 1.0),
            *[("telemetry", 0.0)] * 3,
            ("copy_card", 70.0),
            ("many", 30.0),
            ("wipe_broker", 0.0),
            ("wipe_centre", 30.0),
            ("away", 1.0),
            ("roll_back_card", 1.0),
            ("many", 0.0),
            ("many", 70.0),
        ]
    )
    assert world.drained, world.left
    assert world.owed <= world.centre.seen, sorted(world.owed - world.centre.seen)


@pytest.mark.parametrize("seed", [7, 16])  # the moments in which it was seen to go wrong
def test_nothing_is_sent_in_an_epoch_that_is_about_to_be_given_up(seed: int) -> None:
    """What a rolled-back card takes on arrives once: not in the old epoch first, and then in the new one."""
    world = told(
        [
            ("telemetry", 30.0),
            ("copy_card", 30.0),
            ("many", 30.0),
            ("away", 1.0),
            ("roll_back_card", 1.0),
            ("many", 1.0),
            ("many", 70.0),
        ],
        seed,
    )
    assert world.drained, world.left
    assert world.owed <= world.centre.seen
    assert set(world.in_journal.values()) == {1}


def test_a_gateway_has_handed_on_everything_only_when_its_buffer_knows_it() -> None:
    """Who stops it then must not cut the deletion off: it would all be sent again."""
    seen: list[bool] = []
    acknowledge = Buffer.acknowledge

    def watched(buffer: Buffer, lane: Lane, upto: int, digest: str) -> bool:
        seen.append(world.uplink.drained)
        return acknowledge(buffer, lane, upto, digest)

    async def whole() -> None:
        await world.start()
        await live(world, [("telemetry", 1.0)] * 3)
        await come_to_rest(world)
        await world.stop()

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Buffer, "acknowledge", watched)
        world = World(Path(folder), 0)
        run_virtually(whole())
        world.close()
    assert seen
    assert not any(seen)


@pytest.mark.parametrize("more", [1, 4], ids=["behind_the_backup", "beyond_the_backup"])
@pytest.mark.parametrize("seed", range(3))
def test_what_only_a_centre_between_two_others_had_is_named(seed: int, more: int) -> None:
    """A card numbers alike what another centre gets, which is gone when the first one's backup is put back.

    Once the card has delivered less under its epoch than the backup holds, once more.
    """
    world = told(
        [
            ("telemetry", 30.0),
            ("copy_card", 30.0),
            *[("many", 30.0)] * 2,
            ("event", 30.0),
            ("back_up_centre", 0.0),
            ("wipe_broker", 0.0),
            ("wipe_centre", 0.0),
            ("roll_back_card", 0.0),
            *[("many", 30.0)] * more,
            ("event", 30.0),
            ("restore_centre", 30.0),
            ("many", 70.0),
        ],
        seed,
    )
    assert world.drained, world.left
    assert world.owed <= world.centre.seen
    assert world.centre.seen - world.in_journal.keys(), "nothing was lost, so nothing is shown"
    assert world.parted
    assert not world.unnamed


@pytest.mark.parametrize("seed", range(3))
def test_what_arrived_and_was_not_answered_is_not_let_go_and_counted_too(seed: int) -> None:
    """The link breaks before the answer, room is needed: what follows goes; the centre passes over it."""

    async def whole() -> None:
        await world.start()
        world.link_up = False
        for _ in range(8):
            await world.many()
        await world.press()
        world.link_up = True
        while len(world.centre.held()) < 3:
            await asyncio.sleep(0.01)
        world.link_up = False
        await world.cut()
        arrived = world.centre.held().keys() & world.held()
        assert arrived
        before = set(world.let_go)
        for _ in range(3):
            await world.many()
            await world.press()
        assert world.let_go - before
        assert not world.let_go & arrived
        await come_to_rest(world)
        await world.stop()

    world = World(Path(tempfile.mkdtemp()), seed)
    try:
        run_virtually(whole())
        world.look()
        assert world.drained, world.left
        assert world.owed <= world.centre.seen
        assert not world.let_go & world.in_journal.keys()
        assert not world.unnamed
    finally:
        world.close()
