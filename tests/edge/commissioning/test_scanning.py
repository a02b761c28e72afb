"""Scans of real ptys: who is found, what is left behind, and when nothing is sent at all."""

import contextlib
import os
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.commissioning.cabinet import Seated, running, wire
from device_profiles import catalogue
from edge.commissioning.scanning import Progress, Scan, scan_port
from edge.commissioning.sweep import Sweep
from edge.lines.formats import Format
from edge.lines.port import Port, SerialSettings, opened
from simulators.faults import rtu_frame
from simulators.pty_line import PtyLine
from simulators.uart import Format as UartFormat

PROFILES = list(catalogue.load_all().values())
SEATS = (
    Seated("x", 1, "water_gauge", UartFormat(9600)),
    Seated("x", 3, "xy_md02", UartFormat(9600, "E"), turnaround_ms=60),
    Seated("x", 2, "renke_dust", UartFormat(19_200, "O"), "ascii"),
)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[str]:
    """A port with three devices in three formats."""
    with running(tmp_path, SEATS) as ports:
        yield ports["x"]


def sweep() -> Sweep:
    """Return a short one."""
    formats = [Format(9600), Format(9600, "E"), Format(19_200, "O"), Format(19_200, "E", 1, 7)]
    return Sweep([], formats=formats, units=[1, 2, 3])


def scanned(port: str, **options: float) -> Scan:
    """Scan it."""
    return scan_port(SerialSettings(port, 4800), sweep(), lambda _progress: None, **options)  # type: ignore[arg-type]


def test_a_real_port_is_scanned_in_every_format_and_left_as_it_was(port: str) -> None:
    """Settings back, nothing unread, and free for the next one."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        before = termios.tcgetattr(descriptor)
        told = scanned(port, listen_s=0.05)
        assert termios.tcgetattr(descriptor) == before
        os.set_blocking(descriptor, False)
        with pytest.raises(BlockingIOError):
            os.read(descriptor, 1)
    finally:
        os.close(descriptor)
    assert {(each.unit_id, each.baud, each.parity, each.stop_bits) for each in told.devices} == {
        (1, 9600, "N", 1),
        (3, 9600, "E", 1),
    }
    assert told.outcome == "finished"
    assert told.took_s >= told.minimum_s > 0
    assert scanned(port, listen_s=0.0).devices


def test_ascii_devices_are_found_whatever_their_data_bits(tmp_path: Path) -> None:
    """Seven bits and even parity, as the standard has it."""
    seats = (Seated("x", 2, "renke_dust", UartFormat(19_200, "E"), "ascii"),)
    with running(tmp_path, seats) as ports:
        [found] = scanned(ports["x"], listen_s=0.0).devices
    assert (found.unit_id, found.transmission_mode, found.baud, found.data_bits) == (2, "ascii", 19_200, 7)


@contextmanager
def another_master() -> Iterator[tuple[str, int]]:
    """Somebody polls unit 7, whatever is said to him; yield the port and his end of it."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    ended = threading.Event()
    exchange = rtu_frame(7, bytes([3, 0, 0, 0, 1])) + rtu_frame(7, bytes([3, 2, 0, 9]))

    def talk() -> None:
        while not ended.wait(0.03):
            with contextlib.suppress(BlockingIOError):  # nobody listens
                os.write(master, exchange)

    talking = threading.Thread(target=talk, daemon=True)
    talking.start()
    try:
        yield os.ttyname(slave), master
    finally:
        ended.set()
        talking.join()
        os.close(master)
        os.close(slave)


def test_a_line_on_which_another_master_speaks_is_left_alone() -> None:
    """Not one byte is sent; and it is said who is asked there."""
    with another_master() as (port, their_end):
        told = scan_port(SerialSettings(port, 9600), Sweep(PROFILES), lambda _progress: None, listen_s=0.4)
        with pytest.raises(BlockingIOError):
            os.read(their_end, 1)
    assert told.outcome == "live"
    assert (told.asked, told.devices) == (0, [])
    assert told.overheard is not None
    assert (told.overheard.asked, told.overheard.answering) == ([7], [7])


def test_a_scan_that_is_stopped_tells_what_it_has(port: str) -> None:
    """After the first find nobody wants to wait."""
    found: list[int] = []

    def heard(progress: Progress) -> None:
        if progress.found is not None:
            found.append(progress.found.unit_id)

    told = scan_port(
        SerialSettings(port, 9600), Sweep(PROFILES), heard, listen_s=0.0, stopped=lambda: bool(found)
    )
    assert told.outcome == "stopped"
    assert [each.unit_id for each in told.devices] == found


def test_a_port_that_somebody_has_is_not_taken(port: str) -> None:
    """One owner a port."""
    with opened(SerialSettings(port, 9600)), pytest.raises(OSError, match="exclusively lock"):
        scanned(port)
    with pytest.raises(OSError, match="No such file"):
        scanned(f"{port}-not-there")


def test_an_answer_is_heard_whole_with_its_turnaround(tmp_path: Path) -> None:
    """From the end of the request to the first byte of the answer; an echo is no answer."""
    pty = PtyLine(
        wire(iter([Seated("x", 1, "water_gauge", UartFormat(9600), turnaround_ms=40)])), tmp_path / "p"
    )
    pty.start()
    try:
        port = Port(SerialSettings(str(pty.path), 9600))
        own = rtu_frame(1, bytes([3, 0, 0, 0, 1]))
        data, first_s = port.ask(own, 0.5, lambda _data: False)
        assert data == rtu_frame(1, bytes([3, 2, 0, 31]))
        assert first_s is not None
        assert first_s >= 0.039
        assert port.ask(rtu_frame(9, bytes([3, 0, 0, 0, 1])), 0.05, lambda _data: False) == (b"", None)
        port.close()
    finally:
        pty.stop()
