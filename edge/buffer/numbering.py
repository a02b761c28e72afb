"""Which boots have numbered each lane of the epoch, kept beyond the batches that are gone from the file.

A copy of this file that is opened elsewhere numbers on in another boot; so a centre can see that two buffers
gave the same numbers, even where neither holds them any more.
"""

import sqlite3

import msgspec

from contract.messages import EpochRange
from contract.stretches import Stretch, grown, until
from contract.topics import Lane
from edge.buffer import meta

Account = dict[str, tuple[Stretch, ...]]
"""By lane."""


def account(db: sqlite3.Connection) -> Account:
    """Return who numbered what; a file that an older version wrote knows it of what it holds."""
    kept = meta.value(db, meta.STRETCHES)
    return msgspec.json.decode(kept, type=Account) if kept else _of_rows(db)


def note(db: sqlite3.Connection, lane: Lane, boot_id: str, sequence: int) -> None:
    """Note that a boot has given a number, after all that were given before."""
    before = account(db)
    _keep(db, before | {lane: grown(before.get(lane, ()), boot_id, sequence)})


def begin(db: sqlite3.Connection) -> None:
    """Begin with what the rows say, once they are numbered anew."""
    _keep(db, _of_rows(db))


def told(db: sqlite3.Connection, held: EpochRange) -> EpochRange:
    """Return the range with who numbered what is no longer held: what is held speaks for itself."""
    stretches = {lane: until(known, held.lanes[lane].first - 1) for lane, known in account(db).items()}
    return EpochRange(held.epoch, held.lanes, {lane: known for lane, known in stretches.items() if known})


def _keep(db: sqlite3.Connection, account: Account) -> None:
    meta.set_value(db, meta.STRETCHES, msgspec.json.encode(account).decode())


def _of_rows(db: sqlite3.Connection) -> Account:
    found: Account = {}
    for lane in Lane:
        boots = db.execute(
            "SELECT boot_id, min(sequence) FROM batches WHERE lane = ? GROUP BY boot_id ORDER BY 2", (lane,)
        )
        for boot_id, first in boots:
            found[lane] = grown(found.get(lane, ()), boot_id, first)
    return found
