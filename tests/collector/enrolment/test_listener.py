"""The port of enrolment under people who mean no good: limits hold, and TLS verifies all but the time."""

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from collector.enrolment import listener
from collector.enrolment.answering import Answering
from collector.enrolment.authority_files import key_pem
from collector.enrolment.requests import REQUEST_BYTES_MAX
from collector.tls_files import TlsFiles
from tests.collector.enrolment.making import (
    DAY_MS,
    Bench,
    authority,
    bench,
    new_key,
    on_a_loop,
    request,
    serial,
)
from tests.collector.making import NOW_MS


@dataclass
class Port:
    """A served port, and whom it knows."""

    desk: Bench
    folder: Path
    number: int
    clock: "Clock"
    held: list[asyncio.StreamWriter] = field(default_factory=list)
    """Connections of tests that say nothing, kept open until the end."""
    learnt: list[str] = field(default_factory=list)
    """Gateways of which a revoked certificate was shown that no list had."""

    def context(self, pem: bytes = b"") -> ssl.SSLContext:
        """Return how to come, with a certificate and key perhaps."""
        made = ssl.create_default_context(cadata=self.desk.desk.authority.pem.decode())
        if pem:
            path = self.folder / "client.pem"
            path.write_bytes(pem)
            made.load_cert_chain(path)
        return made

    async def asked(self, raw: bytes, pem: bytes = b"") -> bytes:
        """Send bytes, and return all that comes back."""
        reader, writer = await asyncio.open_connection("localhost", self.number, ssl=self.context(pem))
        try:
            writer.write(raw)
            await writer.drain()
            return await reader.read()
        finally:
            writer.transport.abort()


@dataclass
class Clock:
    """The monotonic time that the port sees."""

    s: float = 0.0


@contextlib.asynccontextmanager
async def served(folder: Path, *, connections_max: int = 8, timeout_s: float = 5) -> AsyncIterator[Port]:
    """Serve a desk whose time is this machine's, for TLS verifies the server's certificate by that."""
    with bench(folder) as desk:
        files = TlsFiles(folder / "server.pem", folder / "server.key")
        key = new_key()
        leaf = desk.desk.authority.server(
            ("localhost",), key.public_key(), serial=serial(), now_ms=NOW_MS - DAY_MS, valid_days=9000
        )
        files.cert.write_bytes(leaf.public_bytes(Encoding.PEM))
        files.key.write_bytes(key_pem(key))
        learnt: list[str] = []
        answering = Answering(
            desk.desk, desk.state, {"district": "north"}, now_ms=lambda: desk.now_ms, learnt=learnt.append
        )
        clock = Clock()
        made = listener.Listener(
            answering.answer,
            connections_max=connections_max,
            timeout_s=timeout_s,
            monotonic_s=lambda: clock.s,
        )
        with socket.socket() as port:
            port.bind(("127.0.0.1", 0))
            async with made.serving(port, listener.context(files, desk.desk.authority.pem)):
                told = Port(desk, folder, port.getsockname()[1], clock, learnt=learnt)
                try:
                    yield told
                finally:
                    for each in told.held:
                        each.transport.abort()


