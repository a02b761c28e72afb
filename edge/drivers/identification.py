"""What a device says of itself: who made it, what it is, what it has counted. Nothing in it is changed.

Few devices answer everything, many refuse everything, some are silent: each question has its own reading.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

from contract.samples import Quality
from device_profiles.codec import Reading
from edge.drivers import identification_pdu as pdus
from edge.drivers.modbus_pdu import ModbusError
from edge.lines.line import Line, LineError, Request

PARTS_MAX = 64
"""So many answers may one stream of objects have."""
VENDOR, PRODUCT, REVISION = 0, 1, 2
"""Ids of the basic objects."""
QUERY_DATA = b"\xa5\x37"
STREAM_LEVELS = {1: pdus.BASIC, 2: pdus.REGULAR, 3: pdus.EXTENDED}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Identification:
    """A device's answers; what it refused is a reading with its reason.

    Texts are UTF-8, with what is none replaced. ``objects`` has every object as it came, by its id, and
    ``objects_error`` why there may be more ("" if there are none). ``server_id`` is the answer to function 17
    in hexadecimal digits, ``running`` its run indicator. ``echo``: query data came back as it went.
    """

    vendor: Reading
    product: Reading
    revision: Reading
    objects: Mapping[int, bytes]
    objects_error: str
    server_id: Reading
    running: Reading
    echo: Reading
    counters: Mapping[str, Reading]


class _Objects(NamedTuple):
    found: dict[int, bytes]
    conformity: int
    error: str


async def identify(line: Line, unit_id: int, timeout_s: float, *, diagnostics: bool = True) -> Identification:
    """Ask a unit about itself; each question waits so long for its answer. Never raises for what it says.

    Without ``diagnostics`` it is asked for no echo and no counters: they tell nothing of what it is.
    """
    asker = _Asker(line, unit_id, timeout_s)
    objects = await _all_objects(asker)
    server_id, error = await asker.ask(*pdus.server_id_request(), pdus.server_id_answer)
    running = None if server_id is None else pdus.run_indicator(server_id)
    not_asked = _bad("not_asked"), dict.fromkeys(pdus.COUNTERS, _bad("not_asked"))
    echo, counters = await _diagnostics(asker) if diagnostics else not_asked
    return Identification(
        vendor=_text(objects, VENDOR),
        product=_text(objects, PRODUCT),
        revision=_text(objects, REVISION),
        objects=objects.found,
        objects_error=objects.error,
        server_id=_bad(error) if server_id is None else Reading(server_id.hex(" ").upper()),
        running=_bad(error or "not_told") if running is None else Reading(running),
        echo=echo,
        counters=counters,
    )


class _Asker:
    """Asks one unit; after the line is gone nothing more is sent."""

    def __init__(self, line: Line, unit_id: int, timeout_s: float) -> None:
        self._line, self._unit_id, self._timeout_s = line, unit_id, timeout_s
        self._gone = False

    async def ask(
        self, pdu: bytes, answer_bytes: int, parse: Callable[[bytes], Answer]
    ) -> tuple[Answer | None, str]:
        """Return the parsed answer, or None and the error's name."""
        if self._gone:
            return None, str(LineError.UNAVAILABLE)
        outcome = await self._line.transact(Request(self._unit_id, pdu, answer_bytes, self._timeout_s))
        if outcome.pdu is None:
            self._gone = outcome.error is LineError.UNAVAILABLE
            return None, str(outcome.error)
        try:
            return parse(outcome.pdu), ""
        except ModbusError as said:
            return None, str(said)


async def _all_objects(asker: _Asker) -> _Objects:
    """Read the basic stream and the fuller one that the device says it has, or else single objects."""
    basic = await _stream(asker, pdus.BASIC)
    if basic.error and basic.error not in ("illegal_function", *LineError):
        return await _single_objects(asker, basic)
    level = STREAM_LEVELS.get(basic.conformity & 0x7F, pdus.BASIC)
    if basic.error or level == pdus.BASIC:
        return basic
    full = await _stream(asker, level)
    return full._replace(found=basic.found | full.found)


async def _stream(asker: _Asker, read_code: int) -> _Objects:
    """Read a stream of objects part by part."""
    found: dict[int, bytes] = {}
    conformity = next_object = 0
    for _ in range(PARTS_MAX):
        pdu, answer_bytes = pdus.identification_request(read_code, next_object)
        part, error = await asker.ask(pdu, answer_bytes, partial(pdus.identification_answer, pdu))
        if part is None:
            return _Objects(found, conformity, error)
        found |= part.objects
        conformity = part.conformity
        if part.next_object is None:
            return _Objects(found, conformity, "")
        if part.next_object <= next_object:
            return _Objects(found, conformity, "stream_goes_back")  # it would go on for ever
        next_object = part.next_object
    return _Objects(found, conformity, "too_many_parts")


async def _single_objects(asker: _Asker, before: _Objects) -> _Objects:
    """Ask for the basic objects one by one; the stream's own error stands where not even that helps."""
    found = dict(before.found)
    for number in (VENDOR, PRODUCT, REVISION):
        pdu, answer_bytes = pdus.identification_request(pdus.INDIVIDUAL, number)
        part, _ = await asker.ask(pdu, answer_bytes, partial(pdus.identification_answer, pdu))
        if part is None:
            break
        found |= part.objects
    return before._replace(found=found)


async def _diagnostics(asker: _Asker) -> tuple[Reading, dict[str, Reading]]:
    """Send query data through the device, then ask for its counters; whoever has no echo is not asked."""
    pdu, answer_bytes = pdus.diagnostics_request(pdus.RETURN_QUERY_DATA, QUERY_DATA)
    data, error = await asker.ask(pdu, answer_bytes, partial(pdus.diagnostics_answer, pdu))
    if data is None:
        return _bad(error), dict.fromkeys(pdus.COUNTERS, _bad(error))
    counters = {name: await _counter(asker, sub_function) for name, sub_function in pdus.COUNTERS.items()}
    return Reading(data == QUERY_DATA), counters


async def _counter(asker: _Asker, sub_function: int) -> Reading:
    pdu, answer_bytes = pdus.diagnostics_request(sub_function)
    count, error = await asker.ask(pdu, answer_bytes, partial(pdus.counter_answer, pdu))
    return _bad(error) if count is None else Reading(count)


def _text(objects: _Objects, number: int) -> Reading:
    data = objects.found.get(number)
    return _bad(objects.error or "not_told") if data is None else Reading(data.decode(errors="replace"))


def _bad(error: str) -> Reading:
    return Reading(None, Quality.BAD, error)
