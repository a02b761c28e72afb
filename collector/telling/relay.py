"""The relay: in the zone with internet it takes signed messages of the centre and passes them to channels.

It sends a message once, however often it is given while it remembers it; it keeps nothing on disk, for the
centre asks again until it is answered.
"""

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from collector.telling import relay_signing
from collector.telling.outgoing import Accepted, Answer, Channel, Outgoing
from toml_files import Strict

BODY_BYTES_MAX = 64 * 1024
REMEMBERED_MAX = 10_000


class RelaySettings(Strict):
    """The relay's own file; paths are relative to it."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    host: str = Field(default="127.0.0.1", max_length=253)
    port: int = Field(default=8790, ge=0, le=65_535)
    key_file: str = Field(min_length=1, max_length=255)
    channels_file: str = Field(min_length=1, max_length=255)
    waiting_max: int = Field(default=100, ge=1, le=10_000)
    concurrency_max: int = Field(default=4, ge=1, le=64)


class RelayMessage(BaseModel):
    """What the centre asks to be sent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(pattern="^[0-9a-f]{32}$")
    channel: str = Field(min_length=1, max_length=48)
    address: str = Field(max_length=200)
    subject: str = Field(min_length=1, max_length=300)
    body: str = Field(max_length=10_000)
    link: str = Field(default="", max_length=600)
    incident_id: str = Field(default="", max_length=32)
    highest: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What the relay answers: sent, failed (it never will be) or waiting (ask again)."""

    status: int
    state: str
    reason: str = ""


class Relay:
    """Checks, sends, remembers; so many wait at once, the rest is told to come again."""

    def __init__(
        self,
        key: bytes,
        channels: Mapping[str, Channel],
        *,
        waiting_max: int,
        concurrency_max: int,
        now_ms: Callable[[], int],
    ) -> None:
        """``key`` is shared with the centre."""
        self._key, self._channels, self._now_ms = key, channels, now_ms
        self._nonces = relay_signing.Nonces()
        self._sent: OrderedDict[str, None] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Answer]] = {}
        self._waiting_max, self._slots = waiting_max, asyncio.Semaphore(concurrency_max)

    async def take(self, told: Mapping[str, str], body: bytes) -> tuple[Said, str]:
        """Return what to say to a request, and its nonce; an empty one where it is not the centre's."""
        now_s = self._now_ms() // 1000
        try:
            nonce = relay_signing.check(self._key, "request", told, body, now_s)
            self._nonces.take(nonce, now_s)
        except relay_signing.SignatureError as error:
            return Said(401, "refused", str(error)), ""
        try:
            message = RelayMessage.model_validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            return Said(422, "failed", f"{'.'.join(map(str, first['loc']))}: {first['msg']}"), nonce
        return await self._given(message), nonce

    async def _given(self, message: RelayMessage) -> Said:
        if message.id in self._sent:
            return Said(200, "sent", "before")
        channel = self._channels.get(message.channel)
        if channel is None:
            return Said(404, "failed", f"no channel {message.channel}; the relay's channels file names them")
        task = self._under_way.get(message.id)
        if task is None:
            if len(self._under_way) >= self._waiting_max:
                return Said(503, "waiting", "the relay has too much to send; try again")
            task = asyncio.create_task(self._send(channel, message))
            self._under_way[message.id] = task
            task.add_done_callback(lambda _: self._under_way.pop(message.id, None))
        answer = await asyncio.shield(task)  # it is sent, and remembered, though the centre hangs up
        if isinstance(answer, Accepted):
            return Said(200, "sent")
        return Said(502, "failed" if answer.lasting else "waiting", answer.reason)

    async def _send(self, channel: Channel, message: RelayMessage) -> Answer:
        async with self._slots:
            answer = await channel.send(
                Outgoing(
                    message.id,
                    message.address,
                    message.subject,
                    message.body,
                    message.link,
                    message.incident_id,
                    message.highest,
                )
            )
        if isinstance(answer, Accepted):
            self._sent[message.id] = None
            while len(self._sent) > REMEMBERED_MAX:
                self._sent.popitem(last=False)
        return answer

    def answer(self, said: Said, nonce: str) -> Response:
        """Return the answer, signed where the request was the centre's."""
        body = json.dumps({"state": said.state, "reason": said.reason}, ensure_ascii=False).encode()
        headers = {}
        if nonce:
            headers = relay_signing.headers(self._key, "answer", self._now_ms() // 1000, nonce, body)
        return Response(body, said.status, headers, "application/json")


def relay_application(relay: Relay) -> FastAPI:
    """Return the relay's interface: one way in, and a sign of life."""
    app = FastAPI(title="Gengfu relay", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/relay/v1/messages")
    async def post_message(request: Request) -> Response:
        """Send a message; the answer says what came of it."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                return relay.answer(Said(413, "refused", f"longer than {BODY_BYTES_MAX} bytes"), "")
        said, nonce = await relay.take(dict(request.headers), bytes(body))
        return relay.answer(said, nonce)

    @app.get("/healthz")
    async def get_health() -> dict[str, str]:
        """Say that it runs."""
        return {"status": "ok"}

    return app


def new_key() -> str:
    """Return a key for centre and relay."""
    return secrets.token_hex(32)
