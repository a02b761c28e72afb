"""What the interface says while the database does not answer: a server that is gone, a disk that is full."""

import json
import logging

from sqlalchemy.exc import OperationalError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger(__name__)

DETAIL = "the database does not answer now; what was asked for may have been done or not; ask again later"
RETRY_AFTER_S = 5


class DatabaseGone:
    """ASGI: answers 503 in words where the database failed a request, whoever asked it."""

    def __init__(self, app: ASGIApp) -> None:
        """``app`` is all that asks the database, the doors included."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a failure after the answer has begun can only break it off."""
        has_begun = False

        async def sent(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except OperationalError as error:
            if has_begun or scope["type"] != "http":
                raise
            _log.warning("a request failed for the database: %s", error.orig)
            headers = [(b"content-type", b"application/json"), (b"retry-after", str(RETRY_AFTER_S).encode())]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps({"detail": DETAIL}).encode()})
