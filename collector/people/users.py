"""Users: added, changed, removed. Every function runs in its caller's transaction and notes what it did."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy import insert as plain_insert

from collector.people import audit
from collector.people.roles import Actor, Role
from collector.people.tables import sessions, users

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
RESERVED = ("local", "centre", "program", "platform", "sensor")
"""Nobody is called as the audit trail calls those who are no users."""


class PeopleError(ValueError):
    """It cannot be done as things stand; the text says why and what to do."""


class UnknownNameError(PeopleError):
    """Nobody, or nothing, is called so."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """Somebody who shall be able to sign in; phone and mail are for telling, ``areas`` empty means all."""

    name: str
    role: Role
    display_name: str = ""
    phone: str = ""
    mail: str = ""
    areas: Sequence[str] = field(default=())


def any_there(connection: Connection) -> bool:
    """Say whether there are users, so that everything needs a sign-in."""
    return connection.execute(select(users.c.row).limit(1)).first() is not None


def one(connection: Connection, name: str) -> Row[Any]:
    """Return a user; UnknownNameError."""
    row = connection.execute(select(users).where(users.c.name == name)).first()
    if row is None:
        raise UnknownNameError(f"there is no user {name[:64]!r}; gengfu collector users list shows all")
    return row


def listed(connection: Connection, after: str, limit: int) -> list[Row[Any]]:
    """Return users by name, those after one."""
    query = select(users).where(users.c.name > after).order_by(users.c.name).limit(limit)
    return list(connection.execute(query))


def add(
    connection: Connection, actor: Actor, at_ms: int, new: NewUser, password_hash: str, users_max: int
) -> None:
    """Add somebody; PeopleError where the name is taken, or the first is no administrator."""
    if new.name in RESERVED:
        raise PeopleError(f"{new.name} is a name of the centre's own; choose another")
    count = connection.execute(select(func.count()).select_from(users)).scalar_one()
    if count == 0 and new.role is not Role.ADMINISTRATOR:
        raise PeopleError("the first user must be an administrator, else nobody could add the others")
    if count >= users_max:
        raise PeopleError(f"there are {count} users; remove some, or raise users_max in [people]")
    if connection.execute(select(users.c.row).where(users.c.name == new.name)).first():
        raise PeopleError(f"there is a user {new.name} already; choose another name, or change that one")
    connection.execute(
        plain_insert(users).values(
            name=new.name,
            display_name=new.display_name or new.name,
            role=str(new.role),
            password_hash=password_hash,
            phone=new.phone,
            mail=new.mail,
            areas=json.dumps(list(new.areas), ensure_ascii=False),
            disabled=False,
            created_ms=at_ms,
            changed_ms=at_ms,
            password_ms=at_ms,
        )
    )
    audit.note(connection, actor, at_ms, "user.add", f"user/{new.name}", {"role": str(new.role)})


def change(connection: Connection, actor: Actor, at_ms: int, name: str, changes: Mapping[str, Any]) -> None:
    """Change some of ``role, display_name, phone, mail, areas, disabled``; who is disabled is signed out."""
    user = one(connection, name)
    role, disabled = changes.get("role", user.role), changes.get("disabled", user.disabled)
    if role != Role.ADMINISTRATOR or disabled:
        _check_not_last(connection, user, "demoted or disabled")
    values = {key: str(value) if key == "role" else value for key, value in changes.items()}
    if "areas" in values:
        values["areas"] = json.dumps(list(values["areas"]), ensure_ascii=False)
    connection.execute(update(users).where(users.c.row == user.row).values(changed_ms=at_ms, **values))
    if disabled:
        end_sessions(connection, user.row)
    told = {key: str(value) for key, value in changes.items() if key in ("role", "disabled")}
    others = sorted(set(changes) - set(told))
    audit.note(connection, actor, at_ms, "user.change", f"user/{name}", told | {"changed": others})


def set_password(
    connection: Connection,
    actor: Actor,
    at_ms: int,
    name: str,
    password_hash: str,
    *,
    keep_session: int | None = None,
) -> int:
    """Give somebody another password; return how many sessions end: all, but for one that is kept."""
    user = one(connection, name)
    values = {"password_hash": password_hash, "password_ms": at_ms, "changed_ms": at_ms}
    connection.execute(update(users).where(users.c.row == user.row).values(**values))
    ended = end_sessions(connection, user.row, keep_session)
    audit.note(connection, actor, at_ms, "user.password", f"user/{name}", {"sessions_ended": ended})
    return ended


def rehash(connection: Connection, row: int, former_hash: str, fresh_hash: str) -> None:
    """Keep the same password under other parameters, unless it was changed meanwhile; nobody did anything."""
    this = (users.c.row == row, users.c.password_hash == former_hash)
    connection.execute(update(users).where(*this).values(password_hash=fresh_hash))


def remove(connection: Connection, actor: Actor, at_ms: int, name: str) -> None:
    """Remove somebody with their sessions and tokens; what they did stays on the audit trail."""
    user = one(connection, name)
    _check_not_last(connection, user, "removed")
    connection.execute(delete(users).where(users.c.row == user.row))
    audit.note(connection, actor, at_ms, "user.remove", f"user/{name}", {"role": user.role})


def end_sessions(connection: Connection, user_row: int, keep_session: int | None = None) -> int:
    """End all sessions of somebody, but for one that is kept; return how many."""
    theirs = delete(sessions).where(sessions.c.user_row == user_row)
    if keep_session is not None:
        theirs = theirs.where(sessions.c.row != keep_session)
    return connection.execute(theirs).rowcount


def _check_not_last(connection: Connection, user: Row[Any], what: str) -> None:
    """PeopleError where no administrator would be left who can sign in."""
    if user.role != Role.ADMINISTRATOR or user.disabled:
        return
    others = select(users.c.row).where(
        users.c.role == str(Role.ADMINISTRATOR), users.c.disabled.is_(False), users.c.row != user.row
    )
    if connection.execute(others.limit(1)).first() is None:
        raise PeopleError(
            f"{user.name} is the last administrator and cannot be {what}; make somebody else one first"
        )
