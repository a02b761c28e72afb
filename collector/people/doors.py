"""The doors of the interface: who a request comes from, before any route is asked.

Whoever brings nothing is refused everything but what stands in ``PUBLIC``. While there are no users, whoever
comes from this machine acts as its administrator; once there are, nobody does anything without a sign-in.
"""

import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from collector.people.acting import CHALLENGE, SIGN_IN
from collector.people.desk import PeopleDesk
from collector.people.roles import LOCAL

SIGN_IN_PAGE, PAGES, PAGES_FILES = "/console/sign-in", "/console", "/console/static/"
PUBLIC = frozenset({("GET", "/healthz"), ("POST", "/api/v1/session"), ("GET", SIGN_IN_PAGE)})
CALLBACK = re.compile(r"/api/v1/platforms/[a-z0-9_-]{1,64}/callback")
"""City platforms do not sign in: each callback is signed, and the route checks that."""
SIGN_IN_BYTES_MAX = 8192
"""Of a request by somebody whom nobody knows yet."""
READING = ("GET", "HEAD", "OPTIONS")
COOKIE, SECURE_COOKIE = "gengfu_session", "__Host-gengfu_session"
OWN_HEADER = "x-gengfu-request"
"""A page of another site cannot send it without being asked; whoever sends it is no such page."""
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


@dataclass(frozen=True, slots=True)
class Site:
    """Where the interface is served: on this machine only, over TLS, behind a proxy."""

    is_loopback: bool = True
    is_tls: bool = False
    behind_proxy: bool = False

    @property
    def is_secure(self) -> bool:
        """Say whether browsers come over TLS, ours or the proxy's."""
        return self.is_tls or self.behind_proxy

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; the prefix makes browsers keep it to this host and to TLS."""
        return SECURE_COOKIE if self.is_secure else COOKIE


class RefusedError(Exception):
    """The request goes no further."""

    def __init__(self, status: int, detail: str) -> None:
        """Keep both."""
        super().__init__(detail)
        self.status, self.detail = status, detail


class Doors:
    """ASGI: sets ``state.actor`` and ``state.found``, or refuses."""

    def __init__(self, app: ASGIApp, *, desk: PeopleDesk, site: Site) -> None:
        """``app`` is what stands behind the doors."""
        self._app, self._desk, self._site = app, desk, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            await self._look(scope)
        except RefusedError as refusal:
            if refusal.status == 401 and scope["method"] == "GET" and _is_page(scope["path"]):
                await _lead(send, f"{SIGN_IN_PAGE}?next={quote(scope['path'])}")
            else:
                await _answer(send, refusal)
            return
        await self._app(scope, receive, send)

    async def _look(self, scope: Scope) -> None:
        headers, state = Headers(scope=scope), scope.setdefault("state", {})
        state["address"] = address(scope, headers, self._site)
        is_public = _is_public(scope["method"].replace("HEAD", "GET"), scope["path"])
        if (scope["method"], scope["path"]) == ("POST", "/api/v1/session"):
            _check_length(headers.get("content-length", ""))
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme:
            found = await self._desk.found(token=given.strip()) if scheme.lower() == "bearer" else None
            if found is None and not is_public:
                raise RefusedError(401, "the token is unknown, revoked or over; have another made")
        else:
            found = await self._desk.found(cookie=cookie(headers, self._site.cookie))
        if found:
            state["actor"], state["found"] = found.actor, found
        elif not await self._desk.any_there():
            if self._is_local(scope, headers):
                state["actor"] = LOCAL
            elif not is_public:
                raise RefusedError(
                    401,
                    "there are no users yet, and only this machine's own people are served without one; "
                    "add the first administrator: gengfu collector users add",
                )
        if "actor" not in state and not is_public:
            raise RefusedError(401, SIGN_IN)
        by_browser = not scheme  # a cookie, or being on this machine, comes along by itself
        if by_browser and scope["method"] not in READING and not _is_own(headers, state.get("found") is None):
            raise RefusedError(
                403,
                "this came from a page of another site, or from none; send the header "
                f"{OWN_HEADER}: 1, or an Origin of this site",
            )

    def _is_local(self, scope: Scope, headers: Headers) -> bool:
        """Say whether it comes from this machine itself, by no proxy and no other site's name."""
        client = (scope.get("client") or ("",))[0]
        return (
            self._site.is_loopback
            and not self._site.behind_proxy
            and _is_loopback(client)
            and not any(name in headers for name in FORWARDED)
            and _is_this_machine(headers.get("host", ""))
        )


def address(scope: Scope, headers: Headers, site: Site) -> str:
    """Return where the request comes from; behind a proxy, what that proxy itself saw."""
    if site.behind_proxy and (told := headers.getlist("x-forwarded-for")):
        return told[-1].rpartition(",")[2].strip()[:64]
    return str((scope.get("client") or ("",))[0])


def cookie(headers: Headers, name: str) -> str:
    """Return what a cookie holds, or nothing."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _is_own(headers: Headers, may_be_no_page: bool) -> bool:
    """Say whether a change was asked for by a page of ours, or by a program where that may be."""
    if OWN_HEADER in headers:
        return True
    origin = headers.get("origin")
    if origin is None:
        return may_be_no_page and headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    hosts = [headers.get("host", "")]
    return urlsplit(origin).netloc in hosts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_this_machine(host: str) -> bool:
    """Say whether a Host header is this machine's, and no name of the internet that was made to lead here."""
    name = urlsplit(f"//{host}").hostname or ""
    return ("." not in name and ":" not in name) or _is_loopback(name)


def _is_public(method: str, path: str) -> bool:
    """Say whether nobody has to be known: signing in, callbacks that are signed, what pages bring along."""
    return (
        (method, path) in PUBLIC
        or (method == "POST" and CALLBACK.fullmatch(path) is not None)
        or (method == "GET" and path.startswith(PAGES_FILES))
    )


def _check_length(told: str) -> None:
    """RefusedError where a sign-in does not say how long it is, or is longer than any."""
    if not told.isdigit():
        raise RefusedError(411, "say how long the request is (Content-Length)")
    if int(told[:12]) > SIGN_IN_BYTES_MAX:
        raise RefusedError(413, f"a sign-in takes {SIGN_IN_BYTES_MAX} bytes at most")


def _is_page(path: str) -> bool:
    """Say whether a person's browser asks for a page, who can be led to where they sign in."""
    return path == PAGES or path.startswith(f"{PAGES}/")


async def _lead(send: Send, location: str) -> None:
    headers = [(b"location", location.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _answer(send: Send, refusal: RefusedError) -> None:
    body = json.dumps({"detail": refusal.detail}).encode()
    headers: Iterable[tuple[str, str]] = (
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        *(CHALLENGE.items() if refusal.status == 401 else ()),
    )
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
