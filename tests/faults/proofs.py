"""Opens what a power cut left with the real product, and says what became of the promises."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from collector.database import Database
from collector.intake import take
from collector.marks import Decision
from contract.batches import Content
from contract.topics import Lane
from edge.buffer.batch import Append
from edge.buffer.errors import BufferUnusableError
from edge.buffer.store import Buffer
from tests.faults import buffer_life, journal_life
from tests.faults.journal_life import RULES, START_MS, Journal
from tests.faults.ledger import Moment, Verdict


def of_buffer(folder: Path, moment: Moment[buffer_life.State]) -> Verdict:
    """Start the gateway's buffer on what is there."""
    verdict = Verdict()
    owed = sum(len(sequences) for sequences in moment.promised.owed.values())
    try:
        buffer = buffer_life.opened(folder, Random(0))
    except BufferUnusableError as error:
        verdict.is_corrupt(f"cannot be opened: {error}")
        verdict.is_lost(owed, "all that was owed is lost")
        return verdict
    try:
        if buffer.quarantined:
            verdict.is_corrupt("set aside as corrupt")
            verdict.is_lost(owed, "all that was owed is lost")
        else:
            _judge_buffer(buffer, moment, verdict)
    except Exception as error:
        verdict.is_corrupt(f"cannot be read: {error}")
    finally:
        buffer.close()
    return verdict


def _judge_buffer(buffer: Buffer, moment: Moment[buffer_life.State], verdict: Verdict) -> None:
    _check(buffer._db.execute("PRAGMA integrity_check(5)").fetchall(), verdict)
    found = buffer_life.read(buffer)
    if moment.is_new:  # nothing is promised yet, and so no epoch
        moment = Moment(moment.promised, (buffer_life.State(found.epoch),), True, set())
    same = [state for state in moment.possible if state.epoch == found.epoch]
    # What retention let go in the transaction under way is owed no more, if that one arrived.
    exact = [state for state in same if state.said() == found.said()]
    owed = (exact or same or [moment.promised])[0].owed
    for lane, held in found.lanes.items():
        missing = owed[lane] - set(held.digests) if same else owed[lane]
        if missing:
            verdict.is_lost(len(missing), f"{lane}: {_few(missing)} are owed and not there")
        if holes := held.holes() - {hole for state in same for hole in state.lanes[lane].holes()}:
            verdict.has_gap(f"{lane}: {_few(holes)} in {_few(held.digests)} before {held.following}")
    verdict.compare(found, moment)
    for lane in Lane:
        item = Append(lane, Content.SAMPLES, b"on it goes", START_MS, START_MS, START_MS, 1)
        [stored] = buffer.append([item])
        least = (same or [found])[0].lanes[str(lane)].following
        if stored.sequence < least:
            verdict.is_lost(1, f"{lane}: {stored.sequence} is given again, {least} was to follow")


def of_journal(folder: Path, moment: Moment[Journal]) -> Verdict:
    """Start the centre's database on what is there."""
    verdict = Verdict()
    try:
        database = journal_life.opened(folder)
    except (SQLAlchemyError, OSError) as error:
        verdict.is_corrupt(f"cannot be opened: {error}")
        verdict.is_lost(sum(moment.promised.acked.values()), "all that was acknowledged is lost")
        return verdict
    try:
        _judge_journal(database, moment, verdict)
    except Exception as error:
        verdict.is_corrupt(f"cannot be read: {error}")
    finally:
        database.close()
    return verdict


def _judge_journal(database: Database, moment: Moment[Journal], verdict: Verdict) -> None:
    def looked(connection: Connection) -> tuple[list[Any], Journal]:
        rows = connection.exec_driver_sql("PRAGMA integrity_check(5)").fetchall()
        return [tuple(row) for row in rows], journal_life.read(connection)

    answers, found = database.read_now(looked)
    _check(answers, verdict)
    there = {(key, sequence) for key, sequence, _ in found.rows.values()}
    pruned = min(found.rows, default=found.head[0] + 1)
    missing = [
        row
        for row, (key, sequence, _) in moment.possible[-1].rows.items()
        if sequence <= moment.promised.acked.get(key, 0) and (key, sequence) not in there and row >= pruned
    ]
    if missing:
        verdict.is_lost(len(missing), f"rows {_few(missing)} were acknowledged and are not there")
    acked = moment.promised.acked.items()
    if behind := [key for key, upto in acked if found.marks.get(key, (0, ""))[0] < upto]:
        verdict.is_lost(0 if verdict.lost else 1, f"{len(behind)} marks are below what was acknowledged")
    _agree(found, verdict)
    verdict.compare(found, moment)
    for key, (upto, _) in list(found.marks.items())[-2:]:
        group = [journal_life.batch(key, upto + 1, b"on it goes")]
        outcome = database.write_now(partial(take, group=group, rules=RULES))
        if outcome.batches[Decision.TAKE] != 1:
            verdict.is_corrupt(f"{key} {upto + 1} is not taken")


def _agree(found: Journal, verdict: Verdict) -> None:
    """Hold marks, journal and head against each other."""
    last_id, count, _ = found.head
    if count != len(found.rows) or (found.rows and max(found.rows) != last_id):
        verdict.is_corrupt(
            f"the head says {found.head}, {len(found.rows)} rows upto {max(found.rows, default=0)}"
        )
    if found.rows and list(found.rows) != list(range(min(found.rows), last_id + 1)):
        verdict.has_gap("ids of the journal")
    lanes: dict[journal_life.Key, list[tuple[int, str]]] = {}
    for key, sequence, digest in found.rows.values():
        lanes.setdefault(key, []).append((sequence, digest))
    for key, rows in lanes.items():
        upto, digest = found.marks.get(key, (0, ""))
        passed = {
            sequence
            for of, first, last in found.jumps.values()
            if of == key
            for sequence in range(first, last + 1)
        }
        wanted = [sequence for sequence in range(rows[0][0], upto + 1) if sequence not in passed]
        if [sequence for sequence, _ in rows] != wanted:
            verdict.has_gap(f"{key}: {_few(sequence for sequence, _ in rows)} with a mark at {upto}")
        if rows[-1][0] == upto and rows[-1][1] != digest:
            verdict.is_corrupt(f"the mark of {key} has another digest than the journal")


def _check(rows: Iterable[tuple[Any, ...]], verdict: Verdict) -> None:
    answers = [str(row[0]) for row in rows]
    if answers != ["ok"]:
        verdict.is_corrupt(f"integrity_check: {answers}")


def _few(numbers: Iterable[int]) -> str:
    told = sorted(numbers)
    return f"{len(told)} from {told[0]} to {told[-1]}" if told else "none"
