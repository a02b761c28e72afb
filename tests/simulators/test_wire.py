"""The simulated wire keeps time to the nanosecond."""

import pytest
from pymodbus.framer.rtu import FramerRTU

from simulators.bus import Bus, Exchange
from simulators.relay_board import RelayBoard
from simulators.wire import SimulatedWire, characters_ns, silence_ns

MS = 1_000_000
READ = bytes.fromhex("01 01 00 00 00 08 3D CC")


def wire_of(
    turnaround_ms: float = 5, *, strict: bool = False, served: list[tuple[Exchange, int]] | None = None
) -> SimulatedWire:
    """A 9600 8N1 line with a relay board of unit 1, and one of unit 2 that answers at once."""
    bus = Bus()
    bus.add(RelayBoard("slow"), 1, turnaround_ms)
    bus.add(RelayBoard("quick"), 2, 0)
    taken = [] if served is None else served
    return SimulatedWire(bus, 9600, strict=strict, on_served=lambda *what: taken.append(what))


def drained(wire: SimulatedWire) -> list[tuple[int, int]]:
    """Return (arrival, byte) of everything under way."""
    found = []
    while (arrival_ns := wire.next_arrival_ns()) is not None:
        assert wire.receive(arrival_ns - 1) == b""
        found += [(arrival_ns, byte) for byte in wire.receive(arrival_ns)]
    return found


@pytest.mark.parametrize(
    ("baud", "parity", "stop_bits", "nanoseconds"),
    [
        (9600, "N", 1, 1_041_666),
        (9600, "E", 1, 1_145_833),
        (9600, "N", 2, 1_145_833),
        (19200, "N", 1, 520_833),
        (115200, "E", 1, 95_486),
    ],
)
def test_character_takes_its_bits(baud: int, parity: str, stop_bits: int, nanoseconds: int) -> None:
    """Ten bits without parity and with one stop bit, eleven with either."""
    assert characters_ns(1, baud, parity, stop_bits) == nanoseconds  # type: ignore[arg-type]


def test_silence_is_3_5_characters_or_1_75_ms() -> None:
    """The fixed figure holds above 19200 baud."""
    assert silence_ns(9600, "N", 1) == 3_645_833
    assert silence_ns(19200, "E", 1) == 2_005_208
    assert silence_ns(38400, "N", 1) == 1_750_000


def test_bytes_leave_and_arrive_one_character_apart() -> None:
    """Eight characters out, the turnaround, six characters back, to the nanosecond."""
    served: list[tuple[Exchange, int]] = []
    wire = wire_of(served=served)
    assert wire.send(READ, 100 * MS) == 100 * MS + 8_333_333
    arrivals = drained(wire)
    start_ns = 100 * MS + 8_333_333 + 5 * MS
    assert [arrival for arrival, _ in arrivals] == [
        start_ns + (index + 1) * 10_000_000_000 // 9600 for index in range(6)
    ]
    assert bytes(byte for _, byte in arrivals) == bytes.fromhex("01 01 01 00 51 88")
    assert [(exchange.records[0].values, at_ns) for exchange, at_ns in served] == [
        ((0,) * 8, arrivals[-1][0])
    ]


def test_bytes_are_given_once() -> None:
    """A late reader gets all at once, then nothing."""
    wire = wire_of()
    wire.send(READ, 0)
    assert len(wire.receive(10**9)) == 6
    assert wire.receive(10**9) == b""
    assert wire.next_arrival_ns() is None


def test_silence_is_measured_from_the_last_byte() -> None:
    """A request 3.5 characters after the answer is in order, one a microsecond and a half earlier is not."""
    for early_ns, violations in ((0, 0), (1_500, 1)):
        wire = wire_of()
        wire.send(READ, 0)
        last_ns = drained(wire)[-1][0]
        wire.send(READ, last_ns + silence_ns(9600, "N", 1) - early_ns)
        assert wire.silence_violations == violations
        assert drained(wire)


def test_strict_bus_does_not_hear_a_hasty_request() -> None:
    """It is counted and ignored, and the next orderly one is answered."""
    wire = wire_of(strict=True)
    wire.send(READ, 0)
    last_ns = drained(wire)[-1][0]
    end_ns = wire.send(READ, last_ns + MS)
    assert (wire.silence_violations, drained(wire)) == (1, [])
    wire.send(READ, end_ns + 4 * MS)
    assert len(drained(wire)) == 6


def test_request_into_an_answer_is_lost_with_what_it_covered() -> None:
    """Half duplex: nobody hears the request, the master misses the bytes sent meanwhile."""
    wire = wire_of()
    end_ns = wire.send(READ, 0)
    began_ns = end_ns + 5 * MS
    wire.send(READ, began_ns + characters_ns(2, 9600, "N", 1))
    assert wire.collisions == 1
    assert bytes(byte for _, byte in drained(wire)) == b"\x01\x01"


def test_late_answer_comes_between_others() -> None:
    """A slow device's answer still arrives when the master has long gone on."""
    served: list[tuple[Exchange, int]] = []
    wire = wire_of(turnaround_ms=300, served=served)
    wire.send(READ, 0)
    read_quick = b"\x02" + READ[1:6]
    wire.send(read_quick + FramerRTU.compute_CRC(read_quick).to_bytes(2, "big"), 200 * MS)
    data = bytes(byte for _, byte in drained(wire))
    assert (data[0], data[6]) == (2, 1)
    assert [exchange.unit_id for exchange, _ in served] == [2, 1]
    assert (wire.collisions, wire.silence_violations) == (0, 0)


def test_bytes_sent_while_others_leave_follow_on_them() -> None:
    """A transmitter sends one byte after the other, and that leaves no silence."""
    wire = wire_of()
    end_ns = wire.send(b"\x09\x09", 0)
    assert wire.send(READ, 0) == end_ns + 8_333_333
    assert wire.silence_violations == 1
