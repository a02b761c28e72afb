"""``gengfu sim`` as a process: one line when ready, a clean end, plain errors."""

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest
from pymodbus.client import ModbusSerialClient

GENGFU = [sys.executable, "-m", "gengfu.main", "sim"]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """Run a command until it is ready; yield it and what its one line says."""
    process = subprocess.Popen(
        [*GENGFU, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout
            assert select.select([process.stdout], [], [], 60)[0], "not ready within a minute"
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal; the process ends with 0 and says nothing more."""
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "", "")


def test_cabinet_runs_until_it_is_told_to_end(tmp_path: Path) -> None:
    """SIGTERM: the link goes, ledger and truth stay."""
    ledger, truth = tmp_path / "ledger.jsonl", tmp_path / "truth.json"
    files = ("--ledger", str(ledger), "--truth", str(truth))
    with started("run", "site", "--folder", str(tmp_path), *files) as (process, ready):
        line = ready["lines"]["rs485-1"]
        assert line == {"kind": "serial", "path": str(tmp_path / "ttyRS485-1"), "baud": 9600}
        client = ModbusSerialClient(line["path"], baudrate=9600, timeout=5, retries=0)
        registers = client.read_holding_registers(0x01FC, count=1, device_id=1).registers
        client.close()  # type: ignore[no-untyped-call]
        end(process, signal.SIGTERM)
    assert json.loads(ledger.read_text())["values"] == registers
    assert "relays/relay_1" in json.loads(truth.read_text())["outputs"]
    assert not (tmp_path / "ttyRS485-1").is_symlink()


def test_a_served_port_is_not_taken_over(tmp_path: Path) -> None:
    """A second cabinet of the folder is refused and leaves the first its link; a dead one's is replaced."""
    link = tmp_path / "ttyRS485-1"
    with started("run", "site", "--folder", str(tmp_path)) as (process, _):
        port = link.readlink()
        second = subprocess.run(
            [*GENGFU, "run", "street", "--folder", str(tmp_path)],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        told = f"{link}: another running simulator has this port (process {process.pid}); end it, or choose"
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr.startswith(told)
        assert link.readlink() == port
        process.kill()
        process.wait(60)
    with started("run", "site", "--folder", str(tmp_path)) as (process, _):
        assert link.is_char_device()
        end(process, signal.SIGTERM)
    assert list(tmp_path.iterdir()) == []


def test_platform_serves_until_it_is_told_to_end() -> None:
    """Ctrl-C."""
    with started("platform", "--fault", "500=1", "--seed", "4") as (process, ready):
        answer = httpx.post(
            ready["url"] + "/api/cases", json={}, headers={"Idempotency-Key": "a"}, timeout=10
        )
        assert answer.status_code == 500
        end(process, signal.SIGINT)


def test_broker_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    """A retained message comes back; a second broker on its port is refused; what it wrote stays."""
    with started("broker", "--folder", str(tmp_path)) as (process, ready):
        assert ready["host"] == "127.0.0.1"
        assert asyncio.run(kept_message(ready["port"])) == b"kept"
        second = subprocess.run(
            [*GENGFU, "broker", "--port", str(ready["port"])],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        told = f"port {ready['port']} of 127.0.0.1 is taken by another program; choose another port\n"
        assert (second.returncode, second.stdout, second.stderr) == (1, "", told)
        end(process, signal.SIGTERM)
    assert (tmp_path / "mosquitto.db").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ready["port"]), timeout=5)


async def kept_message(port: int) -> object:
    """Publish a retained message on one connection, and return what another one gets."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish("a", b"kept", qos=1, retain=True)
    async with asyncio.timeout(30), aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("a", qos=1)
        return (await anext(client.messages)).payload


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ["run", "nowhere"],
            1,
            "nowhere: there is no such cabinet; give a path, or one of lighting, site, street",
        ),
        (["platform", "--fault", "fire=1"], 2, "names are timeout, timeout-lost, 500, 500-kept, 429"),
        (["platform", "--fault", "500=2"], 2, "together at most 1"),
        (["broker", "--folder", "/proc/x"], 1, "/proc/x: cannot make this folder: "),
        (["run", "site", "--ledger", "/proc/ledger"], 1, "/proc/ledger: cannot be written: "),
        (["run", "site", "--truth", "/proc/truth"], 1, "/proc/truth: cannot be written: "),
        (["run", "site", "--folder", "/proc/dev"], 1, "/proc/dev: cannot make this folder: "),
        (["run", "site", "--ledger", "/nowhere/l"], 1, "/nowhere/l: there is no folder /nowhere; make it"),
        (["run", "site", "--truth", "/nowhere/t"], 1, "/nowhere/t: there is no folder /nowhere; make it"),
    ],
)
def test_mistakes_are_told_plainly(arguments: list[str], code: int, told: str) -> None:
    """No traceback, a code other than 0."""
    done = subprocess.run([*GENGFU, *arguments], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert told in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("missing", "arguments"),
    [("pymodbus", ["run", "site"]), ("uvicorn", ["platform"]), ("pymodbus", ["list"])],
)
def test_missing_extra_is_told(missing: str, arguments: list[str]) -> None:
    """A cabinet's install has no simulators; the command says how to get them."""
    program = f"import sys; sys.modules[{missing!r}] = None; from gengfu.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", program, "sim", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "this command needs the simulators: pip install gengfu[simulators]\n",
    )


def listed(*arguments: str, locale: str = "C.UTF-8") -> str:
    """Run ``gengfu sim list`` for somebody with this locale."""
    done = subprocess.run(
        [*GENGFU, "list", *arguments],
        env={**os.environ, "LC_ALL": locale, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_list_names_the_shipped_cabinets() -> None:
    """For people in their own language, for programs in both."""
    lighting, site, street = json.loads(listed("--json"))
    assert lighting["title"]["zh"] == "路灯控制箱"
    assert site == {
        "name": "site",
        "title": {"en": "construction site", "zh": "建筑工地"},
        "lines": [{"name": "rs485-1", "kind": "serial"}],
        "devices": ["station", "relays"],
        "story_s": 40,
    }
    assert (street["name"], street["story_s"]) == ("street", 60)
    english, chinese = listed(), listed(locale="zh_CN.UTF-8")
    assert ("construction site" in english, "建筑工地" in english) == (True, False)
    assert ("construction site" in chinese, "建筑工地" in chinese) == (False, True)
