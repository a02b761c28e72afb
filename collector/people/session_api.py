"""The interface to one's own session: sign in and out, who one is, another password."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from sqlalchemy import Connection

from collector.people import audit, sessions, users
from collector.people.acting import CHALLENGE, OPEN, allowed
from collector.people.answers import told_plainly
from collector.people.desk import BusyError, PeopleDesk, TooSoonError, WrongPasswordError
from collector.people.doors import Site
from collector.people.roles import LOCAL, Actor, Role
from collector.people.sessions import Found
from collector.people.views import DoneView, OwnPasswordRequest, SessionView, SignInRequest
from collector.views import RefusalView

ANYBODY = allowed(*Role)


def router(desk: PeopleDesk, site: Site) -> APIRouter:
    """Return the routes below ``/session``."""
    routes = APIRouter(prefix="/session")
    _add_signing_in(routes, desk, site)
    _add_signing_out(routes, desk, site)
    _add_password(routes, desk)
    return routes


def _add_signing_in(routes: APIRouter, desk: PeopleDesk, site: Site) -> None:
    @routes.post(
        "",
        dependencies=[Depends(OPEN)],
        responses={code: {"model": RefusalView} for code in (411, 413, 429, 503)},
    )
    async def post_session(asked: SignInRequest, request: Request, response: Response) -> SessionView:
        """Sign in: the answer sets a cookie, which every later request brings. 429 says how long to wait."""
        agent = request.headers.get("user-agent", "")
        try:
            opened = await desk.sign_in(
                asked.name, asked.password, address=request.state.address, user_agent=agent
            )
        except (WrongPasswordError, TooSoonError, BusyError) as error:
            raise _not_signed_in(error) from error
        response.set_cookie(
            site.cookie,
            opened.secret,
            max_age=desk.settings.session_lifetime_s,
            path="/",
            secure=site.is_secure,
            httponly=True,
            samesite="strict",
        )
        user = opened.user
        return SessionView(
            name=user.name,
            display_name=user.display_name,
            role=Role(user.role),
            kind="session",
            expires_ms=opened.expires_ms,
            idle_s=desk.settings.session_idle_s,
        )

    @routes.get("")
    async def get_session(request: Request, actor: Annotated[Actor, Depends(ANYBODY)]) -> SessionView:
        """Who acts, and until when."""
        found: Found | None = getattr(request.state, "found", None)
        shown = actor.name
        if found and found.user_row is not None:
            shown = (await desk.state.read(lambda db: users.one(db, actor.name))).display_name
        in_session = found is not None and found.session_row is not None
        return SessionView(
            name=actor.name,
            display_name=shown,
            role=actor.role,
            kind="session" if in_session else "token" if found else "local",
            expires_ms=found.expires_ms if found else None,
            idle_s=desk.settings.session_idle_s if in_session else None,
        )


def _add_signing_out(routes: APIRouter, desk: PeopleDesk, site: Site) -> None:
    @routes.delete("", responses={409: {"model": RefusalView}})
    async def delete_session(
        request: Request,
        response: Response,
        actor: Annotated[Actor, Depends(ANYBODY)],
        everywhere: Annotated[bool, Query(description="Also all other sessions of this user.")] = False,
    ) -> DoneView:
        """Sign out."""
        found, now_ms = _found(request), desk.now_ms()
        if found.user_row is None or (found.session_row is None and not everywhere):
            raise HTTPException(409, "this is no session but a token; revoke it instead")
        user_row = found.user_row

        def work(connection: Connection) -> int:
            if everywhere:
                ended = users.end_sessions(connection, user_row)
            else:
                sessions.close(connection, found.session_row or 0)
                ended = 1
            detail = {"everywhere": everywhere}
            audit.note(connection, actor, now_ms, "session.close", f"user/{actor.name}", detail)
            return ended

        response.delete_cookie(site.cookie, path="/", secure=site.is_secure, httponly=True, samesite="strict")
        return DoneView(sessions_ended=await desk.state.write(work))


def _add_password(routes: APIRouter, desk: PeopleDesk) -> None:
    @routes.put("/password", responses={code: {"model": RefusalView} for code in (404, 409, 429, 503)})
    async def put_own_password(
        asked: OwnPasswordRequest, request: Request, actor: Annotated[Actor, Depends(ANYBODY)]
    ) -> DoneView:
        """Take another password; all other sessions end."""
        found, now_ms = _found(request), desk.now_ms()
        if found.session_row is None:
            raise HTTPException(409, "a password is changed in a session; sign in first")
        try:
            user = await desk.verified(actor.name, asked.former, request.state.address)
        except (WrongPasswordError, TooSoonError, BusyError) as error:
            raise _not_signed_in(error) from error
        with told_plainly():
            fresh = await desk.checked_and_hashed(asked.password, user.name, user.display_name)
            ended = await desk.state.write(
                lambda db: users.set_password(
                    db, actor, now_ms, actor.name, fresh, keep_session=found.session_row
                )
            )
        return DoneView(sessions_ended=ended)


def _found(request: Request) -> Found:
    found: Found | None = getattr(request.state, "found", None)
    if found is None:
        raise HTTPException(409, f"nobody is signed in: {LOCAL.name} acts, as there are no users yet")
    return found


def _not_signed_in(error: Exception) -> HTTPException:
    if isinstance(error, TooSoonError):
        return HTTPException(429, str(error), headers={"Retry-After": str(error.wait_s)})
    if isinstance(error, BusyError):
        return HTTPException(503, str(error), headers={"Retry-After": "2"})
    return HTTPException(401, str(error), headers=CHALLENGE)
