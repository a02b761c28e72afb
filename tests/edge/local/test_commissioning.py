"""A gateway that scans, identifies and examines its own line while it polls: real pty, real socket."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.commissioning.cabinet import Seated, running
from device_profiles import catalogue
from edge import checks
from edge.lines import from_settings
from edge.lines.line import Line, Request
from edge.local.answering import Answering
from edge.local.client import streamed
from edge.local.commissioning import Commissioning
from edge.local.server import LocalServer
from edge.local.words import (
    SOCKET_NAME,
    DeviceTold,
    Examine,
    Examined,
    Going,
    IdentifyUnit,
    News,
    Refused,
    ScanLine,
    Scanned,
    Streamed,
)
from simulators.uart import Format
from tests.edge.test_by_hand import Clock, Hand

SEATS = (
    Seated("bus", 1, "water_gauge", Format(19_200)),
    Seated("bus", 4, "xy_md02", Format(19_200), named=True),
    Seated("bus", 5, "renke_dust", Format(9600)),
)
SETTINGS = """
schema = 1
district = "north"
gateway = "site-1"
[broker]
host = "127.0.0.1"
[[lines]]
kind = "serial"
name = "bus"
port = "{port}"
baud = 19200
[[lines]]
kind = "tcp"
name = "net"
host = "127.0.0.1"
[[devices]]
name = "level"
line = "bus"
unit_id = 1
profile = "water_gauge"
"""
READ = Request(1, bytes([3, 0, 0, 0, 1]), 4, 1.0)


@dataclass
class Site:
    """A gateway's lines behind its socket, and how its polling goes."""

    folder: Path
    line: Line
    polled: int = 0
    failed: int = 0

    async def poll(self) -> None:
        """Ask the one device again and again."""
        while True:
            outcome = await self.line.transact(READ)
            self.polled += 1
            self.failed += outcome.pdu != bytes([3, 2, 0, 31])
            await asyncio.sleep(0.02)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Path]:
    """Settings of a gateway whose line is a pty."""
    with running(tmp_path, SEATS) as ports:
        path = tmp_path / "gateway.toml"
        path.write_text(SETTINGS.format(port=ports["bus"]))
        yield path


def serving(settings: Path, story: Callable[[Site], Coroutine[Any, Any, None]]) -> Site:
    """Serve while the story lasts, and poll all the while."""

    async def served() -> Site:
        loaded, profiles = checks.load(settings)
        lines = from_settings.lines(loaded)
        commissioning = Commissioning(loaded, profiles, catalogue.load_all, lines)
        server = LocalServer(settings.parent, Answering("site-1", Hand().by_hand, Clock(), commissioning))
        server.open()
        site = Site(settings.parent, lines["bus"])
        tasks = [asyncio.create_task(server.run()), asyncio.create_task(site.poll())]
        try:
            await story(site)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.close()
            for line in lines.values():
                await line.close()
        return site

    return asyncio.run(served())


def told(settings: Path, request: Streamed) -> tuple[list[News], Site]:
    """Return everything that a request brings, and how polling went meanwhile."""
    news: list[News] = []

    async def story(site: Site) -> None:
        news.extend(await asyncio.to_thread(lambda: list(streamed(site.folder, request))))

    return news, serving(settings, story)


def test_a_scan_through_the_gateway_finds_whom_the_settings_do_not_know(settings: Path) -> None:
    """In the line's own format; every poll between the questions is answered, and right."""
    news, site = told(settings, ScanLine("bus", units=[1, 3, 4]))
    assert isinstance(news[-1], Scanned)
    scan = news[-1].scan
    assert [each.unit_id for each in scan.devices] == [4]
    assert scan.outcome == "finished"
    assert [each.found.unit_id for each in news if isinstance(each, Going) and each.found] == [4]
    assert site.polled >= scan.asked / 2
    assert site.failed == 0


def test_other_formats_are_tried_only_if_asked_for(settings: Path) -> None:
    """And the line has its own again between the questions: polling goes on."""
    news, site = told(settings, ScanLine("bus", "quick", formats=["9600-8N1", "4800 8E1"], units=[5]))
    assert isinstance(news[-1], Scanned)
    [found] = news[-1].scan.devices
    assert (found.unit_id, found.baud) == (5, 9600)
    assert (site.polled > 10, site.failed) == (True, 0)


def test_a_device_is_identified_between_the_polls(settings: Path) -> None:
    """Over the line as it is."""
    news, site = told(settings, IdentifyUnit("bus", 4))
    assert isinstance(news[-1], DeviceTold)
    identified = news[-1].identified
    assert (identified.verdict, identified.candidates[0].profile) == ("certain", "xy_md02")
    assert (site.polled > 10, site.failed) == (True, 0)


def test_a_line_that_is_well_is_examined_and_left_alone(settings: Path) -> None:
    """Nothing wrong is found, and nothing is made wrong."""
    news, site = told(settings, Examine("bus", times=3))
    assert isinstance(news[-1], Examined)
    assert news[-1].diagnosis.is_well
    assert site.failed == 0


@pytest.mark.parametrize(
    ("request_", "why"),
    [(ScanLine("buss"), "no line 'buss'; lines here: bus, net"), (Examine("net"), "is no serial port")],
)
def test_what_cannot_be_done_is_refused_with_the_reason(settings: Path, request_: Streamed, why: str) -> None:
    """In one line."""
    news, _ = told(settings, request_)
    [refused] = news
    assert isinstance(refused, Refused)
    assert why in refused.text


def test_whoever_hangs_up_ends_the_scan(settings: Path) -> None:
    """The next one is not told that somebody is at it, as soon as the line is free."""
    answers: list[News] = []

    def leave(folder: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.connect(str(folder / SOCKET_NAME))
            link.sendall(msgspec.json.encode(ScanLine("bus", "thorough")) + b"\n")
            assert link.recv(100)

    async def story(site: Site) -> None:
        await asyncio.to_thread(leave, site.folder)
        for _ in range(100):
            answers[:] = await asyncio.to_thread(
                lambda: list(streamed(site.folder, ScanLine("bus", units=[2])))
            )
            if not isinstance(answers[-1], Refused):
                return
            await asyncio.sleep(0.1)

    serving(settings, story)
    assert isinstance(answers[-1], Scanned)
