"""Who a request comes from, and whether they may."""

from typing import Annotated

from fastapi import HTTPException, Request
from pydantic import Field

from collector.people.roles import LOCAL, Actor, Role

SIGN_IN = (
    "nobody is signed in; sign in with POST /api/v1/session, or send Authorization: Bearer and a token "
    "(gengfu tokens create)"
)
NamedBy = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""Who a person says to be: without control characters, for it stands in the audit and on terminals."""
CHALLENGE = {"WWW-Authenticate": "Bearer"}


class Allowed:
    """What a route depends on: the actor, who has one of these roles; 401 without one, 403 where not."""

    def __init__(self, *roles: Role) -> None:
        """``roles`` stay to be read: a test asks every route for them."""
        self.roles = roles

    def __call__(self, request: Request) -> Actor:
        """Return who acts, as ``collector.people.doors`` found out."""
        actor = getattr(request.state, "actor", None)
        if not isinstance(actor, Actor):
            raise HTTPException(401, SIGN_IN, headers=CHALLENGE)
        if not actor.may(*self.roles):
            wanted = ", ".join((*self.roles, Role.ADMINISTRATOR))
            raise HTTPException(403, f"{actor.name} is {actor.role}; this is for {wanted}")
        return actor


def allowed(*roles: Role) -> Allowed:
    """Return what a route depends on that only these roles, and administrators, may use."""
    return Allowed(*roles)


def named(actor: Actor, who: str | None) -> str:
    """Return who is told to have asked: whoever is signed in, else what a person on this machine wrote."""
    return who if who and actor == LOCAL else actor.name


class Open:
    """What a route depends on that changes something and needs no sign-in: to sign in, and callbacks."""

    def __call__(self) -> None:
        """Let everybody through."""


OPEN = Open()
