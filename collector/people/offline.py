"""People, asked as over HTTP, while no centre runs: whoever may write the data folder acts as local."""

from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from collector.api import PREFIX
from collector.people import api
from collector.people.desk import PeopleDesk
from collector.people.roles import LOCAL


class _ActsLocally:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["actor"] = LOCAL
        await self._app(scope, receive, send)


async def asked(
    desk: PeopleDesk, method: str, path: str, *, body: Any = None, query: Any = None
) -> httpx.Response:
    """Answer one request as a running centre would; nothing listens anywhere."""
    app = FastAPI(openapi_url=None)
    app.include_router(api.router(desk), prefix=PREFIX)
    transport = httpx.ASGITransport(_ActsLocally(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://offline") as client:
        return await client.request(method, f"{PREFIX}{path}", json=body, params=query)
