"""What the real daemons ask of the kernel lies within what their units allow.

``tests/faults/updates.py`` runs them under the units themselves, in a booted Debian; here, under strace.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge import link_report
from edge.report_file import ReportUnreadableError
from simulators import cabinet_file
from simulators.mosquitto import Mosquitto
from simulators.programs import find
from simulators.running import RunningCabinet
from tests.faults.updates import CABINET, PORT, SETTINGS
from tests.systemd.analyzing import ANALYZE, allowed_syscalls
from tests.systemd.test_units import UNITS, sections

STRACE = find("strace")
PATIENCE_S = 90.0
AS_ROOT = {"fchown"} if os.geteuid() == 0 else set[str]()
"""SQLite gives its side files the owner of the database where it runs as root; as a service it does not."""
CENTRE = """schema = 1
district = "north"
[broker]
host = "127.0.0.1"
port = {port}
[http]
port = 0
"""

pytestmark = [
    pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not on this machine (Debian: systemd)"),
    pytest.mark.skipif(STRACE is None, reason="strace is not on this machine"),
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Lend a running one."""
    server = Mosquitto(tmp_path / "broker")
    server.start()
    yield server
    server.stop()


def traced(house: str, folder: Path, works: Callable[[], bool]) -> list[str]:
    """Run a daemon under strace until it works, end it, and return what it asked the kernel for."""
    log = folder / "strace.log"
    assert STRACE is not None
    program, environment = STRACE
    command = [program, "-f", "-qq", "-e", "signal=none", "-o", str(log), sys.executable, "-m", "gengfu.main"]
    with (folder / "daemon.log").open("wb") as output:
        daemon = subprocess.Popen(
            [*command, house, "run", "--settings", str(folder / f"{house}.toml")],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            until_s = time.monotonic() + PATIENCE_S
            while not works():
                assert daemon.poll() is None, (folder / "daemon.log").read_text()
                assert time.monotonic() < until_s, (folder / "daemon.log").read_text()
                time.sleep(0.1)
            [child, *_] = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
            subprocess.run(["kill", f"-{signal.SIGTERM}", child], check=True)
            assert daemon.wait(60) == 0, (folder / "daemon.log").read_text()
        finally:
            daemon.kill()
            daemon.wait()
    return log.read_text(errors="replace").splitlines()


def forbidden(calls: list[str], unit: Path) -> set[str]:
    """Return what a unit would refuse of these calls, once its program runs: names, families, memory."""
    service = sections(unit)["Service"]
    allowed = allowed_syscalls(service["SystemCallFilter"])
    families = set(service["RestrictAddressFamilies"][0].split())
    refused = set()
    for call in calls:
        if not (name := re.match(r"\d+ +(\w+)\(", call)):
            continue
        if name[1] not in allowed:
            refused.add(name[1])
        if (family := re.match(r"\d+ +socket\((\w+),", call)) and family[1] not in families:
            refused.add(family[1])
        writes_and_runs = name[1] == "mmap" and {"PROT_WRITE", "PROT_EXEC"} <= set(
            re.findall(r"PROT_\w+", call)
        )
        if writes_and_runs or (name[1] in ("mprotect", "pkey_mprotect") and "PROT_EXEC" in call):
            refused.add(f"{name[1]} of memory to run")
    return refused


def test_a_gateway_on_a_pty_with_its_broker_asks_for_nothing_that_its_unit_refuses(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """From its start to its end; a unit without sockets would refuse it, which shows that it is looked at."""
    (tmp_path / "cabinet.toml").write_text(CABINET)
    plan = cabinet_file.load(str(tmp_path / "cabinet.toml"))
    settings = SETTINGS.format(port=broker.port).replace("/var/lib/gengfu/edge", "state")
    (tmp_path / "edge.toml").write_text(settings.replace(PORT, str(tmp_path / "ttyRS485-1")))

    def works() -> bool:
        try:
            return link_report.read(tmp_path / "state").connected_since_ms is not None
        except ReportUnreadableError:
            return False

    with RunningCabinet(plan, tmp_path, now_ms=lambda: time.time_ns() // 1_000_000):
        calls = traced("edge", tmp_path, works)
    assert forbidden(calls, UNITS["gengfu-edge"]) <= AS_ROOT
    weakened = tmp_path / "weakened.service"
    unit = UNITS["gengfu-edge"].read_text()
    weakened.write_text(unit.replace("~@privileged @resources", "~@network-io").replace("AF_INET ", ""))
    assert {"connect", "AF_INET"} <= forbidden(calls, weakened)


def test_a_centre_with_its_broker_asks_for_nothing_that_its_unit_refuses(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """From the making of its databases to its end."""
    (tmp_path / "collector.toml").write_text(CENTRE.format(port=broker.port))
    calls = traced("collector", tmp_path, lambda: '"url"' in (tmp_path / "daemon.log").read_text())
    assert forbidden(calls, UNITS["gengfu-collector"]) <= AS_ROOT
