"""Bytes of the link are those that really passed, with whole packets' headers, whatever restarts."""

import json
import signal
import socket
import threading
import time
from pathlib import Path

from msgspec.structs import replace

from contract.samples import ClockState
from edge import link_report
from edge.clock import Moment
from edge.uplink.budget import Allowance, Plan
from edge.uplink.metering import CLOSING_PACKETS, PACKET_BYTES, SAVE_BYTES, Meter, carried
from simulators.mosquitto import Mosquitto
from simulators.servers import HOST
from tests.edge.test_run import SETTINGS, started

HELLO_BYTES = 700
"""What a connection has carried at least when hello was said."""

NOW = Moment(1_000_000_000, 1_800_000_000_000, ClockState.SYNCHRONISED)


class Relay:
    """Stands between gateway and broker, and counts what passes either way."""

    def __init__(self, port: int) -> None:
        """Listen; every connection goes on to the broker's port."""
        self.octets = 0
        self._target = port
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """End, when everything has passed."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection((HOST, self._target))
            self._sockets += (near, far)
            for one, other in ((near, far), (far, near)):
                self._threads.append(threading.Thread(target=self._pass, args=(one, other), daemon=True))
                self._threads[-1].start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65_536):
                with self._lock:
                    self.octets += len(data)
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def run(folder: Path, settings: Path, relay: Relay) -> link_report.Report:
    """Let a gateway connect and say hello, stop it, and return its last word on the link."""
    before = relay.octets
    gateway = started(settings)
    assert gateway.stdout is not None
    assert json.loads(gateway.stdout.readline())["ready"]
    while relay.octets < before + HELLO_BYTES and gateway.poll() is None:
        time.sleep(0.02)
    gateway.send_signal(signal.SIGTERM)
    told = gateway.communicate(timeout=30)[1]
    assert gateway.returncode == 0, told
    assert "Traceback" not in told
    return link_report.read(folder / "state")


def test_a_month_s_bytes_are_what_passed_and_outlive_the_process(tmp_path: Path) -> None:
    """Twice the real gateway at a real broker: to the byte what a relay saw, and headers of whole packets."""
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    relay = Relay(broker.port)
    try:
        settings = tmp_path / "edge.toml"
        text = SETTINGS.format(port=tmp_path / "none")
        settings.write_text(
            text.replace("port = 9\n", f"port = {relay.port}\nmonthly_bytes_max = 30_000_000\n")
        )
        first = run(tmp_path, settings, relay)
        second = run(tmp_path, settings, relay)
    finally:
        broker.stop()
        relay.close()
    headers = second.used_octets - relay.octets
    assert relay.octets > 2 * HELLO_BYTES
    assert headers % PACKET_BYTES <= 2  # the kernel counts the end of a connection as a byte
    assert 2 * (CLOSING_PACKETS + 10) * PACKET_BYTES <= headers <= relay.octets * 10
    assert 0 < first.used_octets < second.used_octets
    assert first.counted_since_ms == second.counted_since_ms
    assert second.monthly_bytes_max == 30_000_000
    assert (first.stopped, first.connected_since_ms) == (True, None)


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection."""
    with socket.create_server((HOST, 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    return near, far


def test_what_a_connection_carries_is_asked_of_the_kernel() -> None:
    """A thousand bytes there, ten back, three connections one after the other."""
    allowance = Allowance(Plan(), NOW)
    meter = Meter(allowance, packet_extra_bytes=60)
    packets = 0
    for number in range(1, 4):
        near, far = pair()
        with near, far:
            meter.opened(near)
            near.sendall(bytes(1000))
            assert far.recv(1000, socket.MSG_WAITALL)
            far.sendall(bytes(10))
            assert near.recv(100)
            meter.count(NOW)
            last = carried(near)
            assert last is not None
            packets += last.packets + CLOSING_PACKETS
            meter.closed(last, NOW)
        assert last.packets >= 4
        assert allowance.used(NOW).octets == number * 1010 + packets * (PACKET_BYTES + 60)


class Mute:
    """A connection of a system that does not tell."""

    family = socket.AF_INET

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Say less than is needed."""
        return bytes(104)


def test_where_the_kernel_does_not_tell_more_is_counted_rather_than_less() -> None:
    """Then a message counts with the headers and answers that it may bring with it."""
    allowance = Allowance(Plan(), NOW)
    meter = Meter(allowance)
    meter.opened(Mute())
    meter.handed(1000)
    meter.arrived(1000, NOW)
    assert allowance.used(NOW).octets == 1800


def test_what_is_on_its_way_holds_its_part_of_the_budget() -> None:
    """A window that was handed over at once is in nobody's count yet, and is not given out twice."""
    plan = Plan(31_000_000, 3)
    meter = Meter(Allowance(plan, NOW))
    now = NOW
    free = int(meter.allowance.available(now))
    assert meter.wait_s(free // 2, 0, now) == 0
    meter.handed(free // 2 + 1000)
    assert meter.wait_s(free // 2, 1, now) > 0
    near, far = pair()
    with near, far:
        meter.opened(near)
        meter.handed(free // 2 + 1000)
        assert meter.wait_s(free // 2, 1, now) > 0
        meter.arrived(free // 2 + 1000, now)
        assert meter.wait_s(free // 2, 0, now) == 0


def test_a_count_is_due_to_be_kept_after_some_time_or_some_bytes() -> None:
    """And only if it is another."""
    meter = Meter(Allowance(Plan(), NOW))
    assert meter.unsaved(NOW) is None
    meter.handed(10)
    meter.count(NOW)
    assert meter.unsaved(NOW) is not None
    meter.handed(10)
    meter.count(NOW)
    assert meter.unsaved(NOW) is None
    meter.handed(SAVE_BYTES)
    meter.count(NOW)
    assert meter.unsaved(NOW) is not None
    meter.handed(10)
    meter.count(NOW)
    later = replace(NOW, mono_ns=NOW.mono_ns + 301 * 10**9)
    assert meter.unsaved(later) is not None
