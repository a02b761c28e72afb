"""How long a request may be, asked before any of it is read: most say little, some routes take files."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.settings import Settings

IMPORT = re.compile(r"/api/v1/(parts|grids)/import")
PUSH = re.compile(r"/api/v1/(desired/[a-z_]{1,32}|rollouts)")
TOO_LONG = 413


@dataclass(frozen=True, slots=True)
class Bound:
    """How much is taken, by which setting, and what to do about more."""

    bytes_max: int
    key: str
    remedy: str

    @property
    def refusal(self) -> str:
        """Return what whoever sends more is told."""
        return f"a request takes {self.bytes_max} bytes at most here ({self.key}); {self.remedy}"


class BodyBounds:
    """ASGI: answers 413 in words where a request is longer than its route takes, however it is sent."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        """``app`` is everything that reads requests."""
        self._app = app
        self._most = Bound(settings.http.body_bytes_max, "body_bytes_max", "send less at once")
        self._own: Mapping[re.Pattern[str], Bound] = {
            IMPORT: Bound(settings.parts.import_bytes_max, "import_bytes_max", "split the file by district"),
            PUSH: Bound(settings.desired.push_bytes_max, "push_bytes_max", "push to fewer gateways at once"),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count what of it arrives."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bound = self._bound(scope["path"])
        told = Headers(scope=scope).get("content-length", "")
        if told.isdigit() and int(told[:19]) > bound.bytes_max:
            body = json.dumps({"detail": bound.refusal}).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": TOO_LONG, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > bound.bytes_max:
                raise HTTPException(TOO_LONG, bound.refusal)
            return message

        await self._app(scope, bounded, send)

    def _bound(self, path: str) -> Bound:
        return next((most for form, most in self._own.items() if form.fullmatch(path)), self._most)
