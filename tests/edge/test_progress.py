"""What feeds the watchdog of a gateway: work that goes on, on virtual time and in a real process."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gateway import Gateway
from edge.lines.line import Outcome, Request
from edge.progress import COMMIT_S_MAX, LATE_S, Part, request_s_max, stuck
from edge.settings import EXAMPLE
from gengfu.service_manager import ServiceManager
from tests.edge.test_audit import Disk
from tests.edge.test_dust_rule import CABINET, MINUTE_S
from tests.edge.test_run import SETTINGS
from tests.edge.virtual_gateway import VirtualSite

LIMIT_S = 60.0
HANGS_AT_S = 3 * MINUTE_S


class Manager(ServiceManager):
    """A service manager that notes by the virtual clock when it is told what."""

    def __init__(self) -> None:
        """It watches, as in the unit."""
        super().__init__(watchdog_s=LIMIT_S)
        self.fed_s: list[float] = []
        self.said: list[str] = []

    def _tell(self, state: str) -> None:
        if state == "WATCHDOG=1":
            self.fed_s.append(asyncio.get_running_loop().time())
        else:
            self.said.append(state)

    def hunger_s(self, from_s: float, upto_s: float) -> float:
        """Return the longest time without food between two moments."""
        times = [from_s, *(each for each in self.fed_s if from_s < each < upto_s), upto_s]
        return max(later - earlier for earlier, later in pairwise(times))


@given(
    st.lists(st.tuples(st.text(max_size=3), st.floats(allow_nan=False))), st.floats(0, 1e9, allow_nan=False)
)
def test_what_is_late_is_stuck_and_nothing_else(parts: list[tuple[str, float]], now_s: float) -> None:
    """In the order given; whoever has no limit is never late."""
    told = stuck([Part(*each) for each in parts], now_s)
    assert told == [name for name, by_s in parts if by_s < now_s]
    assert stuck([Part("opening", float("inf"))], now_s) == []


def test_a_patient_device_gives_its_poller_more_time() -> None:
    """And a line without devices has the least."""
    assert request_s_max([]) == LATE_S < request_s_max([0.5]) < request_s_max([0.5, 60])


Act = Callable[[VirtualSite, Gateway, Disk], Coroutine[Any, Any, None]]


def watched(folder: Path, act: Act) -> Manager:
    """Run a virtual gateway with its watchdog while the act lasts."""
    manager, disk = Manager(), Disk()
    site = VirtualSite(EXAMPLE, CABINET, folder)
    site.keeper = disk

    async def acting(site: VirtualSite, gateway: Gateway) -> None:
        watching = asyncio.create_task(manager.watch(gateway.stuck))
        await act(site, gateway, disk)
        watching.cancel()

    site.run(acting)
    return manager


def hanging(gateway: Gateway) -> asyncio.Event:
    """Let the line hang: what is asked from now on is answered when the event is set."""
    line, released = gateway.lines["rs485-1"], asyncio.Event()
    transact = line.transact

    async def hang(request: Request) -> Outcome:
        await released.wait()
        return await transact(request)

    setattr(line, "transact", hang)  # noqa: B010 - drivers hold this very line
    return released


def test_a_hung_poller_starves_the_watchdog_and_feeds_it_again_when_it_goes_on(tmp_path: Path) -> None:
    """Though the event loop, the rules and the recorder go on; it is told by name, once each way."""

    async def act(_site: VirtualSite, gateway: Gateway, _disk: Disk) -> None:
        await asyncio.sleep(HANGS_AT_S)
        released = hanging(gateway)
        await asyncio.sleep(HANGS_AT_S)
        released.set()
        await asyncio.sleep(MINUTE_S)

    manager = watched(tmp_path, act)
    assert manager.hunger_s(0, HANGS_AT_S) < LIMIT_S / 2
    starves_s = request_s_max([0.5]) + LIMIT_S / 2
    assert manager.hunger_s(HANGS_AT_S + starves_s, 2 * HANGS_AT_S) == HANGS_AT_S - starves_s
    assert manager.hunger_s(2 * HANGS_AT_S, 2 * HANGS_AT_S + MINUTE_S) < LIMIT_S / 2
    assert manager.said == ["STATUS=no progress: line rs485-1", "STATUS="]


def test_a_hung_recorder_starves_the_watchdog(tmp_path: Path) -> None:
    """A commit that never comes back, though the lines are polled; not before its time is over."""

    async def act(_site: VirtualSite, _gateway: Gateway, disk: Disk) -> None:
        await asyncio.sleep(HANGS_AT_S)
        disk.works.clear()
        await asyncio.sleep(HANGS_AT_S)
        disk.works.set()
        await asyncio.sleep(MINUTE_S)

    manager = watched(tmp_path, act)
    assert manager.hunger_s(0, HANGS_AT_S + COMMIT_S_MAX) < LIMIT_S / 2
    starves_s = COMMIT_S_MAX + LIMIT_S / 2
    assert manager.hunger_s(HANGS_AT_S + starves_s, 2 * HANGS_AT_S) == HANGS_AT_S - starves_s
    assert manager.said == ["STATUS=no progress: recorder", "STATUS="]


def test_dead_devices_and_a_disk_that_refuses_starve_nobody(tmp_path: Path) -> None:
    """Minutes of silence on the line, and of refused commits: starting again would mend neither."""

    async def act(site: VirtualSite, _gateway: Gateway, disk: Disk) -> None:
        await asyncio.sleep(MINUTE_S)
        disk.refuses = True
        for name in ("station", "relays"):
            site.cabinet.buses["rs485-1"].set_alive(name, alive=False)
        await asyncio.sleep(10 * MINUTE_S)
        disk.refuses = False

    manager = watched(tmp_path, act)
    assert manager.hunger_s(0, 11 * MINUTE_S) < LIMIT_S / 2
    assert manager.said == []


@contextmanager
def told(folder: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """Lend a service manager's socket, and the environment that names it; fed within two seconds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(30)
        yield manager, os.environ | {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "2000000"}


