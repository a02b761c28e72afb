"""``gengfu messages``, ``on-call`` and ``relay`` as people read them, against a centre and a process."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from collector.service import Collector
from collector.telling.channels_file import RelayChannel
from collector.telling.outgoing import Accepted, Answer, Outgoing
from collector.telling.relay_client import RelaySender
from gengfu.main import _add_groups, app
from tests.collector.telling.test_channels import smtp
from tests.collector.telling.test_whole_centre import burst, centre, take
from tests.gengfu.operators import CHINESE, ENGLISH

MAIL = """schema = 1
[[channels]]
name = "mail"
kind = "apprise"
url = "mailto://127.0.0.1:{port}?from=centre@example.org&to={{address}}&mode=insecure"
"""
RELAY = 'schema = 1\nport = 0\nkey_file = "relay.key"\nchannels_file = "channels.toml"\n'

if not app.registered_groups:
    _add_groups()


def types(*words: str, env: dict[str, str] = ENGLISH, code: int = 0) -> Result:
    """Run the command; nothing that it prints is wider than the terminal, but paths of files."""
    result = CliRunner().invoke(app, list(words), env=env | {"COLUMNS": "80"})
    assert result.exit_code == code, result.output
    assert all(len(line) <= 80 for line in result.output.splitlines() if "/" not in line)
    return result


def now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


@contextmanager
def asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Open a centre that has told of an incident, and let the commands ask it."""
    with centre(folder, 1) as (collector, _clock):
        take(collector, 1, burst(1))
        assert collector.telling.teller
        asyncio.run(collector.telling.teller.look())

        def request(method: str, url: str, **more: Any) -> httpx.Response:
            for name in ("timeout", "verify"):
                more.pop(name, None)

            async def send() -> httpx.Response:
                transport = httpx.ASGITransport(collector.app)
                async with httpx.AsyncClient(transport=transport) as client:
                    return await client.request(method, url, **more)

            return asyncio.run(send())

        monkeypatch.setattr(httpx, "request", request)
        yield collector


def test_messages_and_who_is_on_call_are_told_at_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the reader's language; a test is sent and listed."""
    with asked(tmp_path, monkeypatch):
        listed = types("messages", "list").output
        assert ("wang" in listed, "first" in listed, "waiting" in listed) == (True, True, True)
        assert "首报" in types("messages", "list", env=CHINESE).output
        told = types("messages", "test", "li").output
        assert told.startswith("a test goes to li by mail")
        items = json.loads(types("messages", "list", "--person", "li", "--json").output)
        assert [item["kind"] for item in items] == ["test", "first"]
        assert "'nobody' is nobody" in types("messages", "test", "nobody", code=1).output
        shown = types("on-call", "show", "--class", "pipe_burst", "--area", "500103001").output
        assert shown.splitlines()[0] == "table water"
        assert "at once level 1: wang" in shown
        shown = types("on-call", "show", "--class", "dust_high", env=CHINESE).output
        assert "不用 water：不适用于该类别" in shown
        assert "priority" in types("on-call", "show", "--priority", "urgent", code=1).output


def test_a_relay_process_sends_what_the_centre_gives_it(tmp_path: Path) -> None:
    """From the key to the mail; SIGTERM ends it with 0."""
    assert types("relay", "key", str(tmp_path / "relay.key")).exit_code == 0
    assert stat.S_IMODE((tmp_path / "relay.key").stat().st_mode) == 0o600
    assert "not there yet" in types("relay", "key", str(tmp_path / "relay.key"), code=1).output
    (tmp_path / "relay.toml").write_text(RELAY)
    channels = tmp_path / "channels.toml"
    channels.touch(mode=0o600)
    message = Outgoing("a" * 32, "wang@example.org", "【高】爆管", "正文")

    async def given(url: str) -> Answer:
        described = RelayChannel(kind="relay", name="out", url=url, key_file="k", channel="mail")
        key = (tmp_path / "relay.key").read_bytes().strip()
        async with httpx.AsyncClient(trust_env=False) as client:
            return await RelaySender(described, key, client, now_ms=now_ms).send(message)

    with smtp() as (box, port):
        channels.write_text(MAIL.format(port=port))
        assert "sound (mail)" in types("relay", "check", str(tmp_path / "relay.toml")).output.replace(
            "\n", ""
        )
        command = [sys.executable, "-m", "gengfu.main", "relay", "run", str(tmp_path / "relay.toml")]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=dict(os.environ, PYTHONUNBUFFERED="1")
        ) as process:
            try:
                assert process.stdout
                url = json.loads(process.stdout.readline())["url"]
                assert asyncio.run(given(url)) == Accepted()
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0
            finally:
                process.kill()
    assert [str(mail["Subject"]) for mail in box.mails] == ["【高】爆管"]
