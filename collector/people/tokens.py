"""Tokens of programs, and of users' own scripts: made, listed, revoked; told once, kept as a digest."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select
from sqlalchemy import insert as plain_insert

from collector.people import audit, users
from collector.people.roles import Actor, Role
from collector.people.tables import api_tokens
from collector.people.tables import users as users_table
from collector.people.users import PeopleError, UnknownNameError


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to be made; ``user`` empty: a program's own. ``expires_ms`` None: never."""

    name: str
    role: Role
    user: str = ""
    expires_ms: int | None = None


def make(
    connection: Connection, actor: Actor, at_ms: int, new: NewToken, digest: str, tokens_max: int
) -> None:
    """Keep a token's digest; PeopleError where its name is taken, or it may more than its user."""
    count = connection.execute(select(func.count()).select_from(api_tokens)).scalar_one()
    if count >= tokens_max:
        raise PeopleError(f"there are {count} tokens; revoke some, or raise tokens_max in [people]")
    if not users.any_there(connection):
        raise PeopleError(
            "there are no users yet, and nothing needs a token; add the first administrator first: "
            "gengfu collector users add"
        )
    if connection.execute(select(api_tokens.c.row).where(api_tokens.c.name == new.name)).first():
        raise PeopleError(f"there is a token {new.name} already; choose another name, or revoke that one")
    if new.expires_ms is not None and new.expires_ms <= at_ms:
        raise PeopleError(f"expires_ms {new.expires_ms} is over: it is {at_ms} now")
    user = users.one(connection, new.user) if new.user else None
    if user and new.role is not Role.READ_ONLY and not Actor(user.name, Role(user.role)).may(new.role):
        raise PeopleError(f"{user.name} is {user.role}, and no token of theirs may be {new.role}")
    connection.execute(
        plain_insert(api_tokens).values(
            name=new.name,
            digest=digest,
            user_row=user.row if user else None,
            role=str(new.role),
            created_ms=at_ms,
            created_by=actor.name,
            expires_ms=new.expires_ms,
            used_ms=None,
        )
    )
    detail = {"role": str(new.role), "user": new.user, "expires_ms": new.expires_ms}
    audit.note(connection, actor, at_ms, "token.create", f"token/{new.name}", detail)


def listed(connection: Connection, after: str, limit: int) -> list[Row[Any]]:
    """Return tokens by name, those after one, each with its ``user`` or None."""
    query = select(*api_tokens.c, users_table.c.name.label("user"))
    query = query.join(users_table, users_table.c.row == api_tokens.c.user_row, isouter=True)
    query = query.where(api_tokens.c.name > after).order_by(api_tokens.c.name).limit(limit)
    return list(connection.execute(query))


def revoke(connection: Connection, actor: Actor, at_ms: int, name: str) -> None:
    """Remove a token; whoever has it is refused from now on."""
    if connection.execute(delete(api_tokens).where(api_tokens.c.name == name)).rowcount == 0:
        raise UnknownNameError(f"there is no token {name[:64]!r}; gengfu tokens list shows all")
    audit.note(connection, actor, at_ms, "token.revoke", f"token/{name}")
