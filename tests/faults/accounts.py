"""The accounts of a cell: what the meters served, held against journal, series and store, sample by sample.

Nothing is believed: what the gateways committed is what their buffers numbered, and a sample may be missing
only where its gateway itself told that it ended uncleanly before a commit.
"""

import contextlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from collector.database import Database
from collector.series import reading as series_reading
from contract import batches
from contract.events import AlarmCleared, AlarmRaised, Event, Gap
from contract.limits import TIME_MS_MAX
from contract.samples import Value
from contract.topics import Lane
from edge.buffer.losses import UNCLEAN_END
from simulators.victoria_metrics import Key
from tests.faults.cell import GATEWAYS, Cell
from tests.faults.counting import COUNTED, METER_TIMEOUT_S

EXPLAINS_MS = 3_000
"""A failed read on record explains an answer that never reached the gateway, this close in time."""
LATE_MS = round(METER_TIMEOUT_S * 1000)
"""An answer may be so long under way, and a commit be made meanwhile."""
FINDINGS_TOLD_MAX = 50

Series = tuple[str, str, str]
"""(gateway, device, point)"""


@dataclass
class Account:
    """The figures, and in words what should not be."""

    samples: int = 0
    lost: int = 0
    doubled: int = 0
    unflushed: int = 0
    failed_reads: int = 0
    events: int = 0
    findings: list[str] = field(default_factory=list)

    def find(self, text: str) -> None:
        """Note what should not be."""
        if len(self.findings) < FINDINGS_TOLD_MAX:
            self.findings.append(text)


@dataclass
class Journal:
    """What the centre has on record."""

    sequences: dict[tuple[str, str, str], list[int]]
    """By (gateway, epoch, lane), in the order in which they were taken."""
    samples: dict[Series, list[tuple[int, Value]]]
    events: dict[str, list[Event]]
    jumps: list[str]
    alarms: dict[tuple[str, str], tuple[int | None, int | None]]
    """When each was raised and cleared, as the alarm projection has it; by (gateway, id)."""


def journal(path: Path) -> Journal:
    """Read all of it."""
    found = Journal(defaultdict(list), defaultdict(list), defaultdict(list), [], {})
    with contextlib.closing(sqlite3.connect(path)) as connection:
        query = "SELECT gateway, epoch, lane, sequence, message FROM journal ORDER BY id"
        for gateway, epoch, lane, sequence, message in connection.execute(query):
            found.sequences[gateway, epoch, lane].append(sequence)
            batch = batches.decode(message)
            for sample in batch.samples:
                found.samples[gateway, sample.device, sample.point].append((sample.time_ms, sample.value))
            found.events[gateway] += batch.events
        query = "SELECT gateway, reason, first_sequence, last_sequence FROM gaps WHERE origin = 'collector'"
        found.jumps = [" ".join(map(str, row)) for row in connection.execute(query)]
        for gateway, alarm, *times in connection.execute(
            "SELECT gateway, id, raised_ms, cleared_ms FROM alarms"
        ):
            found.alarms[gateway, alarm] = (times[0], times[1])
    return found


def audit(cell: Cell) -> Account:
    """Account for every sample and event of a cell that was settled."""
    account = Account()
    held = journal(cell.folder / "centre" / "collector.db")
    for jump in held.jumps:
        account.find(f"the centre jumped: {jump}")
    for name in GATEWAYS:
        _audit_sequences(account, name, held, cell.folder / name / "buffer.db")
        _audit_events(account, name, held.events[name], cell.kills.get(name, 0))
        gaps = [event for event in held.events[name] if isinstance(event, Gap)]
        for meter in cell.meters[name].meters.values():
            for point in COUNTED:
                served = {each.number: each.time_ms for each in meter.served if point in each.points}
                _audit_samples(account, (name, meter.name, point), served, held, gaps)
    _audit_alarms(account, held)
    _compare(account, "the series", held, _series(cell.folder, held.samples))
    if cell.store:
        _compare(account, "the store", held, _stored(cell.store.export()))
    return account


def _audit_sequences(account: Account, gateway: str, held: Journal, buffer: Path) -> None:
    """Every batch that the gateway ever numbered is there, in order, in one epoch."""
    with contextlib.closing(sqlite3.connect(buffer)) as connection:
        [epoch] = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        numbered = dict(connection.execute("SELECT lane, next_sequence - 1 FROM lanes").fetchall())
    for other in {key[1] for key in held.sequences if key[0] == gateway} - {epoch}:
        account.find(f"{gateway} has another epoch: {other}")
    for lane in Lane:
        found = held.sequences[gateway, epoch, lane]
        missing = set(range(1, numbered[lane] + 1)) - set(found)
        if missing:
            account.lost += len(missing)
            account.find(f"{gateway}: {len(missing)} of {numbered[lane]} batches of {lane} are missing")
        if found != sorted(set(found)):
            account.find(f"{gateway}: batches of {lane} out of order or twice")


