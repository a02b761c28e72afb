"""When gateways were connected, by their states and wills, and what share of a night that was.

How it counts: a gateway is connected from the moment that the centre hears so until it hears that it is not
(a state that is told again changes nothing). While the centre itself had no connection to the broker, nobody
knows; that time counts for no gateway, neither way. A gateway whose will never came, as its broker died with
it, counts for SILENT_MAX_MS after it was heard last.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, tzinfo
from typing import NamedTuple

from sqlalchemy import Connection, case, func, or_, select, update
from sqlalchemy import insert as plain_insert

from collector.database import Database, insert
from collector.lamps.report import Online
from collector.patience import Patiences
from collector.tables import connections, gateways, listening
from lighting import nights

LISTENING_INTERVAL_S = 60.0
"""So often it is written down that the centre hears; so much may be unknown after it was killed."""
WAITING_INTERVAL_S = 1.0
SILENT_MAX_MS = 36 * 3_600_000
"""A lighting cabinet tells of each night, so it is heard once a day at least."""
INTERVALS_AT_ONCE = 5_000


class Interval(NamedTuple):
    """A half-open stretch of time."""

    from_ms: int
    until_ms: int


def changed(connection: Connection, gateway: str, online: bool, now_ms: int) -> None:
    """Begin or end an interval; what is known already begins and ends nothing."""
    if online:
        statement = insert(connection, connections).values(gateway=gateway, from_ms=now_ms)
        connection.execute(
            statement.on_conflict_do_nothing(
                index_elements=["gateway"], index_where=connections.c.until_ms.is_(None)
            )
        )
        return
    still = [connections.c.gateway == gateway, connections.c.until_ms.is_(None)]
    ends_ms = case((connections.c.from_ms > now_ms, connections.c.from_ms), else_=now_ms)
    connection.execute(update(connections).where(*still).values(until_ms=ends_ms))


class Listening:
    """Writes down when the centre itself was connected to the broker."""

    def __init__(self, state: Database, *, now_ms: Callable[[], int], connected: Callable[[], bool]) -> None:
        """``connected`` says how it is now."""
        self._state, self._now_ms, self._connected = state, now_ms, connected
        self._row: int | None = None

    async def run(self, patiences: Patiences) -> None:
        """Write until cancelled, from soon after a connection on; what cannot be written is unknown later."""
        patience = patiences.of("the note of when the centre hears")
        while True:
            try:
                await self.note()
                patience.worked()
                wait_s = LISTENING_INTERVAL_S if self._row is not None else WAITING_INTERVAL_S
            except Exception as error:
                wait_s = patience.failed(error)
            await asyncio.sleep(wait_s)

    async def note(self) -> None:
        """Write that it hears, if it does: a new interval where it did not the last time."""
        if not self._connected():
            self._row = None
            return
        now_ms = self._now_ms()
        self._row = await self._state.write(lambda connection: _heard(connection, self._row, now_ms))


def _heard(connection: Connection, row: int | None, now_ms: int) -> int:
    if row is not None:
        later = update(listening).where(listening.c.id == row, listening.c.until_ms <= now_ms)
        if connection.execute(later.values(until_ms=now_ms)).rowcount:
            return row
    statement = plain_insert(listening).values(from_ms=now_ms, until_ms=now_ms)
    added: int = connection.execute(statement.returning(listening.c.id)).scalar_one()
    return added


def online(
    connection: Connection, first: date, last: date, known: Mapping[str, str], zone: tzinfo, now_ms: int
) -> dict[str, Online]:
    """Return how many of the ``known`` gateways were connected in each night, by its date.

    A gateway counts from the night in which it connected first; where no connection is on record, from the
    night that ``known`` says it told of first. Nights that the centre heard nothing of are left out.
    """
    spans = {}
    night = first
    while night <= last:
        ends_ms = min(nights.begins_ms(night + nights.DAY, zone), now_ms)
        spans[night.isoformat()] = Interval(nights.begins_ms(night, zone), ends_ms)
        night += nights.DAY
    whole = Interval(
        min(span.from_ms for span in spans.values()), max(span.until_ms for span in spans.values())
    )
    heard = [
        Interval(row.from_ms, row.until_ms)
        for row in connection.execute(
            select(listening)
            .where(listening.c.from_ms < whole.until_ms, listening.c.until_ms > whole.from_ms)
            .order_by(listening.c.from_ms)
        )
    ]
    began = select(connections.c.gateway, func.min(connections.c.from_ms)).group_by(connections.c.gateway)
    since_ms = {gateway: from_ms for gateway, from_ms in connection.execute(began) if gateway in known}
    for gateway, told in known.items():
        since_ms.setdefault(gateway, nights.begins_ms(date.fromisoformat(told), zone))
    return shares(spans, heard, since_ms, _intervals(connection, whole, known))


def connected_since(connection: Connection, since_ms: int) -> set[str]:
    """Return the gateways that were connected at some time since then; one that is still, if it was heard."""
    ended = select(connections.c.gateway).distinct().where(connections.c.until_ms >= since_ms)
    lasts = (
        select(connections.c.gateway)
        .join(gateways, gateways.c.gateway == connections.c.gateway)
        .where(connections.c.until_ms.is_(None), gateways.c.heard_ms >= since_ms)
    )
    return {*connection.scalars(ended), *connection.scalars(lasts)}


def shares(
    spans: Mapping[str, Interval],
    heard: Sequence[Interval],
    since_ms: Mapping[str, int],
    intervals: Iterable[tuple[str, Interval]],
) -> dict[str, Online]:
    """Weigh the intervals of gateways by the time that the centre ``heard``. Pure."""
    known_ms = {name: _overlap(span, heard) for name, span in spans.items()}
    connected_ms = dict.fromkeys(spans, 0)
    for gateway, interval in intervals:
        if gateway not in since_ms:
            continue
        for name, span in spans.items():
            if interval.from_ms < span.until_ms and span.from_ms < interval.until_ms:
                connected_ms[name] += _overlap(_common(span, interval), heard)
    counted = {
        name: sum(began_ms < span.until_ms for began_ms in since_ms.values()) for name, span in spans.items()
    }
    return {
        name: Online(
            min(connected_ms[name] / known_ms[name], counted[name]),
            counted[name],
        )
        for name in spans
        if known_ms[name]
    }


def _intervals(
    connection: Connection, whole: Interval, known: Collection[str]
) -> Iterable[tuple[str, Interval]]:
    """Yield the intervals of those gateways that touch the whole, those still open to where they may last."""
    query = (
        select(connections.c.gateway, connections.c.from_ms, connections.c.until_ms, gateways.c.heard_ms)
        .join(gateways, gateways.c.gateway == connections.c.gateway, isouter=True)
        .where(connections.c.from_ms < whole.until_ms)
        .where(or_(connections.c.until_ms.is_(None), connections.c.until_ms > whole.from_ms))
        .execution_options(yield_per=INTERVALS_AT_ONCE)
    )
    for gateway, from_ms, until_ms, heard_ms in connection.execute(query):
        if gateway in known:
            silent_ms = max(heard_ms or 0, from_ms) + SILENT_MAX_MS
            yield gateway, Interval(from_ms, min(whole.until_ms, silent_ms if until_ms is None else until_ms))


def _common(one: Interval, other: Interval) -> Interval:
    return Interval(max(one.from_ms, other.from_ms), min(one.until_ms, other.until_ms))


def _overlap(span: Interval, heard: Sequence[Interval]) -> int:
    """Return for how long of the span the centre heard; what it wrote twice counts once."""
    total_ms, upto_ms = 0, span.from_ms
    for interval in heard:
        from_ms, until_ms = max(interval.from_ms, upto_ms), min(interval.until_ms, span.until_ms)
        if until_ms > from_ms:
            total_ms += until_ms - from_ms
            upto_ms = until_ms
    return total_ms
