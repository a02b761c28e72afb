"""Records of lamps' nights in the state: written by the projection of events, read in slices.

What is read is in the order of gateway, night and lamp, as the index has it: a report goes through a month of
any number of lamps with one slice of it in memory.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select, tuple_, update

from collector.database import insert
from collector.journal import Entry
from collector.tables import lamp_nights
from contract.events import LampChange, LampNight
from lighting.joining import joined

PARTS_MAX = 64
"""So many parts of one night are joined; that many restarts in a night are another matter."""
LAMPS_PER_NIGHT_MAX = 20_000
YEAR_MIN, YEAR_MAX = 1970, 9998

Record = tuple[str, LampNight]
"""Whose it is, and what it says."""
_ONE = msgspec.json.Decoder(LampNight)
_CHANGES = msgspec.json.Decoder(tuple[list[LampChange], list[LampChange], list[LampChange]])
_SEVERAL = msgspec.json.Decoder(list[LampNight])


class Key(NamedTuple):
    """Where a record stands in the order of reading."""

    gateway: str
    night: str
    lamp: str


class Span(NamedTuple):
    """The nights from ``first`` to ``last``, of one gateway and lamp or (empty) of all."""

    first: str = ""
    last: str = "9999-12-31"
    gateway: str = ""
    lamp: str = ""


def key(record: Record) -> Key:
    """Return where the record stands."""
    gateway, night = record
    return Key(gateway, night.night, night.lamp)


def take(connection: Connection, entry: Entry, night: LampNight) -> bool:
    """Keep the record, joined with what was told of the same night before; told again it changes nothing.

    A part that comes again under its id, told later, has all of what it had, and takes its place.
    False where there are PARTS_MAX parts already, or no such night; then it is not kept here.
    """
    if not _is_a_night(night.night):
        return False
    row = as_row(entry.gateway, night, entry.received_ms)
    statement = insert(connection, lamp_nights).values(row)
    added = connection.execute(
        statement.on_conflict_do_nothing(index_elements=["gateway", "night", "lamp"])
    ).rowcount
    return added > 0 or _join(connection, key((entry.gateway, night)), entry.received_ms, night)


def as_row(gateway: str, night: LampNight, received_ms: int, parts: str = "") -> dict[str, str | int]:
    """Return a record as the table has it."""
    return {
        "gateway": gateway,
        "night": night.night,
        "lamp": night.lamp,
        "event_id": night.id,
        "time_ms": night.time_ms,
        "received_ms": received_ms,
        "record": _json(msgspec.structs.replace(night, planned=[], commanded=[], measured=[])),
        "changes": _json((night.planned, night.commanded, night.measured)),
        "parts": parts,
    }


def read(
    connection: Connection, span: Span, after: Key | None, limit: int, *, changes: bool = False
) -> list[Record]:
    """Return up to ``limit`` records that follow ``after``, none at the end; with ``changes`` where asked."""
    columns = [lamp_nights.c.record, *([lamp_nights.c.changes] if changes else [])]
    found: list[Record] = []
    gateway: str | None = after.gateway if after else span.gateway or _following(connection, "")
    beyond = (after.night, after.lamp) if after else ("", "")
    while gateway is not None and len(found) < limit:
        query = (
            select(*columns)
            .where(lamp_nights.c.gateway == gateway, lamp_nights.c.night.between(span.first, span.last))
            .where(tuple_(lamp_nights.c.night, lamp_nights.c.lamp) > tuple_(*beyond))
            .order_by(lamp_nights.c.night, lamp_nights.c.lamp)
            .limit(limit - len(found))
        )
        if span.lamp:
            query = query.where(lamp_nights.c.lamp == span.lamp)
        found += [(gateway, _decoded(*row)) for row in connection.execute(query)]
        gateway = None if span.gateway else _following(connection, gateway)
        beyond = ("", "")
    return found


def gateways(connection: Connection) -> list[str]:
    """Return every gateway that ever told of a lamp, in order."""
    found: list[str] = []
    gateway = _following(connection, "")
    while gateway is not None:
        found.append(gateway)
        gateway = _following(connection, gateway)
    return found


def told(connection: Connection, gateway: str, first: str, last: str) -> set[tuple[str, str]]:
    """Return the nights and lamps of which there is a record, from one night to another."""
    query = select(lamp_nights.c.night, lamp_nights.c.lamp)
    query = query.where(lamp_nights.c.gateway == gateway, lamp_nights.c.night.between(first, last))
    return {(night, lamp) for night, lamp in connection.execute(query)}


def circuits(connection: Connection, gateway: str) -> set[str]:
    """Return what the gateway's last night tells to be circuits that feed lamps with records of their own."""
    mine = select(lamp_nights).where(lamp_nights.c.gateway == gateway)
    last = connection.execute(mine.order_by(lamp_nights.c.night.desc()).limit(1)).first()
    if last is None:
        return set()
    records = read(connection, Span(last.night, last.night, gateway), None, LAMPS_PER_NIGHT_MAX)
    return {night.lamp for _, night in records if night.feeds}


def signs(connection: Connection) -> dict[str, tuple[str, str]]:
    """Return every gateway that ever told of a lamp, with the first and the last night that it told of."""
    found: dict[str, tuple[str, str]] = {}
    for gateway in gateways(connection):
        nights = select(lamp_nights.c.night).where(lamp_nights.c.gateway == gateway).limit(1)
        first, last = (
            connection.execute(nights.order_by(order)).scalar_one()
            for order in (lamp_nights.c.night.asc(), lamp_nights.c.night.desc())
        )
        found[gateway] = first, last
    return found


def _following(connection: Connection, gateway: str) -> str | None:
    """Return the next gateway that has records: one step in the index, not one for each record."""
    query = select(lamp_nights.c.gateway).where(lamp_nights.c.gateway > gateway)
    return connection.execute(query.order_by(lamp_nights.c.gateway).limit(1)).scalar()


def _join(connection: Connection, place: Key, received_ms: int, night: LampNight) -> bool:
    where = [lamp_nights.c[name] == value for name, value in place._asdict().items()]
    columns = lamp_nights.c.record, lamp_nights.c.changes, lamp_nights.c.parts
    record, changes, told = connection.execute(select(*columns).where(*where)).one()
    parts: Sequence[LampNight] = _SEVERAL.decode(told) if told else [_decoded(record, changes)]
    if any(part.id == night.id and part.time_ms >= night.time_ms for part in parts):
        return True
    parts = [part for part in parts if part.id != night.id]
    if len(parts) >= PARTS_MAX:
        return False
    whole = joined([*parts, night])
    row = as_row(place.gateway, whole, received_ms, _json([*parts, night]))
    connection.execute(update(lamp_nights).where(*where).values(row))
    return True


def _decoded(record: str, changes: str = "") -> LampNight:
    night = _ONE.decode(record)
    if not changes:
        return night
    planned, commanded, measured = _CHANGES.decode(changes)
    return msgspec.structs.replace(night, planned=planned, commanded=commanded, measured=measured)


def _is_a_night(text: str) -> bool:
    """Say whether it is a date, and one whose noons are moments of ours."""
    try:
        return YEAR_MIN <= date.fromisoformat(text).year <= YEAR_MAX
    except ValueError:
        return False


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
