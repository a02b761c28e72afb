"""The operator's phone in `bench.storm`: an HTTP gateway for short messages that takes all."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

BYTES_MAX = 64 * 1024
PEOPLE = """schema = 1
fallback = ["duty"]
[[people]]
name = "duty"
title = "Duty"
language = "en"
channels = [{ channel = "phone", address = "13800000000" }]
"""
CHANNELS = """schema = 1
[[channels]]
name = "phone"
kind = "sms"
url = "http://127.0.0.1:%d/send"
encode = "json"
parameters = { to = "{address}", id = "{id}", text = "{text}" }
success = "taken"
"""
TELLING = """
[telling]
people_file = "people.toml"
channels_file = "channels.toml"
"""


class Rang(NamedTuple):
    """A message that arrived: when, its id and its text."""

    at_s: float
    id: str
    text: str


class Phone:
    """Takes messages on a port of its own."""

    def __init__(self) -> None:
        """Nothing has arrived."""
        self.rang: list[Rang] = []
        self.port = 0

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator["Phone"]:
        """Be reachable while the context is open."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=BYTES_MAX) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0])
            told = json.loads(await reader.readexactly(length))
            self.rang.append(Rang(time.monotonic(), told["id"], told["text"]))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ntaken")
            await writer.drain()
