"""A bus behind Modbus TCP: several unit ids behind one port of the loopback interface."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable

from pymodbus.framer.socket import FramerSocket

from simulators.bus import Bus, Exchange
from simulators.errors import SimulatorError
from simulators.modbus import DECODER

HOST = "127.0.0.1"
CONNECTIONS_MAX = 64
BUFFER_BYTES_MAX = 4096
HEADER_BYTES = 7
BODY_BYTES_MAX = 254
STOP_TIMEOUT_S = 5.0
_FRAMER = FramerSocket(DECODER)

Finished = Callable[[Exchange], None]


class TcpLine:
    """One thread with an event loop of its own; a unit that is dead or unknown stays silent."""

    def __init__(
        self,
        bus: Bus,
        port: int = 0,
        *,
        on_served: Finished | None = None,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        """Serve ``bus`` on a port (0: a free one); ``on_served`` is told when an answer is sent."""
        self.port = port
        self._bus = bus
        self._on_served = on_served
        self._on_failure = on_failure
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="modbus tcp", daemon=True)
        self._socket = socket.socket()

    def start(self) -> None:
        """Listen and serve; SimulatorError if the port is taken."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((HOST, self.port))
        except OSError as error:
            self._socket.close()
            raise SimulatorError(
                f"{HOST}:{self.port}: cannot listen: {error.strerror}; choose another port, or 0 for any"
            ) from error
        self.port = self._socket.getsockname()[1]
        self._thread.start()
        self._ready.wait(STOP_TIMEOUT_S)

    def stop(self) -> None:
        """Close all connections and end the thread."""
        if self._loop and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(STOP_TIMEOUT_S)
        self._socket.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            if not self._on_failure:
                raise
            self._on_failure(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accept, sock=self._socket)
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task  # noqa: S101 - a stream callback runs in a task
        try:
            if len(self._connections) < CONNECTIONS_MAX:
                self._connections.add(task)
                await self._talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        except Exception as error:
            if not self._on_failure:
                raise
            self._on_failure(error)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer = b""
        while data := await reader.read(BUFFER_BYTES_MAX):
            buffer += data
            while len(buffer) > HEADER_BYTES:
                if buffer[2:4] != b"\0\0" or not 2 <= int.from_bytes(buffer[4:6], "big") <= BODY_BYTES_MAX:
                    return  # not Modbus TCP, or out of step: a real device closes too
                used, unit_id, transaction, pdu = _FRAMER.decode(buffer)
                if not used:
                    break
                buffer = buffer[used:]
                await self._answer(writer, unit_id, transaction, pdu)

    async def _answer(self, writer: asyncio.StreamWriter, unit_id: int, transaction: int, pdu: bytes) -> None:
        exchange = self._bus.serve(unit_id, pdu, time.monotonic_ns())
        if exchange is None:
            return
        if exchange.pdu:
            await asyncio.sleep(exchange.turnaround_ns / 1e9)
            writer.write(_FRAMER.encode(exchange.pdu, unit_id, transaction))
            await writer.drain()
        if self._on_served:
            self._on_served(exchange)
