"""What the link really carried, as the kernel counts it: bytes with TLS and what was sent again, and packets.

An operator bills IP packets. Linux tells of each TCP connection how many bytes and segments went either way
(TCP_INFO), so nothing has to be guessed but what no connection knows: failed ones, name look-ups, and what a
tunnel adds, which settings say.
"""

import socket
import struct
from dataclasses import dataclass
from typing import Protocol

from edge.clock import Moment
from edge.uplink.budget import Allowance, Use

SAVE_INTERVAL_S = 300.0
SAVE_BYTES = 256 * 1024
"""A count is kept after so long, or as soon as so many bytes are new in it: a crash forgets no more."""
PACKET_BYTES = 52
"""Headers of IPv4 and TCP with timestamps."""
PACKET_BYTES_IPV6 = 72
CLOSING_PACKETS = 4
"""What is said after the last look: the end of a connection, either way."""
ANSWER_BYTES = 800
"""What a batch brings with it but for packets sent again: headers, PUBACK, the centre's acknowledgement."""

_INFO_BYTES = 216
_SEGMENTS_AT, _RECEIVED_AT, _SENT_AT = 136, 128, 200


class Connection(Protocol):
    """What of a socket is needed here."""

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Return the option's bytes."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Since a connection was made: payload bytes of TCP, what of them was sent again, packets both ways."""

    sent: int
    resent: int
    received: int
    packets: int


def carried(connection: Connection) -> Carried | None:
    """Return what a connection has carried; None where this system does not say."""
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except OSError:
        return None
    if len(info) < _INFO_BYTES:
        return None
    [received] = struct.unpack_from("=Q", info, _RECEIVED_AT)
    sent, resent = struct.unpack_from("=QQ", info, _SENT_AT)
    return Carried(sent, resent, received, sum(struct.unpack_from("=II", info, _SEGMENTS_AT)))


class Meter:
    """Counts what the link carries into the allowance, and knows what is still on its way to be counted."""

    def __init__(self, allowance: Allowance, packet_extra_bytes: int = 0) -> None:
        """``packet_extra_bytes`` is what a tunnel adds to each packet."""
        self.allowance = allowance
        self._extra_bytes = packet_extra_bytes
        self._connection: Connection | None = None
        self._counted = 0
        self._on_its_way = 0
        self._guessed = 0
        self._saved_s = float("-inf")
        self._unsaved = 0

    def opened(self, connection: Connection | None) -> None:
        """A connection was made; without a socket to ask, what is handed over is counted as it is said."""
        self._connection = connection
        self._counted = self._on_its_way = self._guessed = 0

    def closed(self, last: Carried | None, now: Moment) -> None:
        """The connection was closed; ``last`` is what it had carried then."""
        if self._connection is not None:
            self._take(last, now)
            self._spend(CLOSING_PACKETS * self._packet_bytes, now)
        self.opened(None)

    def handed(self, octets: int) -> None:
        """A message of so many bytes was handed to the connection; how much of it is counted is not known."""
        self._on_its_way += octets
        self._guessed += octets + ANSWER_BYTES

    def arrived(self, octets: int, now: Moment) -> None:
        """The broker has a message that was handed over, or never will; what was carried of it is counted."""
        self.count(now)
        self._on_its_way = max(0, self._on_its_way - octets)

    def count(self, now: Moment) -> None:
        """Take up what was carried since the last look."""
        self._take(carried(self._connection) if self._connection is not None else None, now)

    def wait_s(self, octets: int, unanswered: int, now: Moment) -> float:
        """Return how long until telemetry of so many bytes may go, if nothing else does; 0 if it may now.

        ``unanswered`` is how many batches were sent whose answers are still to come.
        """
        needed = octets + ANSWER_BYTES * (1 + unanswered) + self._on_its_way
        return self.allowance.wait_s(needed, now)

    def unsaved(self, now: Moment) -> Use | None:
        """Return the count if it is time to keep it, and take it as kept."""
        due = self._unsaved >= SAVE_BYTES or now.s - self._saved_s >= SAVE_INTERVAL_S
        return self.taken(now) if self._unsaved and due else None

    def taken(self, now: Moment) -> Use:
        """Return the count, to be kept now."""
        self._saved_s, self._unsaved = now.s, 0
        return self.allowance.use

    @property
    def _packet_bytes(self) -> int:
        is_ipv6 = self._connection is not None and self._connection.family == socket.AF_INET6
        return (PACKET_BYTES_IPV6 if is_ipv6 else PACKET_BYTES) + self._extra_bytes

    def _take(self, told: Carried | None, now: Moment) -> None:
        if told is None:
            octets, self._guessed = self._guessed, 0
            self._spend(octets, now)
            return
        self._guessed = 0
        octets = told.sent + told.received + told.packets * self._packet_bytes
        self._spend(octets - self._counted, now)
        self._counted = octets

    def _spend(self, octets: int, now: Moment) -> None:
        if octets > 0:
            self.allowance.spend(octets, now)
            self._unsaved += octets
