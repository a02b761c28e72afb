"""An import: a file is looked at whole before anything is written, and written in one transaction or never.

What is new or changed waits in a temporary file meanwhile; of the other rows only the code is kept in memory.
"""

import contextlib
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import IO, Any, BinaryIO, Generic, Self, TypeVar

from sqlalchemy import Connection, Table, delete, func, select
from sqlalchemy import insert as plain_insert

from collector.database import insert
from collector.parts import checking
from collector.parts.book import grid_row_of, row_of
from collector.parts.checking import Rules
from collector.parts.files import CHUNK_BYTES, Columns, FileProblem, Form, Row
from collector.parts.files import rows as rows_of
from collector.parts.inside import Outside
from collector.parts.model import Grid, Part
from collector.parts.problems import BadRow, place, shown
from collector.parts.tables import grids, part_imports, parts
from collector.people import audit
from collector.people.roles import Actor

BATCH = 500
ZEROS_MIN = 20
"""So many codes that all end in 0 are no coincidence."""

T = TypeVar("T", Part, Grid)


@dataclass(frozen=True)
class Register(Generic[T]):
    """What is imported: where it goes, how its rows are read."""

    name: str
    table: Table
    columns: Columns
    code: str
    """The attribute that holds the code."""
    read: Callable[[Row, Rules], T | list[BadRow]]
    row_of: Callable[[T], dict[str, Any]]


PARTS: Register[Part] = Register("parts", parts, checking.PART_COLUMNS, "ObjID", checking.part_of, row_of)
GRIDS: Register[Grid] = Register("grids", grids, checking.GRID_COLUMNS, "BGID", checking.grid_of, grid_row_of)


@dataclass(frozen=True)
class ImportLimits:
    """How much one import may hold, and how much of what is wrong is told."""

    rows_max: int = 200_000
    register_max: int = 1_000_000
    problems_max: int = 100
    grid_tolerance_m: float = 20.0


@dataclass(frozen=True)
class Report:
    """What an import finds, or has done. ``gone`` is in the register and not in the file.

    ``bad`` counts all mistakes, ``problems`` are the first of them. Nothing is written where there is one.
    """

    rows: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0
    removed: int = 0
    unknown_grids: int = 0
    """So many rows name a grid that the register does not have, though it has grids."""
    bad: int = 0
    problems: tuple[BadRow, ...] = ()
    written: bool = False


