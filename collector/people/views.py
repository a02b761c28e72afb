"""What the interface to people takes and answers. Times are UTC milliseconds."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from collector.people.roles import Role
from collector.people.users import NAME_PATTERN
from contract.limits import TIME_MS_MAX

PASSWORD_CHARACTERS_MAX = 1_000
"""Longer ones are not even looked at; a new one may have 128."""
AREAS_MAX = 100

UserName = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
Password = Annotated[str, Field(min_length=1, max_length=PASSWORD_CHARACTERS_MAX)]
Line = r"^[^\x00-\x1f\x7f]*$"
Phone = Annotated[str, Field(pattern=r"^\+?[0-9 ()-]*$", max_length=32)]
Mail = Annotated[str, Field(pattern=r"^([^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+)?$", max_length=254)]
Shown = Annotated[str, Field(pattern=Line, max_length=100)]
Area = Annotated[str, Field(pattern=Line, min_length=1, max_length=64)]
Areas = Annotated[list[Area], Field(max_length=AREAS_MAX)]


class Asked(BaseModel):
    """No unknown keys."""

    model_config = ConfigDict(extra="forbid")


class SignInRequest(Asked):
    """Who signs in."""

    name: str = Field(pattern=Line, min_length=1, max_length=64)
    password: Password


class OwnPasswordRequest(Asked):
    """Another password for whoever is signed in; ``former`` is the one of now."""

    former: Password
    password: Password


class PasswordRequest(Asked):
    """Another password for somebody."""

    password: Password


class UserRequest(Asked):
    """Somebody who shall be able to sign in; phone and mail are for telling, no areas means all."""

    name: UserName
    password: Password
    role: Role
    display_name: Shown = ""
    phone: Phone = ""
    mail: Mail = ""
    areas: Areas = []


class UserChange(Asked):
    """What is to be other than it is; what is left out stays."""

    role: Role | None = None
    display_name: Annotated[Shown, Field(min_length=1)] | None = None
    phone: Phone | None = None
    mail: Mail | None = None
    areas: Areas | None = None
    disabled: bool | None = None


class TokenRequest(Asked):
    """A token to be made; no ``user``: a program's own. ``expires_ms`` null: never."""

    name: UserName
    role: Role
    user: UserName | Literal[""] = ""
    expires_ms: Annotated[int, Field(ge=0, le=TIME_MS_MAX)] | None = None


class SessionView(BaseModel):
    """Who acts; ``expires_ms`` null: not by itself. ``idle_s`` without a request ends a session sooner."""

    name: str
    display_name: str
    role: Role
    kind: Literal["local", "session", "token"]
    expires_ms: int | None
    idle_s: int | None


class UserView(BaseModel):
    """A user."""

    name: str
    display_name: str
    role: Role
    phone: str
    mail: str
    areas: list[str]
    disabled: bool
    created_ms: int
    changed_ms: int
    password_ms: int


class TokenView(BaseModel):
    """A token, without its secret; ``user`` null: a program's own. ``used_ms`` null: never; to a minute."""

    name: str
    role: Role
    user: str | None
    created_ms: int
    created_by: str
    expires_ms: int | None
    used_ms: int | None


class MadeTokenView(TokenView):
    """A token that was just made; ``token`` is told this once."""

    token: str


class DoneView(BaseModel):
    """It is done; ``sessions_ended`` says how many were signed out by it."""

    sessions_ended: int = 0


class AuditView(BaseModel):
    """Who did what to what; ``detail`` as the action has it."""

    row: int
    at_ms: int
    who: str
    role: str
    action: str
    target: str
    detail: dict[str, Any]


def user_view(row: Row[Any]) -> UserView:
    """Return a user without the password's hash."""
    told = {name: getattr(row, name) for name in UserView.model_fields if name != "areas"}
    return UserView(areas=json.loads(row.areas), **told)


def token_view(row: Row[Any]) -> TokenView:
    """Return a token without its digest."""
    return TokenView(**{name: getattr(row, name) for name in TokenView.model_fields})


def audit_view(row: Row[Any]) -> AuditView:
    """Return a note."""
    told = {name: getattr(row, name) for name in AuditView.model_fields if name != "detail"}
    return AuditView(detail=json.loads(row.detail), **told)
