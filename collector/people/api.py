"""The interface to users, tokens and the audit trail; for administrators."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from sqlalchemy import Connection

from collector import queries
from collector.people import audit, secret, tokens, users
from collector.people.acting import allowed
from collector.people.answers import told_plainly
from collector.people.desk import PeopleDesk
from collector.people.roles import Actor, Role
from collector.people.tokens import NewToken
from collector.people.users import NAME_PATTERN, NewUser
from collector.people.views import (
    AuditView,
    DoneView,
    MadeTokenView,
    PasswordRequest,
    TokenRequest,
    TokenView,
    UserChange,
    UserRequest,
    UserView,
    audit_view,
    token_view,
    user_view,
)
from collector.views import Page, RefusalView
from contract.limits import TIME_MS_MAX

Name = Annotated[str, Path(pattern=NAME_PATTERN, max_length=64)]
Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")]
Cursor = Annotated[
    str, Query(pattern=r"^[a-z0-9._-]*$", max_length=64, description="`next` of the page before.")
]
RowCursor = Annotated[str, Query(pattern="^[0-9]{0,18}$", description="`next` of the page before.")]
Only = Annotated[str, Query(pattern=r"^[^\x00]*$", max_length=200, description="Only this; empty for all.")]
TimeMs = Annotated[int, Query(ge=0, le=TIME_MS_MAX + 1)]
ADMINISTRATOR = allowed(Role.ADMINISTRATOR)
Administrator = Annotated[Actor, Depends(ADMINISTRATOR)]
Responses = dict[int | str, dict[str, Any]]

NONE_SUCH: Responses = {404: {"model": RefusalView}}
NOT_SO: Responses = {409: {"model": RefusalView}}


def router(desk: PeopleDesk) -> APIRouter:
    """Return the routes below ``/users``, ``/tokens`` and ``/audit``."""
    routes = APIRouter(dependencies=[Depends(ADMINISTRATOR)])
    _add_users(routes, desk)
    _add_passwords(routes, desk)
    _add_tokens(routes, desk)
    _add_audit(routes, desk)
    return routes


def _add_users(routes: APIRouter, desk: PeopleDesk) -> None:
    @routes.get("/users")
    async def get_users(limit: Limit = 100, cursor: Cursor = "") -> Page[UserView]:
        """Users by name."""
        rows = await desk.state.read(lambda db: users.listed(db, cursor, limit + 1))
        return queries.page([user_view(row) for row in rows], limit, lambda item: item.name)

    @routes.get("/users/{name}", responses=NONE_SUCH)
    async def get_user(name: Name) -> UserView:
        """One user."""
        with told_plainly():
            return user_view(await desk.state.read(lambda db: users.one(db, name)))

    @routes.post("/users", responses=NOT_SO)
    async def post_user(asked: UserRequest, actor: Administrator) -> UserView:
        """Add somebody; the first must be an administrator, and from then on everything needs a sign-in."""
        new = NewUser(asked.name, asked.role, asked.display_name, asked.phone, asked.mail, tuple(asked.areas))
        now_ms = desk.now_ms()
        with told_plainly():
            hashed = await desk.checked_and_hashed(asked.password, asked.name, asked.display_name)

            def work(connection: Connection) -> UserView:
                users.add(connection, actor, now_ms, new, hashed, desk.settings.users_max)
                return user_view(users.one(connection, asked.name))

            return await desk.state.write(work)

    @routes.patch("/users/{name}", responses=NONE_SUCH | NOT_SO)
    async def patch_user(name: Name, asked: UserChange, actor: Administrator) -> UserView:
        """Change somebody; who is disabled is signed out. The last administrator stays one."""
        changes, now_ms = asked.model_dump(exclude_none=True), desk.now_ms()
        if not changes:
            raise HTTPException(
                422, f"nothing is to be changed; give one of {', '.join(type(asked).model_fields)}"
            )

        def work(connection: Connection) -> UserView:
            users.change(connection, actor, now_ms, name, changes)
            return user_view(users.one(connection, name))

        with told_plainly():
            return await desk.state.write(work)

    @routes.delete("/users/{name}", responses=NONE_SUCH | NOT_SO)
    async def delete_user(name: Name, actor: Administrator) -> DoneView:
        """Remove somebody with their sessions and tokens; the last administrator stays."""
        now_ms = desk.now_ms()
        with told_plainly():
            await desk.state.write(lambda db: users.remove(db, actor, now_ms, name))
        return DoneView()


def _add_passwords(routes: APIRouter, desk: PeopleDesk) -> None:
    @routes.put("/users/{name}/password", responses=NONE_SUCH | NOT_SO)
    async def put_password(name: Name, asked: PasswordRequest, actor: Administrator) -> DoneView:
        """Give somebody another password; all their sessions end."""
        now_ms = desk.now_ms()
        with told_plainly():
            user = await desk.state.read(lambda db: users.one(db, name))
            hashed = await desk.checked_and_hashed(asked.password, name, user.display_name)
            ended = await desk.state.write(lambda db: users.set_password(db, actor, now_ms, name, hashed))
        return DoneView(sessions_ended=ended)

    @routes.delete("/users/{name}/sessions", responses=NONE_SUCH)
    async def delete_sessions(name: Name, actor: Administrator) -> DoneView:
        """Sign somebody out everywhere."""
        now_ms = desk.now_ms()

        def work(connection: Connection) -> int:
            ended = users.end_sessions(connection, users.one(connection, name).row)
            detail = {"sessions_ended": ended}
            audit.note(connection, actor, now_ms, "user.sign_out", f"user/{name}", detail)
            return ended

        with told_plainly():
            return DoneView(sessions_ended=await desk.state.write(work))


def _add_tokens(routes: APIRouter, desk: PeopleDesk) -> None:
    @routes.get("/tokens")
    async def get_tokens(limit: Limit = 100, cursor: Cursor = "") -> Page[TokenView]:
        """Tokens by name; what they are is told only when they are made."""
        rows = await desk.state.read(lambda db: tokens.listed(db, cursor, limit + 1))
        return queries.page([token_view(row) for row in rows], limit, lambda item: item.name)

    @routes.post("/tokens", responses=NONE_SUCH | NOT_SO)
    async def post_token(asked: TokenRequest, actor: Administrator) -> MadeTokenView:
        """Make a token for a program, or for a user's scripts; it is told once."""
        told, now_ms = secret.token_secret(desk.random_bytes), desk.now_ms()
        new = NewToken(asked.name, asked.role, asked.user, asked.expires_ms)
        limit = desk.settings.tokens_max
        with told_plainly():
            await desk.state.write(lambda db: tokens.make(db, actor, now_ms, new, secret.digest(told), limit))
        return MadeTokenView(
            name=asked.name,
            role=asked.role,
            user=asked.user or None,
            created_ms=now_ms,
            created_by=actor.name,
            expires_ms=asked.expires_ms,
            used_ms=None,
            token=told,
        )

    @routes.delete("/tokens/{name}", responses=NONE_SUCH)
    async def delete_token(name: Name, actor: Administrator) -> DoneView:
        """Revoke a token: whoever has it is refused from now on."""
        now_ms = desk.now_ms()
        with told_plainly():
            await desk.state.write(lambda db: tokens.revoke(db, actor, now_ms, name))
        return DoneView()


def _add_audit(routes: APIRouter, desk: PeopleDesk) -> None:
    @routes.get("/audit")
    async def get_audit(
        who: Only = "",
        action: Only = "",
        target: Only = "",
        from_ms: TimeMs = 0,
        to_ms: TimeMs = TIME_MS_MAX + 1,
        limit: Limit = 100,
        cursor: RowCursor = "",
    ) -> Page[AuditView]:
        """Who changed what, the newest first; ``action`` user finds what is below it too, as user.add."""
        if from_ms >= to_ms:
            raise HTTPException(422, f"from_ms {from_ms} is not before to_ms {to_ms}; nothing lies between")
        wanted, before = audit.Wanted(who, action, target, from_ms, to_ms), int(cursor or 0)
        rows = await desk.state.read(lambda db: audit.noted(db, wanted, before, limit + 1))
        return queries.page([audit_view(row) for row in rows], limit, lambda item: str(item.row))
