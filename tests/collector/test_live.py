"""Live values at the centre: whom it asks, what a listener gets, what it refuses."""

import asyncio

import pytest

from collector.live import LISTENERS_MAX, POINTS_MAX, Live, TooManyListenersError
from collector.metrics import Metrics
from contract import batches, messages, topics
from contract.messages import Watch
from contract.samples import Sample

TOPIC = topics.live("north", "gw-1")


def sample(time_ms: int, point: str = "p") -> Sample:
    """Return a sample of a device."""
    return Sample(time_ms, "d", point, 1.5)


def test_a_gateway_is_asked_when_somebody_begins_to_listen_and_when_it_says_hello() -> None:
    """Not for others, and not when nobody listens any more."""

    async def play() -> None:
        live = Live("north", Metrics())
        listener = live.listen("gw-1")
        [(topic, payload)] = await live.due()
        assert topic == topics.watch("north", "gw-1")
        assert messages.decode(payload, Watch).for_s > 0
        assert not live.arrived(topics.hello("north", "gw-2"), b"")
        assert not live.arrived(topics.hello("north", "gw-1"), b"")
        assert [topic for topic, _ in await live.due()] == [topics.watch("north", "gw-1")]
        live.listen("gw-1")
        live.leave(listener)
        live.listen("gw-3")
        assert len(await live.due()) == 2

    asyncio.run(play())


def test_a_slow_listener_gets_the_newest_of_each_point() -> None:
    """What lies between is skipped; points beyond the limit are left out."""

    async def play() -> None:
        live = Live("north", metrics := Metrics())
        listener = live.listen("gw-1")
        for time_ms in (1, 2, 3):
            assert live.arrived(TOPIC, batches.live_message([sample(time_ms)]))
        assert live.arrived(topics.live("north", "gw-2"), b"nobody listens to it")
        assert await listener.take(1) == [sample(3)]
        assert b"gengfu_live_messages_total 4.0" in metrics.text()
        for part in range(0, 2 * POINTS_MAX, 5_000):
            listener.put([sample(1, f"p{number}") for number in range(part, part + 5_000)])
        assert len(await listener.take(1)) == POINTS_MAX

    asyncio.run(play())


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (TOPIC, b"\x01noise"),
        (TOPIC, b""),
        (topics.live("south", "gw-1"), batches.live_message([sample(1)])),
        ("gengfu/1/north/GW/live", batches.live_message([sample(1)])),
        ("gengfu/1/north/gw-1/x/live", batches.live_message([sample(1)])),
    ],
)
def test_what_is_malformed_or_of_another_topic_is_counted_and_reaches_nobody(
    topic: str, payload: bytes
) -> None:
    """It is done with: the ingest does not see it."""

    async def play() -> None:
        metrics = Metrics()
        live = Live("north", metrics)
        listener = live.listen("gw-1")
        assert live.arrived(topic, payload)
        assert await listener.take(0.01) == []
        assert b'gengfu_messages_rejected_total{reason="malformed_live"} 1.0' in metrics.text()

    asyncio.run(play())


def test_listeners_are_bounded() -> None:
    """One too many is refused, until one leaves."""
    live = Live("north", Metrics())
    listeners = [live.listen(f"gw-{number}") for number in range(LISTENERS_MAX)]
    with pytest.raises(TooManyListenersError):
        live.listen("gw-1")
    live.leave(listeners[0])
    live.listen("gw-1")
