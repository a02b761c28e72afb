"""The port of enrolment: TLS and HTTP/1.1 for EST alone, with limits on everything.

A port of its own, for uvicorn does not hand over whom TLS has verified, and a browser at the console is not
to be asked for a certificate. One request a connection: a gateway enrols a few times a year.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

import h11

from collector.enrolment.answering import Asked, Told, plain
from collector.enrolment.requests import REQUEST_BYTES_MAX
from collector.tls_files import TlsFiles

_log = logging.getLogger(__name__)

NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME: chain and key are verified here, and what is over is the desk's to judge."""
HEADER_BYTES_MAX = 16 * 1024
READ_BYTES = 16 * 1024
BACKLOG = 128

Answer = Callable[[Asked], Awaitable[Told]]


def context(files: TlsFiles, trusted_pem: bytes) -> ssl.SSLContext:
    """Return how the port speaks TLS: a client may bring a certificate of the authority, over or not."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(files.cert, files.key)
    made.load_verify_locations(cadata=trusted_pem.decode("ascii"))
    made.verify_mode = ssl.CERT_OPTIONAL
    made.verify_flags |= NO_CHECK_TIME
    made.options |= ssl.OP_NO_TICKET
    made.num_tickets = 0  # who renews is verified each time
    return made


class Listener:
    """Serves one port; connections beyond the limit are closed unheard."""

    def __init__(self, answer: Answer, *, connections_max: int, timeout_s: float) -> None:
        """``timeout_s`` is for a whole connection: handshake, request and answer each."""
        self._answer, self._timeout_s = answer, timeout_s
        self._connections_max = connections_max
        self._connections: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self, port: socket.socket, tls: ssl.SSLContext) -> AsyncIterator[None]:
        """Serve while the context is open; ``port`` is bound."""
        server = await asyncio.start_server(
            self._came,
            sock=port,
            ssl=tls,
            limit=READ_BYTES,
            backlog=BACKLOG,
            ssl_handshake_timeout=self._timeout_s,
            ssl_shutdown_timeout=1.0,
        )
        try:
            yield
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task of ours, which ends with the port."""
        if len(self._connections) >= self._connections_max:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._served(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._conversation(reader, writer)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            _log.debug("a connection for enrolment ended: %s", error)
        finally:
            writer.transport.abort()

    async def _conversation(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES_MAX)
        try:
            told = await self._told(http, reader, writer)
        except h11.RemoteProtocolError as error:
            told = plain(error.error_status_hint or 400, f"no request of HTTP: {error}"[:200])
        if http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [*told.headers, ("connection", "close"), ("content-length", str(len(told.body)))]
        if told.status == HTTPStatus.NO_CONTENT:
            headers.pop()
        response = h11.Response(
            status_code=told.status,
            headers=headers,
            reason=HTTPStatus(told.status).phrase,
        )
        writer.write(http.send(response) or b"")
        writer.write(http.send(h11.Data(data=told.body)) or b"")
        writer.write(http.send(h11.EndOfMessage()) or b"")
        await writer.drain()

    async def _told(
        self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Told:
        """Take one request whole, and return its answer."""
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                if http.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
                    writer.write(http.send(go_on) or b"")
                http.receive_data(await reader.read(READ_BYTES))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > REQUEST_BYTES_MAX:
                    return plain(413, f"a request takes {REQUEST_BYTES_MAX} bytes at most")
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                break
            else:
                raise h11.RemoteProtocolError("the connection ended before a request", error_status_hint=400)
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in request.headers}
        asked = Asked(
            request.method.decode("ascii"),
            request.target.decode("ascii", "replace"),
            headers,
            bytes(body),
            _held(writer),
        )
        return await self._answer(asked)


def _held(writer: asyncio.StreamWriter) -> bytes | None:
    """Return the certificate that TLS has verified, as DER."""
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    return tls.getpeercert(binary_form=True) if tls else None
