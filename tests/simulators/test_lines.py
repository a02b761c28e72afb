"""Cabinets on real ptys and ports, read by pymodbus's own client."""

import json
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from simulators import cabinet_file
from simulators.bus import Bus
from simulators.errors import SimulatorError
from simulators.ledger import Ledger
from simulators.modbus import Record
from simulators.pty_line import PtyLine
from simulators.relay_board import RelayBoard
from simulators.running import RunningCabinet
from simulators.tcp_line import TcpLine
from simulators.wire import SimulatedWire

NOW_MS = 1_800_000_000_000


@contextmanager
def serial_client(path: object, baud: int = 9600, timeout_s: float = 5) -> Iterator[ModbusSerialClient]:
    """A connected client that asks once."""
    client = ModbusSerialClient(str(path), baudrate=baud, timeout=timeout_s, retries=0)
    assert client.connect()
    yield client
    client.close()  # type: ignore[no-untyped-call]


@contextmanager
def tcp_client(port: object, timeout_s: float = 5) -> Iterator[ModbusTcpClient]:
    """A client that asks once."""
    client = ModbusTcpClient("127.0.0.1", port=int(str(port)), timeout=timeout_s, retries=0)
    yield client
    client.close()  # type: ignore[no-untyped-call]


def test_site_over_its_pty(tmp_path: Path) -> None:
    """Station and relay board on one line; the ledger holds exactly what the client read and wrote."""
    plan = cabinet_file.load("site")
    ledger = tmp_path / "ledger.jsonl"
    with RunningCabinet(plan, tmp_path / "dev", now_ms=lambda: NOW_MS, ledger=ledger) as running:
        path = running.lines["rs485-1"]["path"]
        assert path == str(tmp_path / "dev" / "ttyRS485-1")
        with serial_client(path) as client:
            station = client.read_holding_registers(0x01F4, count=11, device_id=1).registers
            assert not client.write_coil(0, True, device_id=2).isError()
            relays = client.read_coils(0, count=8, device_id=2).bits
            assert client.read_holding_registers(0, count=1, device_id=1).exception_code == 2
    assert not Path(str(path)).is_symlink()
    assert relays == [True] + [False] * 7
    common = {"time_ms": NOW_MS, "line": "rs485-1"}
    assert [json.loads(line) for line in ledger.read_text().splitlines()] == [
        common
        | {"device": "station", "unit_id": 1}
        | {"table": "holding_register", "address": 0x01F4, "values": station},
        common
        | {"device": "relays", "unit_id": 2, "table": "coil", "address": 0, "values": [1]}
        | {"write": True},
        common | {"device": "relays", "unit_id": 2, "table": "coil", "address": 0, "values": [1] + [0] * 7},
    ]


def test_street_over_pty_and_tcp(tmp_path: Path) -> None:
    """Three covers on one line, the transmitter behind its port, the truth in its file."""
    truth = tmp_path / "truth.json"
    plan = cabinet_file.load("street")
    with RunningCabinet(plan, tmp_path, now_ms=lambda: NOW_MS, truth=truth) as running:
        with serial_client(running.lines["rs485-1"]["path"]) as covers:
            for unit_id in (80, 81, 82):
                assert len(covers.read_holding_registers(0x3D, count=3, device_id=unit_id).registers) == 3
        water = running.lines["water"]
        assert (water["kind"], water["host"]) == ("tcp", "127.0.0.1")
        with tcp_client(water["port"]) as client:
            unit, decimals, value = client.read_holding_registers(2, count=3, device_id=1).registers
    assert (unit, decimals) == (0x13, 1)
    assert value == pytest.approx(2800, abs=40)
    told = json.loads(truth.read_text())
    assert told["time_ms"] == NOW_MS
    assert told["values"]["pressure/pressure"] == pytest.approx(280, abs=4)


def relay_pty(folder: Path) -> tuple[PtyLine, SimulatedWire]:
    """A relay board on a pty."""
    bus = Bus()
    bus.add(RelayBoard("relays"), 1)
    wire = SimulatedWire(bus, 9600)
    return PtyLine(wire, folder / "ttyR"), wire


def test_pty_answers_no_faster_than_its_line(tmp_path: Path) -> None:
    """Eight characters, 5 ms and six characters take at least 19.5 ms, each byte its time."""
    line, wire = relay_pty(tmp_path)
    line.start()
    port = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    try:
        began_ns = time.monotonic_ns()
        os.write(port, bytes.fromhex("01 01 00 00 00 08 3D CC"))
        data = b""
        while len(data) < 6:
            assert select.select([port], [], [], 10)[0]
            data += os.read(port, 6)
            assert time.monotonic_ns() - began_ns >= 13_333_333 + len(data) * 1_041_666
        assert data == bytes.fromhex("01 01 01 00 51 88")
    finally:
        os.close(port)
        line.stop()
    assert (wire.requests, wire.collisions) == (1, 0)