def post(what: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """Return a request of EST."""
    lines = (
        f"POST /.well-known/est/{what} HTTP/1.1",
        "Host: localhost",
        f"Content-Length: {len(body) if length is None else length}",
        "Content-Type: application/pkcs10",
        *headers,
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def client(desk: Bench, **more: object) -> bytes:
    """Return a gateway's certificate and key."""
    key = new_key()
    told = desk.issued("gw-1", key, **more)
    return told.public_bytes(Encoding.PEM) + key_pem(key)


@pytest.fixture(autouse=True)
def _as_it_were_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verify servers without time: the desk's time is given, not this machine's."""
    real = ssl.create_default_context

    def timeless(**given: str) -> ssl.SSLContext:
        made = real(**given)  # type: ignore[arg-type]
        made.verify_flags |= listener.NO_CHECK_TIME
        return made

    monkeypatch.setattr(ssl, "create_default_context", timeless)


@on_a_loop
async def test_a_certificate_that_is_over_passes_tls_and_the_desk_decides(tmp_path: Path) -> None:
    """Only here: it is how a dark cabinet comes back. What is too early passes as well, and is refused."""
    async with served(tmp_path) as port:
        over = client(port.desk, now_ms=NOW_MS - 100 * DAY_MS)
        answer = await port.asked(post("simplereenroll", request(new_key())), over)
        assert answer.startswith(b"HTTP/1.1 200 ")
        early = client(port.desk, now_ms=NOW_MS + DAY_MS)
        answer = await port.asked(post("simplereenroll", request(new_key())), early)
        assert answer.startswith(b"HTTP/1.1 403 ")


@on_a_loop
async def test_another_authoritys_certificate_does_not_pass_tls(tmp_path: Path) -> None:
    """Whatever it says."""
    async with served(tmp_path) as port:
        key = new_key()
        stranger = authority().gateway(
            "north", "gw-1", key.public_key(), serial=serial(), now_ms=NOW_MS, valid_days=9
        )
        pem = stranger.public_bytes(Encoding.PEM) + key_pem(key)
        told = b""
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            told = await port.asked(post("simplereenroll", request(key)), pem)
        assert told == b""


@on_a_loop
async def test_who_shows_what_was_revoked_by_name_is_told_of_once(tmp_path: Path) -> None:
    """So that the list is written and the session cut; the answer is that it is revoked."""
    async with served(tmp_path) as port:
        held = client(port.desk, now_ms=NOW_MS - DAY_MS)
        port.desk.revoke()
        for _ in range(2):
            answer = await port.asked(post("simplereenroll", request(new_key())), held)
            assert answer.startswith(b"HTTP/1.1 403 ")
        assert port.learnt == ["gw-1"]


NO_REQUESTS = [
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    (b"GET /.well-known/est/simpleenroll HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"GET /.well-known/est/csrattrs HTTP/1.1\r\nHost: x\r\n\r\n", 204),
    (b"GET /.well-known/est/cacerts HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    (b"GET /.well-known/gengfu HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    (b"noise\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 40_000 + b"\r\n\r\n", 431),
    (post("simpleenroll", b""), 401),
    (post("simplereenroll", b""), 401),
    (post("simpleenroll", b"", "Authorization: Basic !!!"), 401),
    (post("simpleenroll", b"", "Authorization: Bearer eA=="), 401),
    (post("simpleenroll", b"x" * (REQUEST_BYTES_MAX + 1)), 413),
    (post("simpleenroll", b"").replace(b"pkcs10", b"json"), 415),
]


@on_a_loop
async def test_what_is_no_request_is_told_so(tmp_path: Path) -> None:
    """With the status that HTTP has for it, and one answer a connection."""
    async with served(tmp_path) as port:
        for raw, status in NO_REQUESTS:
            answer = await port.asked(raw)
            assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
            assert answer.count(b"HTTP/1.1") == 1


@on_a_loop
async def test_who_waits_for_100_continue_gets_it(tmp_path: Path) -> None:
    """As curl does with larger bodies."""
    async with served(tmp_path) as port:
        given = base64.b64encode(b"gw-1:" + port.desk.code().encode()).decode()
        head = post("simpleenroll", b"", f"Authorization: Basic {given}", "Expect: 100-continue", length=900)
        reader, writer = await asyncio.open_connection("localhost", port.number, ssl=port.context())
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(request(new_key()).ljust(900))
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.transport.abort()


@on_a_loop
async def test_who_says_nothing_is_let_go_and_others_are_served_again(tmp_path: Path) -> None:
    """The connections are few; each has its time."""
    async with served(tmp_path, connections_max=2, timeout_s=0.5) as port:
        idle = [await asyncio.open_connection("localhost", port.number, ssl=port.context()) for _ in range(2)]
        told = b""
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            told = await port.asked(b"GET /.well-known/gengfu HTTP/1.1\r\nHost: x\r\n\r\n")
        assert told == b""
        for reader, writer in idle:
            assert await reader.read() == b""
            writer.transport.abort()
        assert (await port.asked(b"GET /.well-known/gengfu HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(
            b"HTTP/1.1 200 "
        )


SILENT = 6
GRACE_S = 3.0
FACTS = b"GET /.well-known/gengfu HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE_S = 20
"""For what must not happen at once, but happen."""


async def silent(
    port: Port, count: int, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
) -> list[asyncio.StreamReader]:
    """Connect so often, and say nothing: no handshake begins, or, by ``tls``, no request."""
    name = "localhost" if tls else None
    made = [
        await asyncio.open_connection(
            "127.0.0.1", port.number, ssl=tls, server_hostname=name, local_addr=(address, 0)
        )
        for _ in range(count)
    ]
    port.held += [writer for _, writer in made]
    return [reader for reader, _ in made]


async def closed(readers: list[asyncio.StreamReader], count: int) -> set[asyncio.StreamReader]:
    """Return which are closed, once so many are; TimeoutError."""
    reading = {asyncio.create_task(ended(reader)): reader for reader in readers}
    done: set[asyncio.Task[None]] = set()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while len(done) < count:
                done, _ = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(0)
        return {reading[task] for task in done}
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def ended(reader: asyncio.StreamReader) -> None:
    """Return once the other side has closed."""
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""


@on_a_loop
async def test_connections_are_counted_before_the_handshake(tmp_path: Path) -> None:
    """Who connects and says nothing takes one of the few; the others are closed at once."""
    async with served(tmp_path, connections_max=2, timeout_s=60) as port:
        readers = await silent(port, SILENT)
        assert len(await closed(readers, SILENT - 2)) == SILENT - 2


@on_a_loop
async def test_below_the_limit_the_silent_are_in_nobodys_way(tmp_path: Path) -> None:
    """An honest client is served beside them."""
    async with served(tmp_path, connections_max=SILENT + 1, timeout_s=60) as port:
        await silent(port, SILENT)
        assert (await port.asked(FACTS)).startswith(b"HTTP/1.1 200 ")


@on_a_loop
async def test_a_handshake_has_its_time(tmp_path: Path) -> None:
    """Then its place is another's."""
    async with served(tmp_path, connections_max=2, timeout_s=0.5) as port:
        await closed(await silent(port, 2), 2)
        assert (await port.asked(FACTS)).startswith(b"HTTP/1.1 200 ")


@on_a_loop
async def test_where_all_is_taken_the_oldest_without_a_handshake_gives_way(tmp_path: Path) -> None:
    """After a while: so nobody keeps honest clients out by saying nothing."""
    async with served(tmp_path, connections_max=2, timeout_s=60) as port:
        readers = await silent(port, 2)
        port.clock.s += GRACE_S
        assert (await port.asked(FACTS)).startswith(b"HTTP/1.1 200 ")
        assert await closed(readers, 1) == {readers[0]}


@on_a_loop
async def test_who_finishes_the_handshake_and_says_nothing_gives_way_as_well(tmp_path: Path) -> None:
    """Also who begins a request, and does not end it."""
    async with served(tmp_path, connections_max=2, timeout_s=60) as port:
        readers = await silent(port, 2, port.context())
        for writer in port.held:
            writer.write(FACTS[:9])
        port.clock.s += GRACE_S
        assert (await port.asked(FACTS)).startswith(b"HTTP/1.1 200 ")
        assert await closed(readers, 1) == {readers[0]}


@on_a_loop
async def test_who_has_all_the_connections_gives_way_at_once_to_another_address(tmp_path: Path) -> None:
    """However often they come again; an address that has as many as the others waits its turn."""
    async with served(tmp_path, connections_max=4, timeout_s=60) as port:
        crowd = await silent(port, 3, port.context(), "127.0.0.2")
        fair = await silent(port, 2, port.context())
        assert await closed(crowd, 1) == {crowd[0]}
        for address in ("127.0.0.1", "127.0.0.2"):
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                await silent(port, 1, port.context(), address)
                pytest.fail("somebody was let in beside as many as there may be")
        assert not any(reader.at_eof() for reader in (*crowd[1:], *fair))


@on_a_loop
async def test_an_address_with_all_the_connections_keeps_no_other_from_enrolling(tmp_path: Path) -> None:
    """Each comes at once, though nothing has been silent for a while."""
    async with served(tmp_path, connections_max=4, timeout_s=60) as port:
        crowd = await silent(port, 4, port.context(), "127.0.0.2")
        assert (await port.asked(FACTS)).startswith(b"HTTP/1.1 200 ")
        assert await closed(crowd, 1) == {crowd[0]}


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_stands_for_whoever_may_use_it(host: str, site: str) -> None:
    """Of IPv6 the whole network: one machine has all of its addresses."""
    assert listener._site(host) == site
