"""Channels over real sockets: SMTP, webhook, SMS gateway. What arrives is looked at."""

import asyncio
import hashlib
import hmac
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from collector.telling import apprise_channel
from collector.telling.apprise_channel import ID_HEADER
from collector.telling.channels_file import Channels, load_channels
from collector.telling.outgoing import Accepted, Answer, Outgoing, Refused
from collector.telling.senders import Senders
from tests.collector.telling.telling_world import NOON_MS, ZONE
from toml_files import TomlFileError

MESSAGE = Outgoing(
    id="a" * 32,
    address="wang@example.org",
    subject="【最高】供水管爆裂：红旗路",
    body="供水管爆裂\n区域：500103001001\n登录后确认：https://centre.example.org/incidents/1",
    link="https://centre.example.org/incidents/1",
    incident_id="b" * 32,
    highest=True,
)


class Mailbox:
    """Keeps what an SMTP server was given; ``refuse`` makes it answer no."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse = False

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse:
            return "451 not now"
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@contextmanager
def smtp() -> Iterator[tuple[Mailbox, int]]:
    """Serve SMTP on loopback."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class Web:
    """What an HTTP server was given, and what it answers."""

    port: int = 0
    status: int = 200
    answer: bytes = b'{"code":0}'
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def web() -> Iterator[Web]:
    """Serve HTTP on loopback."""
    told = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told.asked.append((self.path, dict(self.headers), body))
            self.send_response(told.status)
            self.end_headers()
            self.wfile.write(told.answer)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def sent(channel: dict[str, Any], outgoing: Outgoing = MESSAGE) -> Answer:
    """Send one message over a channel as its file describes it."""
    described = Channels.model_validate({"schema": 1, "channels": [{"name": "one"} | channel]})

    async def send() -> Answer:
        async with Senders(threads_max=1, now_ms=lambda: NOON_MS, zone=ZONE) as senders:
            return await senders.made(described, {})["one"].send(outgoing)

    return asyncio.run(send())


def test_a_mail_arrives_with_its_chinese_subject_and_its_id() -> None:
    """At the person's address, which is filled in."""
    with smtp() as (box, port):
        url = f"mailto://127.0.0.1:{port}?from=centre@example.org&to={{address}}&mode=insecure"
        assert sent({"kind": "apprise", "url": url}) == Accepted()
    [mail] = box.mails
    assert mail["Subject"] == MESSAGE.subject
    assert mail["To"].addresses[0].addr_spec == "wang@example.org"
    assert mail[ID_HEADER] == MESSAGE.id
    body = mail.get_body(("plain",)) or mail
    assert isinstance(body, EmailMessage)
    assert body.get_content().replace("\r\n", "\n").strip() == MESSAGE.body


def test_a_webhook_gets_the_message_with_a_key_that_makes_a_double_recognisable() -> None:
    """Twice the same message has twice the same key."""
    with web() as told:
        for _ in range(2):
            assert sent({"kind": "apprise", "url": f"json://127.0.0.1:{told.port}/hook"}) == Accepted()
    keys = [headers["Idempotency-Key"] for _, headers, _ in told.asked]
    assert keys == [MESSAGE.id] * 2
    assert json.loads(told.asked[0][2])["title"] == MESSAGE.subject


