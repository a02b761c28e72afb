"""The part file of the settings: imported at start where it has changed since it was imported last.

It adds and changes parts. What is taken out of it stays in the register, which others import into as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, select

from collector.database import Database
from collector.parts.files import form_of
from collector.parts.importing import PARTS, Import, Report, digest_of
from collector.parts.problems import BadRow
from collector.parts.settings import PartSettings
from collector.parts.tables import part_imports
from collector.people.roles import CENTRE
from toml_files import Problem, TomlFileError

SOURCE = "parts_file"


def seed(state: Database, path: Path, settings: PartSettings, at_ms: int) -> Report | None:
    """Import the file, before anything runs; None where it is as it was. TomlFileError names its bad rows."""
    with _opened(path, settings.import_bytes_max) as file:
        rules = settings.rules(gcj02=settings.parts_file_gcj02)
        if state.read_now(_last) == digest_of(file, rules):
            return None
        with Import(PARTS, file, form_of(path), rules, settings.limits()) as work:
            report = state.read_now(work.look)
            _refuse(path, report)
            return state.write_now(lambda connection: work.write(connection, CENTRE, at_ms, SOURCE))


def check(path: Path, settings: PartSettings) -> Report:
    """Read the file and write nothing. TomlFileError names its bad rows."""
    rules = settings.rules(gcj02=settings.parts_file_gcj02)
    with (
        _opened(path, settings.import_bytes_max) as file,
        Import(PARTS, file, form_of(path), rules, settings.limits()) as work,
    ):
        report = work.look(None)
    _refuse(path, report)
    return report


def _last(connection: Connection) -> str:
    query = select(part_imports.c.digest).where(part_imports.c.source == SOURCE)
    return connection.execute(query.order_by(part_imports.c.row.desc()).limit(1)).scalar() or ""


@contextmanager
def _opened(path: Path, bytes_max: int) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            if path.stat().st_size > bytes_max:
                raise TomlFileError([_problem(path, BadRow("file", 0, "", "too_long", (str(bytes_max),)))])
            yield file
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = "check the path, or leave out parts_file"
        raise TomlFileError([Problem(str(path), 0, "", f"cannot be read: {reason}", remedy)]) from error


def _refuse(path: Path, report: Report) -> None:
    if not report.bad:
        return
    problems = [_problem(path, bad) for bad in report.problems]
    if more := report.bad - len(problems):
        problems.append(Problem(str(path), 0, "", f"{more} more mistakes follow", "mend these first"))
    raise TomlFileError(problems)


def _problem(path: Path, bad: BadRow) -> Problem:
    line = bad.number if bad.unit == "line" else 0
    key = bad.field if bad.unit != "feature" else f"{bad.place.en} {bad.field}".strip()
    return Problem(str(path), line, key, bad.what.en, bad.remedy.en)