def settings_without_anything(folder: Path) -> Path:
    """Return settings whose port is not there, and whose broker is not either."""
    settings = folder / "edge.toml"
    settings.write_text(SETTINGS.format(port=folder / "no-such-port"))
    return settings


def until(manager: socket.socket, state: bytes) -> list[bytes]:
    """Return what is told up to this."""
    heard = [manager.recv(4096)]
    while heard[-1] != state:
        heard.append(manager.recv(4096))
    return heard


def test_a_real_gateway_without_port_and_broker_is_ready_feeds_the_watchdog_and_tells_of_its_end(
    tmp_path: Path,
) -> None:
    """Nothing of it is a reason to be started again."""
    with told(tmp_path) as (manager, environment):
        gateway = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gengfu.main",
                "edge",
                "run",
                "--settings",
                settings_without_anything(tmp_path),
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            assert set(until(manager, b"READY=1")) <= {b"READY=1", b"WATCHDOG=1"}
            assert [manager.recv(4096) for _ in range(4)] == [b"WATCHDOG=1"] * 4
            gateway.send_signal(signal.SIGTERM)
            assert set(until(manager, b"STOPPING=1")[:-1]) <= {b"WATCHDOG=1"}
            assert gateway.wait(30) == 0
        finally:
            gateway.kill()
            gateway.wait()


BLOCKED = """
import asyncio, sys, time
from itertools import pairwise
from pathlib import Path
from edge.run import serve
from gengfu.service_manager import service_manager

def block():
    print("blocked", flush=True)
    time.sleep(60)

manager = service_manager()
serve(
    Path(sys.argv[1]),
    ready=lambda: asyncio.get_running_loop().call_later(1, block),
    watch=lambda standing: manager.watch(standing.stuck),
)
"""


def test_a_blocked_event_loop_feeds_nothing(tmp_path: Path) -> None:
    """Where the loop does not turn, no promise of a part is asked any more."""
    with told(tmp_path) as (manager, environment):
        gateway = subprocess.Popen(
            [sys.executable, "-c", BLOCKED, settings_without_anything(tmp_path)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert gateway.stdout is not None
            assert gateway.stdout.readline() == "blocked\n"
            manager.setblocking(False)
            before = 0
            while True:
                try:
                    assert manager.recv(4096) == b"WATCHDOG=1"
                except BlockingIOError:
                    break
                before += 1
            assert before >= 1
            manager.settimeout(1.5)
            with pytest.raises(TimeoutError):
                manager.recv(4096)
        finally:
            gateway.kill()
            gateway.communicate()
