"""Where a line leads: one bus is known by whatever name."""

import os
from pathlib import Path

import pytest

from edge.lines.endpoints import of_host, of_line, of_port
from edge.settings import SerialLine, SerialOverTcp, TcpLine


def test_a_port_is_one_by_link_by_path_and_by_number(tmp_path: Path) -> None:
    """Also through another node of the same device; a file that is none is known by its real path."""
    near, far = os.openpty()
    try:
        port = Path(os.ttyname(far))
        (tmp_path / "by-id").symlink_to(port)
        (tmp_path / "by-path").symlink_to("by-id")
        spelt = f"/dev/../{port}"
        assert (
            len({of_port(str(each)) for each in (port, tmp_path / "by-id", tmp_path / "by-path", spelt)}) == 1
        )
        assert of_port(str(port)) != of_port("/dev/null")
    finally:
        os.close(near)
        os.close(far)


def test_a_port_that_is_not_there_is_one_by_its_name(tmp_path: Path) -> None:
    """And by a link to where it would be."""
    gone, other = tmp_path / "ttyUSB0", tmp_path / "ttyUSB1"
    (tmp_path / "link").symlink_to(gone)
    assert of_port(str(gone)) == of_port(f"{tmp_path}//ttyUSB0") == of_port(str(tmp_path / "link"))
    assert of_port(str(gone)) != of_port(str(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Meters.Example", "meters.example."),
        ("localhost", "127.0.0.1"),
        ("LOCALHOST.", "::ffff:127.0.0.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("192.0.2.9", "::ffff:192.0.2.9"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("127.1", "127.0.0.1"),
        ("192.0.2.010", "192.0.2.8"),
    ],
)
def test_a_host_is_one_in_any_spelling(one: str, other: str) -> None:
    """As far as it is known without asking anybody."""
    assert of_host(one, 502) == of_host(other, 502)
    assert of_host(one, 502) != of_host(other, 503)


def test_hosts_that_may_be_others_are_others() -> None:
    """The loopback of the other family may be another server's."""
    hosts = ("127.0.0.1", "127.0.0.2", "::1", "a.example", "b.example", "192.0.2.1", "2001:db8::1", "10")
    assert len({of_host(host, 502) for host in hosts}) == len(hosts)


def test_a_converter_is_one_whatever_is_spoken_through_it() -> None:
    """Two kinds of line to one host and port are one bus."""
    tcp = TcpLine(kind="tcp", name="a", host="192.0.2.1", port=4001)
    raw = SerialOverTcp(kind="serial_over_tcp", name="b", host="192.0.2.1", port=4001, baud=9600)
    serial = SerialLine(kind="serial", name="c", port="/dev/null", baud=9600)
    assert of_line(tcp) == of_line(raw) != of_line(serial)
