"""What is known of a port: its name by place, its adapter's latency timer, who turns its direction."""

import asyncio
import os
import tty
from pathlib import Path

import pytest

from edge.lines.direction import Rts
from edge.lines.line import Direction, LineError
from edge.lines.port import SerialSettings
from edge.lines.ports import by_path, is_pty, latency_timer, lowered_latency_ms, serial_ports
from edge.lines.serial_port import SerialLine
from edge.lines.timing import Timing
from tests.edge.support import read_request


def test_a_port_by_number_has_a_name_by_place(tmp_path: Path) -> None:
    """The link that leads to the same device; none for a port that is named so already."""
    device = tmp_path / "ttyUSB0"
    device.touch()
    folder = tmp_path / "by-path"
    folder.mkdir()
    (folder / "pci-1").symlink_to(tmp_path / "ttyUSB1")
    (folder / "pci-2").symlink_to(device)
    assert by_path(str(device), folder) == folder / "pci-2"
    assert by_path(str(folder / "pci-2"), folder) is None
    assert by_path(str(tmp_path / "ttyS0"), folder) is None
    assert by_path(str(device), tmp_path / "missing") is None


@pytest.mark.parametrize(("before", "after"), [("16\n", 1), ("1\n", 1), ("none", None)])
def test_the_latency_timer_of_an_adapter_is_lowered(tmp_path: Path, before: str, after: int | None) -> None:
    """To 1 ms, where the file may be written; a port without such a file has none."""
    timer = latency_timer("/dev/ttyUSB7", tmp_path)
    timer.parent.mkdir(parents=True)
    timer.write_text(before)
    assert lowered_latency_ms("/dev/ttyUSB7", tmp_path) == after
    assert lowered_latency_ms("/dev/ttyUSB8", tmp_path) is None


def test_a_pty_is_known_behind_its_link(tmp_path: Path) -> None:
    """Bytes take no time on it."""
    master, slave = os.openpty()
    (tmp_path / "port").symlink_to(os.ttyname(slave))
    assert is_pty(str(tmp_path / "port"))
    assert not is_pty("/dev/ttyS0")
    os.close(master)
    os.close(slave)


class RtsOf:
    """Keeps what the RTS line was set to, and what the far end had received by then."""

    def __init__(self, master: int) -> None:
        """Watch the far end of a pty."""
        self.turns: list[tuple[bool, bytes]] = []
        self._master = master

    @property
    def rts(self) -> bool:
        """The line as it stands."""
        return self.turns[-1][0]

    @rts.setter
    def rts(self, value: bool) -> None:
        try:
            received = os.read(self._master, 100)
        except BlockingIOError:
            received = b""
        self.turns.append((value, received))


@pytest.mark.parametrize("inverted", [False, True])
def test_the_bus_is_let_go_when_everything_is_out(inverted: bool) -> None:
    """Active from before the first byte until after the last."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    port = RtsOf(master)
    rts = Rts(port, slave, inverted=inverted)
    rts.talk()
    os.write(slave, b"request")
    rts.listen(0)
    assert port.turns == [(inverted, b""), (not inverted, b""), (inverted, b"request")]
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("direction", "told"),
    [("rts", "this port has no RTS line; set direction"), ("kernel", "has no RS-485 mode; set direction")],
)
def test_a_port_that_cannot_turn_is_told_with_a_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, direction: Direction, told: str
) -> None:
    """A pty has neither; the line is unavailable, and the log says what to set."""
    master, slave = os.openpty()
    tty.setraw(slave)
    (tmp_path / "port").symlink_to(os.ttyname(slave))

    async def play() -> None:
        settings = SerialSettings(str(tmp_path / "port"), 9600, direction=direction)
        line = SerialLine("bus", settings, Timing.of(9600, "N", 1))
        assert (await line.transact(read_request(1, 0, 1))).error is LineError.UNAVAILABLE
        await line.close()

    asyncio.run(play())
    assert told in caplog.text
    os.close(master)
    os.close(slave)


def test_all_serial_ports_are_found_by_place_and_only_those_with_hardware(tmp_path: Path) -> None:
    """Drivers list more fixed ports than there are; adapters are called by their place."""
    devices, ttys = tmp_path / "dev", tmp_path / "sys"
    by_path = devices / "serial" / "by-path"
    by_path.mkdir(parents=True)
    kinds = {"ttyUSB0": None, "ttyS0": "4", "ttyS1": "0", "ttyS2": "4", "tty7": None, "ttyACM1": None}
    for name, kind in kinds.items():
        if name != "ttyS2":  # the machine has it, this container does not
            (devices / name).touch()
        (ttys / name).mkdir(parents=True)
        if kind is not None:
            (ttys / name / "type").write_text(f"{kind}\n")
        elif name != "tty7":
            (ttys / name / "device").mkdir()
    (by_path / "pci-0-port0").symlink_to(devices / "ttyUSB0")
    assert serial_ports(by_path, ttys, devices) == sorted(
        [str(devices / "ttyACM1"), str(devices / "ttyS0"), str(by_path / "pci-0-port0")]
    )
    assert serial_ports(tmp_path / "none", tmp_path / "none", devices) == []
