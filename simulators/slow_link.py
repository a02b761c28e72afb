"""A slow, long, unreliable link as a TCP proxy: a rate and a delay each way, a short queue, resets.

What does not fit into the queue is not read, so that the sender's own buffers fill, as before a modem.
"""

import asyncio
import random
import socket
import struct
from collections import deque
from collections.abc import Coroutine
from typing import Any

CHUNK_BYTES = 1400
_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER with no patience: closing is a reset."""


class _Way:
    """One direction: whatever connections share it, bytes leave one after the other."""

    def __init__(self, bits_per_s: float, delay_s: float, queue_bytes_max: int) -> None:
        self.bytes_per_s, self.delay_s = bits_per_s / 8, delay_s
        self.queue_s_max = queue_bytes_max / self.bytes_per_s
        self.free_s = 0.0
        self.carried = 0

    async def taken(self, size: int) -> float:
        """Wait for room in the queue, take so many bytes, and return when they arrive."""
        loop = asyncio.get_running_loop()
        while (queue_s := self.free_s - loop.time()) > self.queue_s_max:
            await asyncio.sleep(queue_s - self.queue_s_max)
        self.free_s = max(self.free_s, loop.time()) + size / self.bytes_per_s
        self.carried += size
        return self.free_s + self.delay_s


class SlowLink:
    """The proxy; ``async with`` serves. ``up`` leads to the server, ``down`` back."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        bits_per_s: float,
        delay_s: float,
        queue_bytes_max: int = 64 * 1024,
        reset_after_s: tuple[float, float] | None = None,
        seed: int = 1,
    ) -> None:
        """``delay_s`` is one way; every connection is reset at times between two in ``reset_after_s``."""
        self._target = (host, port)
        self.up = _Way(bits_per_s, delay_s, queue_bytes_max)
        self.down = _Way(bits_per_s, delay_s, queue_bytes_max)
        self._reset_after_s, self._random = reset_after_s, random.Random(seed)  # noqa: S311 - the same for a seed
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.resets = 0
        self.port = 0

    async def __aenter__(self) -> "SlowLink":
        """Listen on a free port of loopback."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)  # what waits here was not sent
        listening.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._accept, sock=listening, limit=4 * CHUNK_BYTES)
        self.port = listening.getsockname()[1]
        if self._reset_after_s:
            self._begin(self._reset_at_times(*self._reset_after_s))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Reset what is open and listen no more."""
        self._server.close()
        self.reset()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def reset(self) -> None:
        """Reset every connection, both ends."""
        for writer in list(self._writers):
            _abort(writer)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reset_at_times(self, soonest_s: float, latest_s: float) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(soonest_s, latest_s))
            self.resets += bool(self._writers)
            self.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(self.up.delay_s + self.down.delay_s)  # the handshake goes there and back
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=4 * CHUNK_BYTES)
        except OSError:
            _abort(writer)
            return
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_carry(reader, far_writer, self.up))
                tasks.create_task(_carry(far_reader, writer, self.down))
        except* OSError:
            pass
        finally:
            self._writers -= ends
            for end in ends:
                _abort(end)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: _Way) -> None:
    """Carry bytes until their end; ConnectionError then, so that the other direction ends as well."""
    loop = asyncio.get_running_loop()
    on_way: deque[asyncio.TimerHandle] = deque()
    try:
        while data := await reader.read(CHUNK_BYTES):
            arrives_s = await way.taken(len(data))
            while on_way and on_way[0].when() <= loop.time():
                on_way.popleft()
            on_way.append(loop.call_at(arrives_s, _arrive, writer, data))
        await asyncio.sleep(max(0.0, way.free_s + way.delay_s - loop.time()) + 0.01)  # the rest arrives
        raise ConnectionError("one end has closed")
    finally:
        for timer in on_way:
            timer.cancel()


def _arrive(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():  # what is under way at a reset is gone
        writer.write(data)


def _abort(writer: asyncio.StreamWriter) -> None:
    if (end := writer.get_extra_info("socket")) is not None and end.fileno() >= 0:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    writer.transport.abort()
