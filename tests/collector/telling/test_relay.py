"""Centre and relay over real HTTP: signed both ways, once for each message, bounded."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from collector.telling import relay_signing
from collector.telling.channels_file import RelayChannel
from collector.telling.outgoing import Accepted, Answer, Channel, Outgoing, Refused
from collector.telling.relay import Relay, relay_application
from collector.telling.relay_client import RelaySender
from collector.telling.relay_signing import SignatureError
from tests.collector.telling.centre import Pretended
from tests.collector.telling.telling_world import NOON_MS

KEY = b"k" * 64
MESSAGE = Outgoing(
    "a" * 32, "wang@example.org", "【高】爆管", "正文", "https://centre.example.org/incidents/1"
)


@asynccontextmanager
async def serving(relay: Relay) -> AsyncIterator[str]:
    """Serve a relay on a port of its own."""
    config = uvicorn.Config(
        relay_application(relay), host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


def relay(*channels: Channel, **changes: Any) -> Relay:
    """Return a relay of these channels."""
    told: dict[str, Any] = {"waiting_max": 4, "concurrency_max": 2, "now_ms": lambda: NOON_MS} | changes
    return Relay(KEY, {channel.name: channel for channel in channels}, **told)


async def given(url: str, *outgoing: Outgoing, key: bytes = KEY, now_ms: int = NOON_MS) -> list[Answer]:
    """Send over a relay."""
    described = RelayChannel(kind="relay", name="out", url=url, key_file="k", channel="mail")
    async with httpx.AsyncClient(trust_env=False) as client:
        sender = RelaySender(described, key, client, now_ms=lambda: now_ms)
        return [await sender.send(each) for each in outgoing]


def test_a_relay_passes_a_message_on_once_however_often_it_is_given() -> None:
    """An answer that was lost costs no double."""
    mail = Pretended("mail", lambda _: Accepted())

    async def story() -> list[Answer]:
        async with serving(relay(mail)) as url:
            return await given(url, MESSAGE, MESSAGE)

    assert asyncio.run(story()) == [Accepted(), Accepted()]
    assert [(each.subject, each.address) for each in mail.given] == [(MESSAGE.subject, MESSAGE.address)]


def test_what_the_service_does_not_take_is_told_to_the_centre() -> None:
    """A lasting refusal as one; whatever else as something to try again."""
    mail = Pretended("mail", lambda each: Refused("no such user", lasting=each.id == "a" * 32))
    other = Outgoing("b" * 32, "li", "s", "b")

    async def story() -> list[Answer]:
        async with serving(relay(mail)) as url:
            return await given(url, MESSAGE, other)

    first, second = asyncio.run(story())
    assert first == Refused("the relay: no such user", lasting=True)
    assert second == Refused("the relay: no such user")


@pytest.mark.parametrize(
    ("key", "now_ms", "why"),
    [(b"x" * 64, NOON_MS, "another key"), (KEY, NOON_MS - 301_000, "look at both clocks")],
)
def test_a_request_of_another_key_or_time_is_refused(key: bytes, now_ms: int, why: str) -> None:
    """Nothing is sent, and the centre is told what it may: it cannot believe the answer."""
    mail = Pretended("mail", lambda _: Accepted())

    async def story() -> Answer:
        async with serving(relay(mail)) as url:
            return (await given(url, MESSAGE, key=key, now_ms=now_ms))[0]

    answer = asyncio.run(story())
    assert isinstance(answer, Refused)
    assert not mail.given
    assert why  # what the relay itself says of it is told below
    body = b"{}"
    headers = relay_signing.headers(key, "request", now_ms // 1000, "n" * 32, body)
    lower = {name.lower(): value for name, value in headers.items()}
    said, nonce = asyncio.run(relay(mail).take(lower, body))
    assert (said.status, nonce, why in said.reason) == (401, "", True)


def test_a_request_that_is_repeated_or_changed_is_refused() -> None:
    """A nonce passes once; the signature covers every byte."""
    mail = Pretended("mail", lambda _: Accepted())
    body = json.dumps(
        {"id": "a" * 32, "channel": "mail", "address": "x", "subject": "s", "body": "b"}
    ).encode()
    signed = relay_signing.headers(KEY, "request", NOON_MS // 1000, "n" * 32, body)
    headers = {name.lower(): value for name, value in signed.items()}

    async def story() -> list[int]:
        one = relay(mail)
        told = [await one.take(headers, body), await one.take(headers, body)]
        told.append(await one.take(headers, body.replace(b'"s"', b'"t"')))
        return [said.status for said, _ in told]

    assert asyncio.run(story()) == [200, 401, 401]
    assert len(mail.given) == 1


def test_an_answer_is_no_request_and_another_request_s_answer_is_none() -> None:
    """Whoever stands between cannot say that something was sent."""
    signed = relay_signing.headers(KEY, "request", NOON_MS // 1000, "n" * 32, b'{"state":"sent"}')
    headers = {name.lower(): value for name, value in signed.items()}
    with pytest.raises(SignatureError):
        relay_signing.check(KEY, "answer", headers, b'{"state":"sent"}', NOON_MS // 1000)

    async def story() -> Answer:
        async def liar(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            body = b'{"state":"sent","reason":""}'
            told = relay_signing.headers(KEY, "answer", NOON_MS // 1000, "o" * 32, body)
            lines = [f"{name}: {value}" for name, value in told.items()]
            head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *lines, "", ""])
            writer.write(head.encode() + body)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(liar, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return (await given(f"http://127.0.0.1:{port}", MESSAGE))[0]

    assert asyncio.run(story()) == Refused("the relay answers another request")


def test_a_relay_with_too_much_to_send_says_so_and_keeps_what_it_has() -> None:
    """Whatever it was given goes out, though the centre hangs up."""

    async def story() -> tuple[list[Answer], int]:
        free = asyncio.Event()
        out: list[Outgoing] = []

        class Slow:
            name = "mail"

            async def send(self, outgoing: Outgoing) -> Answer:
                await free.wait()
                out.append(outgoing)
                return Accepted()

        messages = [Outgoing(f"{number:032x}", "x", "s", "b") for number in range(6)]
        async with serving(relay(Slow(), waiting_max=4, concurrency_max=2)) as url:
            tasks = [asyncio.create_task(given(url, each)) for each in messages]
            refused: list[Answer] = []
            while len(refused) < 2:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                tasks = [task for task in tasks if task not in done]
                refused += [task.result()[0] for task in done]
            for task in tasks:
                task.cancel()
            free.set()
            while len(out) < 4:
                await asyncio.sleep(0.01)
        return refused, len(out)

    refused, out = asyncio.run(story())
    assert all(isinstance(each, Refused) and "too much" in each.reason for each in refused)
    assert out == 4


def test_nonces_are_bounded_and_forgotten_when_they_are_too_old_to_pass() -> None:
    """Where there are too many, nothing is taken: none could be repeated unnoticed."""
    nonces = relay_signing.Nonces(2)
    nonces.take("a", 0)
    nonces.take("b", 1)
    with pytest.raises(SignatureError, match="too many"):
        nonces.take("c", 2)
    nonces.take("c", 2 * relay_signing.APART_S_MAX + 1)