def test_what_a_service_does_not_take_is_an_answer_without_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the reason nor in any log."""
    caplog.set_level(logging.DEBUG)
    with smtp() as (box, port):
        box.refuse = True
        url = (
            f"mailto://secretuser:secretword@127.0.0.1:{port}?from=c@example.org&to={{address}}&mode=insecure"
        )
        refused = sent({"kind": "apprise", "url": url})
    assert isinstance(refused, Refused)
    dead = sent(
        {"kind": "apprise", "url": f"json://secretuser:secretword@127.0.0.1:{free_port()}/secretpath"}
    )
    assert isinstance(dead, Refused)
    for text in (refused.reason, dead.reason, caplog.text):
        assert "secret" not in text
    assert not refused.lasting


def test_what_stands_in_a_url_is_taken_out_of_a_reason() -> None:
    """But its host, which helps."""
    url = "dingtalk://secretkey@accesstoken123/13800000000?template=markdown"
    told = apprise_channel.redacted("POST to accesstoken123 with secretkey failed for 13800000000: 403", url)
    assert "secretkey" not in told
    assert "13800000000" not in told
    assert told.endswith("403")


def test_an_sms_gateway_gets_its_parameters_with_a_signature() -> None:
    """As the channels file describes them; its answer is read for success."""
    channel = {
        "kind": "sms",
        "encode": "form",
        "parameters": {
            "account": "gengfu",
            "phone": "{address}",
            "content": "{text}",
            "time": "{timestamp}",
            "sign": "{signature}",
        },
        "signature": {"algorithm": "hmac_sha256", "over": "gengfu{address}{timestamp}", "key": "k" * 16},
        "success": '"code":0',
    }
    phone = Outgoing("c" * 32, "13800000000", MESSAGE.subject, MESSAGE.body, MESSAGE.link)
    with web() as told:
        channel["url"] = f"http://127.0.0.1:{told.port}/sms"
        assert sent(channel, phone) == Accepted()
        told.answer = b'{"code":7}'
        refused = sent(channel, phone)
        told.status = 422
        lasting = sent(channel, phone)
    given = {name: values[0] for name, values in parse_qs(told.asked[0][2].decode()).items()}
    over = f"gengfu13800000000{NOON_MS // 1000}".encode()
    assert given["sign"] == hmac.new(b"k" * 16, over, hashlib.sha256).hexdigest()
    assert given["content"] == f"{MESSAGE.subject} {MESSAGE.link}"
    assert isinstance(refused, Refused)
    assert (refused.lasting, "does not say success" in refused.reason) == (False, True)
    assert isinstance(lasting, Refused)
    assert lasting.lasting


@pytest.mark.parametrize("address", ["王", "1380\r\nX-Other: 1"])
def test_an_sms_whose_header_would_hold_what_none_can_is_refused_for_good(address: str) -> None:
    """Nothing leaves."""
    channel = {"kind": "sms", "parameters": {"to": "x"}, "headers": {"X-To": "{address}"}}
    with web() as told:
        refused = sent(channel | {"url": f"http://127.0.0.1:{told.port}/"}, replace(MESSAGE, address=address))
    assert isinstance(refused, Refused)
    assert (refused.lasting, "header X-To" in refused.reason, told.asked) == (True, True, [])


@pytest.mark.parametrize(
    "header", ['X-Title = "{subject}"', 'X-Title = "{text}"', 'X-Title = "水"', '"X 水" = "a"', 'X = "a\\nb"']
)
def test_a_header_that_could_hold_chinese_is_refused_in_the_file(header: str, tmp_path: Path) -> None:
    """Before a message needs it: headers are ASCII."""
    path = tmp_path / "channels.toml"
    path.write_text(
        'schema = 1\n[[channels]]\nkind = "sms"\nname = "sms"\nurl = "http://127.0.0.1:9/"\n'
        f'parameters = {{ to = "{{address}}" }}\nheaders = {{ {header} }}\n'
    )
    path.chmod(0o600)
    with pytest.raises(TomlFileError, match="ASCII"):
        load_channels(path)
    path.write_text(path.read_text().replace(header, 'X-Id = "{id} {timestamp} {signature}"'))
    load_channels(path)


def test_a_gateway_that_never_ends_its_answer_is_left() -> None:
    """A byte now and then keeps nobody waiting for longer than the channel allows."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        channel = {
            "kind": "sms",
            "url": f"http://127.0.0.1:{port}/",
            "parameters": {"a": "b"},
            "timeout_s": 1.0,
        }
        refused = sent(channel)
    assert isinstance(refused, Refused)
    assert "does not answer" in refused.reason


def test_a_channels_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """With what to do; mistakes are told with their lines, and never with a secret."""
    path = tmp_path / "channels.toml"
    path.write_text(
        'schema = 1\n[[channels]]\nname = "mail"\nkind = "apprise"\nurl = "json://secretword@h"\n'
    )
    path.chmod(0o640)
    with pytest.raises(TomlFileError, match=r"mode 0640.*chmod 600"):
        load_channels(path)
    path.chmod(0o600)
    channels, _ = load_channels(path)
    assert "secretword" not in repr(channels)
    path.write_text(path.read_text() + 'timeout = "secretword"\n')
    with pytest.raises(TomlFileError) as told:
        load_channels(path)
    assert ":6:" in str(told.value)
    assert "secretword" not in str(told.value)
