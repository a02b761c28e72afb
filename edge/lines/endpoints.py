"""Where a line leads, by whatever name its settings call it: two lines to one bus are two masters."""

import ipaddress
import os
import socket
import stat

from edge.settings import Line, SerialLine

Endpoint = tuple[str | int, ...]
"""Equal where two names lead to one bus for certain; what only a resolver or a plug tells is not known."""


def of_line(line: Line) -> Endpoint:
    """Return where a line leads now. The file system is asked about a serial port; no name is resolved."""
    return of_port(line.port) if isinstance(line, SerialLine) else of_host(line.host, line.port)


def written_of(line: Line) -> Endpoint:
    """Return where a line leads by what its settings say; nobody is asked."""
    if isinstance(line, SerialLine):
        return "path", os.path.normpath(line.port)
    return of_host(line.host, line.port)


def of_port(port: str) -> Endpoint:
    """Return a serial port by its device number; one that is not there by where its path would lead."""
    try:
        status = os.stat(port)  # noqa: PTH116 - as its settings spell it
    except (OSError, ValueError):
        return "path", os.path.realpath(port)
    if not stat.S_ISCHR(status.st_mode):
        return "path", os.path.realpath(port)
    return "device", os.major(status.st_rdev), os.minor(status.st_rdev)


def of_host(host: str, port: int) -> Endpoint:
    """Return a host and port, the host in one spelling."""
    name = host.removesuffix(".").lower()
    name = "127.0.0.1" if name == "localhost" else name
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return "host", _spelt(name), port
    mapped = getattr(address, "ipv4_mapped", None)
    return "host", str(mapped or address), port


def _spelt(name: str) -> str:
    """Return a name as it is resolved, an IPv4 address of an old spelling (127.1) as it is written now."""
    try:
        return (
            socket.inet_ntoa(socket.inet_aton(name)) if name[:1].isdigit() else name.encode("idna").decode()
        )
    except (OSError, UnicodeError):
        return name
