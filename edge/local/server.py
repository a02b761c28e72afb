"""The local socket of a running gateway: in its state folder, for its owner alone, bounded in every way.

A socket that a killed gateway has left is replaced; one that answers is another gateway's. Paths of sockets
are short: it is reached by way of its folder's descriptor, however long the folder's name is.
"""

import asyncio
import contextlib
import logging
import os
import pwd
import socket
import struct
from pathlib import Path

import msgspec
from msgspec import structs

from edge.buffer.errors import BufferUnusableError
from edge.local.answering import Answering
from edge.local.words import (
    ANSWER_BYTES_MAX,
    REQUEST_BYTES_MAX,
    SOCKET_NAME,
    Answer,
    Request,
    Streamed,
)
from edge.telling import Told

_log = logging.getLogger(__name__)

MODE = 0o600
CONNECTIONS_MAX = 8
WAITING_MAX = 4
REQUESTS_MAX = 1_000
"""So many of one connection."""
IDLE_S = 60.0
"""So long a connection may say nothing, or take no answer."""
CLOSE_S = 1.0
"""So long a connection that is closed may take what it was told last."""
RETRY_S = 60.0
_CREDENTIALS = struct.Struct("3i")  # process, user, group: SO_PEERCRED

_decoder = msgspec.json.Decoder(Request)


class LocalServer:
    """Listens from ``open`` on; ``run`` answers until it is cancelled, ``close`` removes the socket."""

    def __init__(self, folder: Path, answering: Answering) -> None:
        """``folder`` is the gateway's state folder."""
        self._folder, self._answering = folder, answering
        self._told = Told(f"the local socket {folder / SOCKET_NAME}")
        self._listener: socket.socket | None = None
        self._connections = 0

    def open(self) -> None:
        """Listen; BufferUnusableError where another gateway does. A disk that refuses is tried again."""
        try:
            self._listener = self._listening()
        except OSError as error:
            self._told.failed((error.strerror or str(error)).lower())
        else:
            self._told.works()

    async def run(self) -> None:
        """Answer until cancelled."""
        while self._listener is None:
            await asyncio.sleep(RETRY_S)
            self.open()
        server = await asyncio.start_unix_server(
            self._connected, sock=self._listener, limit=REQUEST_BYTES_MAX
        )
        async with server:
            await server.serve_forever()

    def close(self) -> None:
        """Remove the socket."""
        if self._listener is not None:
            self._listener.close()
            with contextlib.suppress(OSError):
                (self._folder / SOCKET_NAME).unlink()
            self._listener = None

    def _listening(self) -> socket.socket:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        path = f"/proc/self/fd/{folder}/{SOCKET_NAME}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if _is_live(path):
                raise BufferUnusableError(
                    f"{self._folder} is in use by another gateway, which answers at {SOCKET_NAME}; stop that "
                    "one, or give this one its own state_folder"
                )
            with contextlib.suppress(FileNotFoundError):
                (self._folder / SOCKET_NAME).unlink()
            listener.setblocking(False)
            listener.bind(path)
            (self._folder / SOCKET_NAME).chmod(MODE)  # before anybody can connect
            listener.listen(WAITING_MAX)
        except BaseException:
            listener.close()
            raise
        finally:
            os.close(folder)
        return listener

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= CONNECTIONS_MAX:
            writer.write(self._told_as(self._answering.refused("too many ask at once; try again")))
            writer.transport.abort()  # a new connection takes so little at once
            return
        self._connections += 1
        try:
            for _ in range(REQUESTS_MAX):
                async with asyncio.timeout(IDLE_S):
                    if not (line := await reader.readline()):
                        return
                request = self._request(line, _login(writer))
                if isinstance(request, Answer):
                    await self._say(writer, request)
                elif isinstance(request, Streamed):
                    await self._stream(writer, request)
                    return
                else:
                    await self._say(writer, self._answering.answer(request))
        except ValueError:  # the line has no end within the limit
            told = f"a request takes {REQUEST_BYTES_MAX} bytes at most"
            writer.write(self._told_as(self._answering.refused(told)))
        except (OSError, TimeoutError):
            writer.transport.abort()  # whoever asked has gone, says nothing, or takes no answer
        finally:
            try:
                await _closed(writer)
            finally:
                self._connections -= 1

    def _request(self, line: bytes, login: str) -> Request | Answer:
        """Return what is asked, or the answer to what is no request."""
        try:
            request: Request = _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return self._answering.refused(f"that is no request of this version: {error}")
        if said := getattr(request, "who", ""):
            who = said if said == login else f"{said} (as {login})"
            request = structs.replace(request, who=who)
        return request

    async def _stream(self, writer: asyncio.StreamWriter, request: Streamed) -> None:
        """Say how far it is, until it is done or whoever asked has gone."""
        async with contextlib.aclosing(self._answering.stream(request)) as stream:
            async for news in stream:
                async with asyncio.timeout(IDLE_S):
                    writer.write(msgspec.json.encode(news) + b"\n")
                    await writer.drain()
                if writer.is_closing():
                    return

    async def _say(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        """Tell it; TimeoutError where nobody takes it."""
        async with asyncio.timeout(IDLE_S):
            writer.write(self._told_as(answer))
            await writer.drain()

    def _told_as(self, answer: Answer) -> bytes:
        told = msgspec.json.encode(answer)
        if len(told) > ANSWER_BYTES_MAX:
            told = msgspec.json.encode(self._answering.refused("the answer is too long; ask for less"))
        return told + b"\n"


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and do not wait for long for whoever takes nothing."""
    try:
        writer.close()
        async with asyncio.timeout(CLOSE_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        pass  # there is nobody any more
    finally:
        writer.transport.abort()


def _is_live(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            return True  # as many wait there as may
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def _login(writer: asyncio.StreamWriter) -> str:
    """Return who is at the other end, as the system knows it."""
    peer = writer.get_extra_info("socket")
    _, user, _ = _CREDENTIALS.unpack(
        peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    try:
        return pwd.getpwuid(user).pw_name[:40]
    except KeyError:
        return f"user {user}"
