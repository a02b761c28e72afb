"""What Linux knows of a serial port: its name by place, the latency timer of its USB adapter."""

import contextlib
import os
import re
import stat
from pathlib import Path

BY_PATH = Path("/dev/serial/by-path")
TTYS = Path("/sys/class/tty")
PTY_MAJORS = range(136, 144)
"""Device numbers of pseudo-terminals (Linux, admin-guide/devices)."""
LATENCY_MS = 1
"""USB adapters of FTDI keep bytes back so long at least; 16 unless told otherwise."""


def serial_ports(folder: Path = BY_PATH, ttys: Path = TTYS, devices: Path = Path("/dev")) -> list[str]:
    """Return this machine's serial ports: names by place where they have one, else by number.

    Of the fixed ports (ttyS) only those that have hardware behind them; what /dev does not have (in a
    container) is none.
    """
    named: dict[str, str] = {}
    for names in (folder, folder.parent / "by-id"):
        with contextlib.suppress(OSError):
            for link in sorted(names.iterdir()):
                named.setdefault(os.path.realpath(link), str(link))
    for name in sorted(path.name for path in ttys.glob("tty*")) if ttys.is_dir() else ():
        is_serial = re.fullmatch(r"tty(USB|ACM|AMA|XR|RS485-|S|mxc|SC|O)[0-9]+", name)
        if is_serial and _has_hardware(ttys / name) and (devices / name).exists():
            named.setdefault(os.path.realpath(devices / name), str(devices / name))
    return sorted(named.values())


def _has_hardware(tty: Path) -> bool:
    """Say whether something is behind a port; drivers list more fixed ports than there are."""
    try:
        return (tty / "type").read_text().strip() != "0"
    except OSError:
        return (tty / "device").exists()


def is_pty(port: str) -> bool:
    """Say whether the port is a pseudo-terminal, whatever it is called here: bytes on it take no time."""
    try:
        status = Path(port).stat()
    except OSError:
        return False
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in PTY_MAJORS


def by_path(port: str, folder: Path = BY_PATH) -> Path | None:
    """Return the name by place of a port that is named by number (/dev/ttyUSB0); None if it has none."""
    if Path(port).is_relative_to(folder):
        return None
    target = os.path.realpath(port)
    with contextlib.suppress(OSError):
        return next((link for link in sorted(folder.iterdir()) if os.path.realpath(link) == target), None)
    return None


def lowered_latency_ms(port: str, ttys: Path = TTYS) -> int | None:
    """Lower the latency timer of a USB adapter if allowed; return what it is now, None without one."""
    timer = latency_timer(port, ttys)
    try:
        if int(timer.read_text()) > LATENCY_MS:
            with contextlib.suppress(OSError):  # only root may, or whom a udev rule allows
                timer.write_text(f"{LATENCY_MS}\n")
        return int(timer.read_text())
    except (OSError, ValueError):
        return None


def latency_timer(port: str, ttys: Path = TTYS) -> Path:
    """Return the file of a port's latency timer, there or not."""
    return ttys / Path(os.path.realpath(port)).name / "device" / "latency_timer"