def test_wrong_baud_rate_hears_nothing(tmp_path: Path) -> None:
    """As on a real line; the right one does, on the same port."""
    line, _ = relay_pty(tmp_path)
    line.start()
    try:
        with serial_client(line.path, baud=4800, timeout_s=0.3) as wrong, pytest.raises(ModbusIOException):
            wrong.read_coils(0, count=8, device_id=1)
        with serial_client(line.path) as right:
            assert len(right.read_coils(0, count=8, device_id=1).bits) == 8
    finally:
        line.stop()
    assert line.wrong_baud_requests == 1


def test_link_replaces_a_stale_link_and_spares_a_file(tmp_path: Path) -> None:
    """A link left over from a killed run is taken over; a file of somebody's is not."""
    (tmp_path / "ttyR").symlink_to("/nowhere")
    line, _ = relay_pty(tmp_path)
    line.start()
    assert line.path.resolve().is_char_device()
    line.stop()
    assert not line.path.is_symlink()
    line, _ = relay_pty(tmp_path)
    line.start()
    line.path.unlink()
    line.path.symlink_to("/dev/null")
    line.stop()
    assert line.path.readlink() == Path("/dev/null"), "a link to somebody else's port stays"
    line.path.unlink()
    (tmp_path / "ttyR").write_text("mine")
    line, _ = relay_pty(tmp_path)
    with pytest.raises(SimulatorError, match="a file of that name stands there; choose another folder"):
        line.start()
    assert (tmp_path / "ttyR").read_text() == "mine"


def test_several_units_behind_one_port() -> None:
    """Each unit id is a device of its own; the dead one is silent, its neighbour is not."""
    bus = Bus()
    boards = {unit_id: RelayBoard(f"relays-{unit_id}") for unit_id in (1, 2, 3)}
    for unit_id, board in boards.items():
        bus.add(board, unit_id, turnaround_ms=1)
    bus.set_alive("relays-3", False)
    line = TcpLine(bus)
    line.start()
    try:
        with tcp_client(line.port) as client:
            assert not client.write_coil(4, True, device_id=2).isError()
            assert client.read_coils(0, count=8, device_id=1).bits == [False] * 8
            assert client.read_coils(0, count=8, device_id=2).bits == [index == 4 for index in range(8)]
        with tcp_client(line.port, timeout_s=0.2) as impatient, pytest.raises(ModbusIOException):
            impatient.read_coils(0, count=8, device_id=3)
    finally:
        line.stop()


def test_what_is_no_modbus_closes_the_connection() -> None:
    """A web browser at the wrong port, and a header that lies about its length."""
    line = TcpLine(Bus())
    line.start()
    try:
        for noise in (b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("0001 0000 FFFF 01 03 00 00 00 01")):
            with socket.create_connection(("127.0.0.1", line.port), timeout=5) as connection:
                connection.sendall(noise)
                assert connection.recv(100) == b""
    finally:
        line.stop()


def test_taken_port_is_told(tmp_path: Path) -> None:
    """And nothing is left running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = tmp_path / "street.toml"
        text = (cabinet_file.SHIPPED / "street.toml").read_text()
        path.write_text(text.replace("port = 0", f"port = {taken.getsockname()[1]}"))
        threads = threading.active_count()
        running = RunningCabinet(cabinet_file.load(str(path)), tmp_path, now_ms=lambda: NOW_MS)
        with pytest.raises(
            SimulatorError, match="cannot listen: Address already in use; choose another port"
        ):
            running.__enter__()
    assert threading.active_count() == threads
    assert not (tmp_path / "ttyRS485-1").is_symlink()


def test_ledger_ends_at_its_limit(tmp_path: Path) -> None:
    """It says that it is full, and grows no more; a new one continues the file."""
    record = Record("station", 1, "holding_register", 500, (1, 2))
    ledger = Ledger(tmp_path / "ledger.jsonl", bytes_max=300)
    for _ in range(10):
        ledger.write(NOW_MS, "a", record)
    ledger.close()
    lines = (tmp_path / "ledger.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert lines[-1] == '{"full":true}'
    again = Ledger(tmp_path / "ledger.jsonl")
    again.write(NOW_MS, "a", record)
    again.close()
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 4
