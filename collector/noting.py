"""Events and gaps noted in the state, each once by its key, however often it is told."""

import msgspec
from sqlalchemy import Connection

from collector.database import insert
from collector.group_marks import LaneKey
from collector.journal import Entry
from collector.marks import Jump
from collector.tables import events, gaps
from contract.batches import Tombstone
from contract.events import UNSET, Event, Gap
from contract.limits import TEXT_CHARACTERS_MAX
from contract.samples import ClockState


def event(connection: Connection, entry: Entry, event: Event) -> bool:
    """Note an event that is no alarm, and what a gap tells is missing; False where it was noted before."""
    statement = insert(connection, events).values(
        gateway=entry.gateway,
        event_id=event.id,
        kind=str(type(event).__struct_config__.tag),
        time_ms=event.time_ms,
        received_ms=entry.received_ms,
        event=msgspec.json.encode(event).decode(),
    )
    noted = connection.execute(statement.on_conflict_do_nothing(index_elements=["gateway", "event_id"]))
    if isinstance(event, Gap):
        _gap(
            connection,
            entry,
            key=f"event/{entry.gateway}/{event.id}",
            origin=event.origin,
            reason=_reason(event.reason, event.clock),
            from_ms=event.from_ms,
            to_ms=event.to_ms,
            first_sequence=event.first_sequence,
            last_sequence=event.last_sequence,
            count=event.count,
        )
    return noted.rowcount > 0


def tombstone(connection: Connection, entry: Entry, tombstone: Tombstone) -> None:
    """Note the gap that stands where a batch was."""
    _gap(
        connection,
        entry,
        key=f"tombstone/{entry.gateway}/{entry.epoch}/{entry.lane}/{entry.sequence}",
        origin="gateway",
        reason=_reason(tombstone.reason, tombstone.clock),
        from_ms=tombstone.first_ms,
        to_ms=tombstone.last_ms,
        first_sequence=entry.sequence,
        last_sequence=entry.sequence,
        count=tombstone.count,
    )


def jump(
    connection: Connection, key: LaneKey, jump: Jump, reason: str, times_ms: tuple[int, int], now_ms: int
) -> None:
    """Note what a hello says will never arrive; told again with a later end, it ends there."""
    kind = "parted" if jump.parted else "jump"
    row = {
        "key": f"{kind}/{key.gateway}/{key.epoch}/{key.lane}/{jump.first}",
        "gateway": key.gateway,
        "origin": "collector",
        "reason": reason,
        "epoch": key.epoch,
        "lane": str(key.lane),
        "first_sequence": jump.first,
        "last_sequence": jump.last,
        "from_ms": times_ms[0],
        "to_ms": times_ms[1],
        "count": None,
        "recorded_ms": now_ms,
    }
    statement = insert(connection, gaps).values(row)
    further = {name: statement.excluded[name] for name in ("last_sequence", "to_ms")}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["key"],
            set_=further,
            where=statement.excluded.last_sequence > gaps.c.last_sequence,
        )
    )


def _reason(reason: str, clock: ClockState) -> str:
    """Return the reason; it says so where the times are not what they seem."""
    if clock is not ClockState.UNSET or reason.endswith(UNSET):
        return reason
    return reason[: TEXT_CHARACTERS_MAX - len(UNSET)] + UNSET


def _gap(connection: Connection, entry: Entry, **told: str | int | None) -> None:
    statement = insert(connection, gaps).values(
        gateway=entry.gateway,
        epoch=entry.epoch,
        lane=entry.lane,
        recorded_ms=entry.received_ms,
        **told,
    )
    connection.execute(statement.on_conflict_do_nothing(index_elements=["key"]))
