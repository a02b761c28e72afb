"""The city's classes of cases, in SQL with versions: edited while the centre runs, each case keeps its own.

The settings' ``[[case_classes]]`` fill the table at the first start. A class that people have changed here no
longer follows the settings; the others do, at every start.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy import insert as plain_insert

from collector.cases.settings import CaseClass
from collector.cases.tables import case_class_versions, case_classes
from collector.cases.words import CaseError, UnknownCaseError
from collector.people import audit
from collector.people.roles import CENTRE, Actor

NONE = "null"
_IN_FORCE = select(case_classes).where(
    case_classes.c.problem == bindparam("problem"), case_classes.c.until_version.is_(None)
)
BY_SETTINGS, BY_DESK = "settings", "desk"


@dataclass(frozen=True, slots=True)
class Held:
    """A class as it is in force; ``version`` is that of all the classes, ``source`` settings or desk."""

    entry: CaseClass
    version: int
    source: str


def version(connection: Connection) -> int:
    """Return the present version of the classes; 0 before there are any."""
    return connection.scalar(select(func.max(case_class_versions.c.version))) or 0


def of(connection: Connection, problem: str) -> Held | None:
    """Return the class of a problem, or None where it makes no case."""
    row = connection.execute(_IN_FORCE, {"problem": problem}).first()
    if row is None or row.body == NONE:
        return None
    return Held(CaseClass.model_validate_json(row.body), version(connection), row.source)


def all_of(connection: Connection, at_version: int | None = None) -> list[Held]:
    """Return the classes by problem, as they are or as they were in a version."""
    query = select(case_classes).where(case_classes.c.body != NONE).order_by(case_classes.c.problem)
    if at_version is None:
        query = query.where(case_classes.c.until_version.is_(None))
    else:
        until = case_classes.c.until_version
        query = query.where(case_classes.c.from_version <= at_version, until.is_(None) | (until > at_version))
    of_all = version(connection) if at_version is None else at_version
    rows = connection.execute(query)
    return [Held(CaseClass.model_validate_json(row.body), of_all, row.source) for row in rows]


def seed(connection: Connection, entries: Iterable[CaseClass], at_ms: int) -> None:
    """Take over what the settings say, for every problem that nobody has changed here."""
    told = {entry.problem: _body(entry) for entry in entries}
    query = select(case_classes.c.problem, case_classes.c.source, case_classes.c.body).where(
        case_classes.c.until_version.is_(None)
    )
    held = {row.problem: row for row in connection.execute(query)}
    changed = {
        problem: body
        for problem, body in told.items()
        if problem not in held or (held[problem].source == BY_SETTINGS and held[problem].body != body)
    }
    changed |= {
        problem: NONE
        for problem, row in held.items()
        if problem not in told and row.source == BY_SETTINGS and row.body != NONE
    }
    if changed:
        _write(connection, changed, CENTRE, at_ms, BY_SETTINGS)


def put(
    connection: Connection, entry: CaseClass, actor: Actor, at_ms: int, *, seen: int | None, most: int
) -> int:
    """Make or change a class; return the new version. CaseError where ``seen`` is not the present one."""
    return _edit(connection, entry.problem, _body(entry), actor, at_ms, seen=seen, most=most)


def remove(
    connection: Connection, problem: str, actor: Actor, at_ms: int, *, seen: int | None, most: int
) -> int:
    """Have a problem make no case from now on; return the new version."""
    if of(connection, problem) is None:
        raise UnknownCaseError("unknown_class", problem=problem)
    return _edit(connection, problem, NONE, actor, at_ms, seen=seen, most=most)


def _body(entry: CaseClass) -> str:
    return entry.model_dump_json(by_alias=True)


def _edit(
    connection: Connection, problem: str, body: str, actor: Actor, at_ms: int, *, seen: int | None, most: int
) -> int:
    present = version(connection)
    if seen is not None and seen != present:
        raise CaseError("changed", version=present, seen=seen)
    if present >= most:
        raise CaseError("too_many", most=most)
    number = _write(connection, {problem: body}, actor, at_ms, BY_DESK)
    detail = {"version": number, "class": body if len(body) < 1_500 else "too long"}
    audit.note(
        connection, actor, at_ms, "case_class.put" if body != NONE else "case_class.remove", problem, detail
    )
    return number


def _write(connection: Connection, changed: dict[str, str], actor: Actor, at_ms: int, source: str) -> int:
    number = version(connection) + 1
    what = ", ".join(sorted(changed))[:500]
    connection.execute(
        plain_insert(case_class_versions).values(version=number, at_ms=at_ms, who=actor.name, what=what)
    )
    for problem, body in sorted(changed.items()):
        in_force = case_classes.c.until_version.is_(None)
        connection.execute(
            update(case_classes)
            .where(case_classes.c.problem == problem, in_force)
            .values(until_version=number)
        )
        connection.execute(
            plain_insert(case_classes).values(
                problem=problem, from_version=number, until_version=None, source=source, body=body
            )
        )
    return number
