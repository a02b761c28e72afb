"""The life of a gateway: what begins after what, what runs with what, and what ends in which order."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol

from edge.identity import tpm
from edge.progress import Standing
from edge.uplink.mqtt import Uplink
from edge.wiring import Parts

_log = logging.getLogger(__name__)

OPEN_PATIENCE_S = 10.0
"""A large buffer takes a while to be checked; what is measured meanwhile waits in memory."""


class Process(Protocol):
    """The process around a life."""

    def heed(self, stop: Callable[[], None]) -> None:
        """Call ``stop`` from now on where the gateway is to end."""

    def at_work(self, standing: Standing) -> None:
        """Lines, buffer and uplink are at work; ``standing`` says how the gateway is doing."""

    def stopping(self) -> None:
        """The gateway ends."""

    def over(self) -> None:
        """Nothing of it runs any more."""


async def live(parts: Parts, process: Process) -> None:
    """Run a gateway until it is stopped; raise what ended a part of it by an error of ours."""
    gateway, recorder, uplink, desk = parts.gateway, parts.recorder, parts.uplink, parts.asking.desk
    await _opened(parts)
    parts.take_up()
    process.heed(gateway.stop)
    background = [asyncio.create_task(loop) for loop in _loops(parts)]
    for task in background:
        task.add_done_callback(lambda _: gateway.stop())  # none ends but by an error of ours
    process.at_work(_standing(parts))
    try:
        await gateway.run()
    finally:
        process.stopping()
        parts.documents.tell_all()
        await desk.tell_all()
        await recorder.flush()
        await _drained(uplink, parts.settings.buffer.stop_drain_s)
        for task in background:
            task.cancel()
        ended = await asyncio.gather(*background, return_exceptions=True)
        tpm.give_up()  # a connection that waits for it is on a thread that the loop waits for
        clean = await recorder.flush()
        if not clean:
            _log.error("the disk never took %d samples and %d events: they are lost", *recorder.waiting)
        await uplink.spending.keep()
        await parts.reports.renew(stopped=True)
        for each in parts.kept_beside:
            await each.keep()
        await parts.keeper.run(parts.buffer.close, clean=clean)
        await parts.keeper.close()
        await parts.desired_keeper.close()
        await parts.asking.close()
        process.over()
    for failure in ended:
        if isinstance(failure, Exception):
            raise failure  # fall, and be started again


def _loops(parts: Parts) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield what runs beside the gateway until it is cancelled."""
    yield parts.uplink.run()
    yield parts.recorder.run()
    yield parts.reports.run()
    yield parts.documents.run()
    yield from parts.asking.loops()
    if renewing := parts.renewing():
        yield renewing.run()
    for each in parts.kept_beside:
        yield each.run()


def _standing(parts: Parts) -> Standing:
    gateway, buffer, uplink = parts.gateway, parts.buffer, parts.uplink
    return Standing(
        gateway.stuck,
        lambda: buffer.is_open and gateway.every_line_asked and not gateway.stuck(),
        lambda: uplink.connected_since_ms is not None,
    )


async def _opened(parts: Parts) -> None:
    """Open the buffer and wait for it, so that rules begin where they left off; a disk may hang, though."""
    opening = asyncio.create_task(parts.recorder.open())
    with contextlib.suppress(
        TimeoutError, OSError, sqlite3.Error
    ):  # the recorder tries again, and tells of it
        await asyncio.wait_for(asyncio.shield(opening), OPEN_PATIENCE_S)
    opening.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    if parts.buffer.is_open:
        with contextlib.suppress(sqlite3.Error):
            parts.clock.timeline.known(await parts.keeper.run(parts.buffer.committed_ms))


async def _drained(uplink: Uplink, limit_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while not uplink.drained:
                await asyncio.sleep(0.05)
