"""Waiting for an event, but not for ever."""

import asyncio


async def set_or_over(event: asyncio.Event, limit_s: float) -> None:
    """Wait until the event is set; after the limit it is set here.

    A timer and no cancellation: gateways wait some hundred times a second, and this costs them least.
    """
    timer = asyncio.get_running_loop().call_later(limit_s, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