def _audit_events(account: Account, gateway: str, events: list[Event], kills: int) -> None:
    """Alarms come and go in turn, each once; a gateway tells at most one unclean end a kill."""
    account.events += len(events)
    twice = [event_id for event_id, count in Counter((e.id, type(e)) for e in events).items() if count > 1]
    account.doubled += len(twice)
    active: dict[tuple[str, str], str] = {}
    for event in events:
        if isinstance(event, AlarmRaised):
            if (event.device, event.point) in active:
                account.lost += 1
                account.find(f"{gateway} {event.device}: an alarm was raised before the last was cleared")
            active[event.device, event.point] = event.id
        elif isinstance(event, AlarmCleared) and active.pop((event.device, event.point), "") != event.id:
            account.lost += 1
            account.find(f"{gateway} {event.device}: an alarm was cleared that was not raised")
    gaps = [event for event in events if isinstance(event, Gap)]
    if len(gaps) > kills:
        account.find(f"{gateway} was killed {kills} times and told {len(gaps)} gaps")
    for gap in gaps:
        if gap.reason != UNCLEAN_END:
            account.find(f"{gateway} told: {gap.reason}")


def _audit_alarms(account: Account, held: Journal) -> None:
    """The alarm projection has each alarm of the journal once, with both its times."""
    wanted: dict[tuple[str, str], tuple[int | None, int | None]] = {}
    for gateway, events in held.events.items():
        for event in events:
            if isinstance(event, AlarmRaised):
                wanted[gateway, event.id] = (event.time_ms, None)
            elif isinstance(event, AlarmCleared):
                wanted[gateway, event.id] = (wanted.get((gateway, event.id), (None, None))[0], event.time_ms)
    if differing := wanted.items() ^ held.alarms.items():
        account.lost += len(wanted.keys() - held.alarms.keys())
        account.find(f"{len({key for key, _ in differing})} alarms are not what the journal says")


def _audit_samples(
    account: Account, series: Series, served: dict[int, int], held: Journal, gaps: list[Gap]
) -> None:
    """Every number that was served is there once, or in the tail that a killed gateway never committed."""
    rows = held.samples[series]
    numbers = Counter(value for _, value in rows if value is not None)
    failures = sorted(time_ms for time_ms, value in rows if value is None)
    account.samples += len(served)
    account.doubled += sum(count - 1 for count in numbers.values())
    account.doubled += len(rows) - len({time_ms for time_ms, _ in rows})
    if invented := numbers.keys() - served.keys():
        account.find(f"{series}: {len(invented)} values that nobody served")
    for number, time_ms in served.items():
        if number in numbers:
            continue
        if any(gap.from_ms - LATE_MS <= time_ms <= gap.to_ms for gap in gaps if gap.reason == UNCLEAN_END):
            account.unflushed += 1
            continue
        near = next((each for each in failures if abs(each - time_ms) <= EXPLAINS_MS), None)
        if near is None:
            account.lost += 1
            account.find(f"{series}: number {number} of {time_ms} is lost")
        else:
            failures.remove(near)
            account.failed_reads += 1


Rows = dict[Series, list[tuple[int, float]]]


def _compare(account: Account, what: str, held: Journal, found: Rows) -> None:
    """What the journal has is in the projection, each once."""
    for series, rows in held.samples.items():
        wanted = Counter(dict.fromkeys(_numbers(rows), 1))
        there = Counter(found.get(series, []))
        missing, extra = wanted - there, there - wanted
        account.lost += missing.total()
        account.doubled += extra.total()
        if missing or extra:
            account.find(f"{what} lacks {missing.total()} of {series} and has {extra.total()} too many")


def _numbers(rows: Iterable[tuple[int, Value]]) -> list[tuple[int, float]]:
    return [(time_ms, float(value)) for time_ms, value in rows if isinstance(value, int | float)]


def _series(folder: Path, wanted: Iterable[Series]) -> Rows:
    database = Database(folder / "centre" / "series.db", "series")
    try:
        return {key: _numbers(_history(database, key)) for key in wanted}
    finally:
        database.close()


def _history(database: Database, key: Series) -> Iterator[tuple[int, Value]]:
    samples = database.read_now(
        lambda connection: series_reading.history(
            connection, key, from_ms=0, to_ms=TIME_MS_MAX, limit=TIME_MS_MAX
        )
    )
    for sample in samples:
        yield sample.time_ms, sample.value


def _stored(exported: dict[Key, list[tuple[int, float]]]) -> Rows:
    found: Rows = {}
    for key, rows in exported.items():
        labels = dict(key)
        point, _, measured = labels["__name__"].rpartition("_")
        if measured == "value":
            found[labels["gateway"], labels["device"], point] = rows
    return found
