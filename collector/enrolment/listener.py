"""The port of enrolment: TLS and HTTP/1.1 for EST alone, with limits on everything.

A port of its own, for uvicorn does not hand over whom TLS has verified, and a browser at the console is not
to be asked for a certificate. One request a connection: a gateway enrols a few times a year.
"""

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
from collections import Counter
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
GRACE_S = 3.0
"""So long a request that is not whole is left alone where all is taken: three turns of a second each."""
SITE_PREFIX = 64
"""Of IPv6: whoever has one address of these has all."""
ACCEPT_PAUSE_S = 0.5
SHUTDOWN_TIMEOUT_S = 1.0

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
    """Serves one port; connections beyond the limit are closed unheard, before any handshake.

    Where all are taken, the oldest that has not sent its request whole for a while gives way to who comes,
    and at once where its address has more than that of who comes: nobody keeps others out by saying nothing.
    There is no fixed number for an address, as a city's gateways may all stand behind one.
    """

    def __init__(
        self, answer: Answer, *, connections_max: int, timeout_s: float, monotonic_s: Callable[[], float]
    ) -> None:
        """``timeout_s`` is for a whole connection: handshake, request and answer together."""
        self._answer, self._timeout_s = answer, timeout_s
        self._connections_max, self._monotonic_s = connections_max, monotonic_s
        self._connections: dict[asyncio.Task[None], str] = {}
        """With the address of each."""
        self._silent: dict[asyncio.Task[None], float] = {}
        """Whose request is not there whole, the oldest first, and since when."""

    @contextlib.asynccontextmanager
    async def serving(self, port: socket.socket, tls: ssl.SSLContext) -> AsyncIterator[None]:
        """Serve while the context is open; ``port`` is bound."""
        port.setblocking(False)
        port.listen(BACKLOG)
        accepting = asyncio.create_task(self._accept(port, tls))
        try:
            yield
        finally:
            for task in (accepting, *self._connections):
                task.cancel()
            await asyncio.gather(accepting, *self._connections, return_exceptions=True)

    async def _accept(self, port: socket.socket, tls: ssl.SSLContext) -> None:
        """Take who comes, each in a task of ours, until cancelled."""
        while True:
            try:
                came, peer = await asyncio.get_running_loop().sock_accept(port)
            except OSError as error:  # no files are left, or who came is gone
                _log.warning("a connection for enrolment was not accepted: %s", error)
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            address = _site(peer[0])
            if not await self._has_room(address):
                came.close()
                continue
            task = asyncio.create_task(self._served(came, tls))
            self._connections[task] = address
            self._silent[task] = self._monotonic_s()
            task.add_done_callback(self._ended)

    async def _has_room(self, address: str) -> bool:
        """Say whether one more may come, after a silent one has given way where it must."""
        if len(self._connections) < self._connections_max:
            return True
        held = Counter(self._connections.values())
        crowded = max(self._silent, key=lambda each: held[self._connections[each]], default=None)
        if crowded is None:
            return False
        leaves = crowded  # the oldest of those that have most
        if held[address] + 1 >= held[self._connections[crowded]]:
            leaves = next(iter(self._silent))
            if self._monotonic_s() - self._silent[leaves] < GRACE_S:
                return False
        leaves.cancel()
        await asyncio.wait((leaves,))
        return True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connections.pop(task, None)
        self._silent.pop(task, None)

    async def _served(self, came: socket.socket, tls: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(READ_BYTES, loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            async with asyncio.timeout(self._timeout_s):
                transport, _ = await loop.connect_accepted_socket(
                    lambda: protocol,
                    came,
                    ssl=tls,
                    ssl_handshake_timeout=self._timeout_s,
                    ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
                )
                try:
                    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
                    await self._conversation(reader, writer)
                    writer.close()
                    await writer.wait_closed()
                finally:
                    transport.abort()
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            _log.debug("a connection for enrolment ended: %s", error)

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
        if task := asyncio.current_task():
            self._silent.pop(task, None)
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in request.headers}
        asked = Asked(
            request.method.decode("ascii"),
            request.target.decode("ascii", "replace"),
            headers,
            bytes(body),
            _held(writer),
        )
        return await self._answer(asked)


def _site(host: str) -> str:
    """Return what stands for an address: of IPv6 its network."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, SITE_PREFIX), strict=False))


def _held(writer: asyncio.StreamWriter) -> bytes | None:
    """Return the certificate that TLS has verified, as DER."""
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    return tls.getpeercert(binary_form=True) if tls else None