class Import(Generic[T]):
    """One import, as a context: ``look`` first, then ``write`` where nothing is wrong."""

    def __init__(
        self, register: Register[T], file: BinaryIO, form: Form, rules: Rules, limits: ImportLimits
    ) -> None:
        """``file`` is read twice, from its beginning."""
        self._register: Register[T] = register
        self._file, self._form = file, form
        self._rules, self._limits = rules, limits
        self._seen: dict[int, int] = {}
        self._problems: list[BadRow] = []
        self._counts: Counter[str] = Counter()
        self._report = Report()
        self._waiting: IO[str]

    def __enter__(self) -> Self:
        """Open the temporary file."""
        self._waiting = tempfile.TemporaryFile("w+", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        self._waiting.close()

    def look(self, connection: Connection | None) -> Report:
        """Read the whole file and compare it with the register, or with nothing; nothing is written to it."""
        known = 0
        if connection is not None:
            query = select(func.count()).select_from(self._register.table)
            known = connection.execute(query).scalar_one()
        outside = Outside(connection, self._limits.grid_tolerance_m, gcj02=self._rules.gcj02)
        with self._ended():
            for batch in _batches(self._sound_rows(outside)):
                self._compare(connection, batch)
        self._after(known)
        counts = self._counts
        self._report = Report(
            rows=counts["rows"],
            added=counts["added"],
            changed=counts["changed"],
            unchanged=counts["unchanged"],
            gone=known - counts["changed"] - counts["unchanged"],
            unknown_grids=outside.unknown,
            bad=counts["bad"],
            problems=tuple(self._problems),
        )
        return self._report

    @property
    def report(self) -> Report:
        """Return what was found, or done, last."""
        return self._report

    def write(
        self, connection: Connection, actor: Actor, at_ms: int, source: str, *, remove_gone: bool = False
    ) -> Report:
        """Write what ``look`` found new or changed, in the caller's transaction; not where something is bad.

        ``remove_gone``: also remove what is not in the file.
        """
        if self._report.bad:
            return self._report
        table = self._register.table
        statement = insert(connection, table)
        statement = statement.on_conflict_do_update(
            index_elements=["code"],
            set_={
                column.name: statement.excluded[column.name] for column in table.c if not column.primary_key
            },
        )
        self._waiting.seek(0)
        for batch in _batches(map(json.loads, self._waiting)):
            connection.execute(statement, batch)
        removed = self._remove_gone(connection) if remove_gone else 0
        self._report = replace(self._report, removed=removed, written=True)
        self._note(connection, actor, at_ms, source)
        return self._report

    def _sound_rows(self, outside: Outside) -> Iterator[T]:
        """Yield what is sound; note what is not."""
        self._file.seek(0)
        for number, row in enumerate(rows_of(self._file, self._form, self._register.columns), 1):
            if number > self._limits.rows_max:
                raise FileProblem(BadRow("file", 0, "", "rows", (str(self._limits.rows_max),)))
            self._counts["rows"] += 1
            if isinstance(row, BadRow):
                self._bad(row)
                continue
            read = self._register.read(row, self._rules)
            wrong = list(read) if isinstance(read, list) else list(outside.wrong(row, read))
            wrong += self._twice(row)
            self._bad(*wrong)
            if not wrong and not isinstance(read, list):
                yield read

    def _twice(self, row: Row) -> Iterator[BadRow]:
        """Yield the mistake where a code has been given before."""
        code = str(row.values.get(self._register.code) or "").strip()
        if not (code.isascii() and code.isdigit() and 14 <= len(code) <= 16):
            return
        first = self._seen.setdefault(int(code), row.number)
        if first != row.number:
            before = place(row.unit, first).en
            yield BadRow(row.unit, row.number, self._register.code, "twice", (shown(code), before))

    def _compare(self, connection: Connection | None, batch: Sequence[T]) -> None:
        """Count what is new, changed and as before; put aside what has to be written."""
        table = self._register.table
        query = select(table.c.code, table.c.digest).where(table.c.code.in_([each.code for each in batch]))
        rows = () if connection is None else connection.execute(query)
        known = {row.code: row.digest for row in rows}
        for each in batch:
            digest = known.get(each.code)
            if digest == each.digest:
                self._counts["unchanged"] += 1
                continue
            self._counts["added" if digest is None else "changed"] += 1
            self._waiting.write(json.dumps(self._register.row_of(each), ensure_ascii=False) + "\n")

    def _after(self, known: int) -> None:
        """Note what can be seen only at the end."""
        codes = self._seen
        if (
            self._register.code == "ObjID"
            and len(codes) >= ZEROS_MIN
            and not any(code % 10 for code in codes)
        ):
            self._bad(BadRow("file", 0, "ObjID", "excel_zeros"))
        if known + self._counts["added"] > self._limits.register_max:
            self._bad(BadRow("file", 0, "", "register", (str(self._limits.register_max),)))

    def _remove_gone(self, connection: Connection) -> int:
        column = self._register.table.c.code
        codes = connection.execute(select(column).order_by(column)).scalars()
        gone = [code for code in codes if int(code) not in self._seen]
        for batch in _batches(iter(gone)):
            connection.execute(delete(self._register.table).where(column.in_(batch)))
        return len(gone)

    def _note(self, connection: Connection, actor: Actor, at_ms: int, source: str) -> None:
        report, what = self._report, self._register.name
        told = {name: getattr(report, name) for name in ("added", "changed", "unchanged", "removed")}
        connection.execute(
            plain_insert(part_imports).values(
                at_ms=at_ms,
                who=actor.name[:100],
                what=what,
                source=source[:255],
                digest=digest_of(self._file, self._rules),
                **told,
            )
        )
        audit.note(connection, actor, at_ms, f"{what}.import", source, told)

    @contextlib.contextmanager
    def _ended(self) -> Iterator[None]:
        """Note what ends the reading."""
        try:
            yield
        except FileProblem as error:
            self._bad(error.bad)

    def _bad(self, *wrong: BadRow) -> None:
        self._counts["bad"] += len(wrong)
        self._problems += wrong[: max(0, self._limits.problems_max - len(self._problems))]


def digest_of(file: BinaryIO, rules: Rules) -> str:
    """Return the SHA-256 of a file, another where its places are GCJ-02."""
    file.seek(0)
    digest = hashlib.sha256(b"gcj02" if rules.gcj02 else b"")
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


Item = TypeVar("Item")


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    each = iter(items)
    while batch := list(islice(each, BATCH)):
        yield batch
