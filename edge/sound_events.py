"""Events that a centre can decode. Pure."""

import logging
import re

import msgspec

from contract.events import Event, Gap
from contract.limits import TEXT_CHARACTERS_MAX, TIME_MS_MAX

_log = logging.getLogger(__name__)
_decoder = msgspec.msgpack.Decoder(Event)


def sound(event: Event) -> Event:
    """Return the event, or where it breaks the contract a gap that says so.

    A batch is decoded whole or not at all, so one such event would take a thousand good ones with it.
    """
    try:
        _decoder.decode(msgspec.msgpack.encode(event))
    except (msgspec.MsgspecError, ValueError, OverflowError, TypeError) as error:
        time_ms = min(max(event.time_ms, 0), TIME_MS_MAX)
        reason = f"a {type(event).__name__} that breaks the contract: {error}"
        reason = reason.encode(errors="replace").decode()[:TEXT_CHARACTERS_MAX]
        _log.error("%s: %s", reason, event)  # an error of ours
        event_id = event.id if re.fullmatch("[0-9a-f]{32}", event.id) else f"{time_ms:032x}"
        return Gap(event_id, time_ms, "gateway", reason, time_ms, time_ms, count=1, clock=event.clock)
    return event
