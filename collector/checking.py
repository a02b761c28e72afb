"""Whether what lies in a centre's data folder is sound: both databases, and what they say of each other.

Reads only, at work or not; each database is looked at as it is at one moment. The series are opened before
the journal, so that their cursor cannot seem to lie beyond its end. Memory does not grow with what is stored,
but with the lanes that the journal knows.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from collector.backup import NOT_THERE, SERIES, STATE, absent, interrupted
from collector.database import BUSY_TIMEOUT_S, MIGRATIONS
from contract import batches
from contract.blocks import unpack
from contract.errors import ContractError
from contract.messages import CONTESTED
from owned_files import as_owner

FINDINGS_MAX = 100
"""So many are told; the others are counted."""
ROWS_PER_STEP = 500
RESTORE = "restore a backup, or begin with an empty folder and keep this one"
REWIND = "remove series.db while the centre is stopped: it is made anew from what the journal holds"

Progress = Callable[[str, int, int], None]
"""Told what is looked at, how much is done, and of how much."""
Key = tuple[str, str, str]
"""Gateway, epoch and lane."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not be: where, what it is, and what to do."""

    where: str
    what: str
    remedy: str


@dataclass(slots=True)
class Report:
    """What was looked at, and what was found; ``more`` findings are not told."""

    looked_at: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    def found(self, where: str, what: str, remedy: str) -> None:
        """Note a finding."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(where, what, remedy))
        else:
            self.more += 1


@dataclass(slots=True)
class _Lane:
    """How far the journal's rows of a lane reach; ``digest`` is the last one's.

    ``dropped``: how many batches, of any lane, housekeeping dropped from before it.
    """

    last: int
    digest: str
    dropped: int


def check(folder: Path, progress: Progress, *, state_elsewhere: bool = False) -> Report:
    """Look at all of it, as whom the folder belongs to; nothing raises for what may be wrong there.

    With ``state_elsewhere``, in a PostgreSQL, only the series are looked at.
    """
    try:
        with as_owner(folder):
            return _checked(folder, progress, state_elsewhere=state_elsewhere)
    except PermissionError as error:
        report = Report()
        report.found(str(folder), str(error.strerror), "look at it as the user whose it is")
        return report


def _checked(folder: Path, progress: Progress, *, state_elsewhere: bool) -> Report:
    report = Report()
    if interrupted(folder):
        report.found(str(folder), "a restore was interrupted", "run it again with --replace")
    for path in absent(folder, state_elsewhere=state_elsewhere):
        report.found(str(path), "is not there", NOT_THERE)
    with _opened(folder / SERIES, report) as series, _opened(folder / STATE, report) as state:
        if series and _is_whole(series, SERIES, "series", report, progress):
            _look(report, SERIES, REWIND, lambda: _blocks(series, report, progress))
        if state and not state_elsewhere and _is_whole(state, STATE, "state", report, progress):
            _look(report, STATE, RESTORE, lambda: _journal(state, report, progress))
            _look(report, STATE, RESTORE, lambda: _cursors(state, series, report))
    return report


@contextmanager
def _opened(path: Path, report: Report) -> Iterator[sqlite3.Connection | None]:
    """Lend the database as it is now, or None where it is not there or cannot be read."""
    if not path.is_file():
        yield None
        return
    uri = f"{path.resolve().as_uri()}?mode=rw"  # what a WAL holds cannot be read otherwise
    with ExitStack() as closed:
        try:
            connection = closed.enter_context(
                closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S))
            )
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            report.found(path.name, f"cannot be read: {error}", RESTORE)
            yield None
            return
        yield connection


def _look(report: Report, name: str, remedy: str, work: Callable[[], None]) -> None:
    try:
        work()
    except sqlite3.Error as error:
        report.found(name, f"cannot be read to the end: {error}", remedy)


def _is_whole(
    connection: sqlite3.Connection, name: str, schema: str, report: Report, progress: Progress
) -> bool:
    """Look at pages, indexes and version; False where the tables are not ours to read."""
    remedy = REWIND if name == SERIES else RESTORE
    progress(f"{name}, pages", 0, 1)
    try:
        for (verdict,) in connection.execute("PRAGMA integrity_check(10)"):
            if verdict != "ok":
                report.found(name, " ".join(verdict.split()), remedy)
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        report.found(name, f"is damaged, or no database of a centre: {error}", remedy)
        return False
    progress(f"{name}, pages", 1, 1)
    report.looked_at[f"{name}, pages"] = connection.execute("PRAGMA page_count").fetchone()[0]
    known, newest = _versions(schema)
    if row is None or row[0] not in known:
        told = f"is of version {row[0] if row else 'none'}; this program knows up to {newest}"
        report.found(name, told, "install the version that wrote it, or restore a backup")
        return False
    if row[0] != newest:
        told = f"is of version {row[0]}, before {newest}"
        report.found(name, told, "start the centre once, which migrates it, and check again")
        return False
    return True


def _versions(schema: str) -> tuple[set[str], str]:
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(MIGRATIONS / schema).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    return {script.revision for script in scripts.walk_revisions()}, str(scripts.get_current_head())


def _journal(connection: sqlite3.Connection, report: Report, progress: Progress) -> None:
    """Look at each batch, at what the head says of all, and at the marks."""
    head = connection.execute("SELECT last_id, batches, bytes FROM journal_head").fetchone()
    if head is None:
        report.found("journal", "has no head", RESTORE)
        return
    sums = "SELECT count(*), coalesce(sum(bytes), 0), coalesce(max(id), 0) FROM journal"
    count, octets, last_id = connection.execute(sums).fetchone()
    if last_id > head[0]:
        report.found("journal_head", f"says last id {head[0]}, and {last_id} is there", RESTORE)
    if (count, octets) != head[1:]:
        told = f"says {head[1]} batches of {head[2]} bytes, and {count} of {octets} are there"
        report.found("journal_head", told, RESTORE)
    # A batch that could not be decoded outlives those around it, whose ids are missing. The head tells that
    # they were dropped: where it does not fit, nothing is taken for dropped.
    is_counted = (count, octets) == head[1:] and last_id <= head[0]
    lanes: dict[Key, _Lane] = {}
    undecodable = 0
    query = "SELECT id, gateway, epoch, lane, sequence, content, bytes, message FROM journal ORDER BY id"
    for done, (row_id, *names, sequence, content, size, message) in enumerate(connection.execute(query), 1):
        where = f"journal {row_id}"
        if done % ROWS_PER_STEP == 0:
            progress("journal", min(done, count), count)
        key = (names[0], names[1], names[2])
        if size != len(message):
            report.found(where, f"says {size} bytes and has {len(message)}", RESTORE)
        undecodable += not _batch(key, sequence, content, message, report, where)
        dropped = row_id - done if is_counted else 0
        before = lanes.get(key)
        if before and (
            sequence <= before.last
            or _unnamed(connection, key, before.last, sequence) > dropped - before.dropped
        ):
            told = f"batch {sequence} of {_told(key)} follows {before.last}, and no gap names what is between"
            report.found(where, told, RESTORE)
        lanes[key] = _Lane(sequence, batches.digest(message), dropped)
    progress("journal", 1, 1)
    report.looked_at["journal, batches"] = count
    report.looked_at["journal, undecodable"] = undecodable
    _marks(connection, lanes, head[0] - count if is_counted else 0, report)
    [report.looked_at["dead letters"]] = connection.execute("SELECT count(*) FROM dead_letters").fetchone()


def _batch(key: Key, sequence: int, content: str, message: bytes, report: Report, where: str) -> bool:
    """Hold a batch against its row; False where it cannot be decoded, which alone is no finding."""
    try:
        header = batches.read_header(message)
    except ContractError as error:
        report.found(where, f"is no batch: {error}", RESTORE)
        return True
    told = (header.gateway, header.epoch, str(header.lane)), header.sequence, str(header.content)
    if told != (key, sequence, content):
        report.found(where, f"its batch is {header.sequence} of {_told(told[0])}", RESTORE)
    try:
        batches.decode(message)
    except ContractError:
        return False
    return True


def _unnamed(connection: sqlite3.Connection, key: Key, before: int, sequence: int) -> int:
    """Return how many sequences between two no gap names."""
    unnamed, reached = 0, before
    query = (
        "SELECT first_sequence, last_sequence FROM gaps WHERE gateway = ? AND epoch = ? AND lane = ?"
        " AND last_sequence > ? AND first_sequence < ? ORDER BY first_sequence"
    )
    for first, last in connection.execute(query, (*key, before, sequence)):
        unnamed += max(0, first - reached - 1)
        reached = max(reached, last)
    return unnamed + max(0, sequence - reached - 1)


def _marks(connection: sqlite3.Connection, lanes: dict[Key, _Lane], dropped: int, report: Report) -> None:
    """Hold the marks against the journal; ``dropped``: how many batches are, in all."""
    count = 0
    for *names, upto, digest in connection.execute("SELECT gateway, epoch, lane, upto, digest FROM marks"):
        count += 1
        key = (names[0], names[1], names[2])
        lane = lanes.get(key)
        if lane is None:
            continue  # all of it is dropped already
        where, remedy = f"mark of {_told(key)}", RESTORE
        if lane.last > upto:
            report.found(where, f"says {upto}, and the journal has {lane.last}", remedy)
        elif digest and digest != CONTESTED:
            if _unnamed(connection, key, lane.last, upto + 1) > dropped - lane.dropped:
                report.found(where, f"says {upto}, and the journal ends at {lane.last}", remedy)
            elif lane.last == upto and lane.digest != digest:
                report.found(where, f"batch {upto} in the journal is another than was acknowledged", remedy)
    report.looked_at["marks"] = count


def _cursors(state: sqlite3.Connection, series: sqlite3.Connection | None, report: Report) -> None:
    head = state.execute("SELECT identity, last_id FROM journal_head").fetchone()
    if head is None:
        return
    found = [
        (f"cursor of {name}", at) for name, at in state.execute("SELECT projection, journal_id FROM cursors")
    ]
    if series:
        for identity, journal_id in series.execute("SELECT journal_identity, journal_id FROM cursor"):
            found.append(("cursor of series", journal_id))
            if identity != head[0]:
                told = "is of another journal: databases of two centres, or of two times"
                report.found(
                    "cursor of series", told, "start the centre, which projects anew, or restore a backup"
                )
    for where, journal_id in found:
        if journal_id > head[1]:
            report.found(where, f"lies at {journal_id}, the journal ends at {head[1]}", RESTORE)
    report.looked_at["cursors"] = len(found)


def _blocks(connection: sqlite3.Connection, report: Report, progress: Progress) -> None:
    """Unpack every block; those of a series follow each other without an overlap."""
    [total] = connection.execute("SELECT count(*) FROM blocks").fetchone()
    count = samples = 0
    before = (-1, -1)
    query = "SELECT series_id, first_ms, last_ms, samples, data FROM blocks ORDER BY series_id, first_ms"
    for series_id, first_ms, last_ms, held, data in connection.execute(query):
        count, samples = count + 1, samples + held
        if count % ROWS_PER_STEP == 0:
            progress("blocks", count, total)
        where = f"series {series_id}, block at {first_ms}"
        try:
            times = unpack(data).times
        except ContractError as error:
            report.found(where, f"{held} samples cannot be read: {error}", REWIND)
        else:
            if (times[0], times[-1], len(times)) != (first_ms, last_ms, held):
                report.found(where, "is not the one its row tells of", REWIND)
        if before[0] == series_id and first_ms <= before[1]:
            report.found(where, "overlaps the one before", REWIND)
        before = (series_id, last_ms)
    progress("blocks", 1, 1)
    [of] = connection.execute("SELECT count(*) FROM series").fetchone()
    report.looked_at |= {"series": of, "blocks": count, "samples": samples}
    [undecodable] = connection.execute("SELECT count(*) FROM undecodable").fetchone()
    report.looked_at["undecodable, waiting"] = undecodable


def _told(key: Key) -> str:
    return f"{key[0]} {key[2]}, epoch {key[1][:8]}"
