"""A serial line as a model of time: when each byte leaves and arrives. No clock, no port, no thread."""

import heapq
from collections.abc import Callable
from typing import Literal

from simulators.bus import Bus, Exchange, Mode

SILENCE_ABOVE_19200_NS = 1_750_000
SILENCE_TOLERANCE_NS = 1_000
"""Rounding of a master's own figures is no violation."""

ANSWERS_UNDER_WAY_MAX = 16

Served = Callable[[Exchange, int], None]
"""Called with an exchange and when its last byte arrived (a broadcast: was heard), ns."""


def characters_ns(count: int, baud: int, parity: Literal["N", "E", "O"], stop_bits: Literal[1, 2]) -> int:
    """Return how long ``count`` characters take: 1 start bit, 8 data bits, parity, stop bits."""
    bits = 9 + (parity != "N") + stop_bits
    return count * bits * 1_000_000_000 // baud


def silence_ns(baud: int, parity: Literal["N", "E", "O"], stop_bits: Literal[1, 2]) -> int:
    """Return the silence that must stand before a request: 3.5 characters, above 19200 baud 1.75 ms."""
    return SILENCE_ABOVE_19200_NS if baud > 19_200 else characters_ns(7, baud, parity, stop_bits) // 2


class SimulatedWire:
    """A half-duplex line between one master and a bus.

    ``silence_violations`` counts requests that followed too soon on the bytes before them; a strict bus does
    not hear those. ``collisions`` counts requests during which a device was sending: nobody hears such a
    request, and the master loses the bytes that came while it was sending.
    """

    def __init__(
        self,
        bus: Bus,
        baud: int,
        parity: Literal["N", "E", "O"] = "N",
        stop_bits: Literal[1, 2] = 1,
        *,
        strict: bool = False,
        mode: Mode = "rtu",
        on_served: Served | None = None,
    ) -> None:
        """Connect a bus; ``on_served`` is told of every answer that arrived whole."""
        self.mode = mode
        self.baud, self.parity, self.stop_bits = baud, parity, stop_bits
        self.silence_violations = 0
        self.collisions = 0
        self.requests = 0
        self._bus = bus
        self._strict = strict
        self.on_served = on_served
        self._silence_ns = silence_ns(baud, parity, stop_bits)
        self._sent_until_ns: int | None = None
        self._arrived_ns: int | None = None
        self._answers = 0
        self._under_way: list[tuple[int, int, int, Exchange | None]] = []
        """Heap of (arrival, number of its answer, byte, the exchange that is complete with it)."""

    def send(self, data: bytes, now_ns: int) -> int:
        """Take a request from the master; return when its last byte has left, ns.

        Bytes given while earlier ones are still leaving follow directly on them.
        """
        start_ns = max(now_ns, self._sent_until_ns or now_ns)
        end_ns = start_ns + self._characters_ns(len(data))
        self.requests += 1
        heard = not self._collides(start_ns, end_ns)
        if heard and self._too_soon(start_ns):
            self.silence_violations += 1
            heard = not self._strict
        self._sent_until_ns = end_ns
        if heard and (exchange := self._bus.exchange(data, end_ns, self.mode)):
            self._answer(exchange, end_ns)
        return end_ns

    def receive(self, now_ns: int) -> bytes:
        """Return all bytes that have arrived at the master by now; each byte is returned once."""
        data = bytearray()
        while self._under_way and self._under_way[0][0] <= now_ns:
            self._arrived_ns, _, byte, finished = heapq.heappop(self._under_way)
            data.append(byte)
            if finished and self.on_served:
                self.on_served(finished, self._arrived_ns)
        return bytes(data)

    def next_arrival_ns(self) -> int | None:
        """Return when the next byte arrives; None if nothing is under way."""
        return self._under_way[0][0] if self._under_way else None

    def _answer(self, exchange: Exchange, end_ns: int) -> None:
        frame = exchange.frame(self.mode)
        if not frame and self.on_served:
            self.on_served(exchange, end_ns)
        if len({entry[1] for entry in self._under_way}) >= ANSWERS_UNDER_WAY_MAX:
            return
        self._answers += 1
        start_ns = end_ns + exchange.turnaround_ns
        for index, byte in enumerate(frame):
            finished = exchange if index == len(frame) - 1 else None
            arrival_ns = start_ns + self._characters_ns(index + 1)
            heapq.heappush(self._under_way, (arrival_ns, self._answers, byte, finished))

    def _collides(self, start_ns: int, end_ns: int) -> bool:
        """Drop the bytes that a device sends while the master does; say whether there were any."""
        character_ns = self._characters_ns(1)
        lost = {
            entry for entry in self._under_way if entry[0] > start_ns and entry[0] - character_ns < end_ns
        }
        if lost:
            self.collisions += 1
            self._under_way = [entry for entry in self._under_way if entry not in lost]
            heapq.heapify(self._under_way)
        return bool(lost)

    def _too_soon(self, start_ns: int) -> bool:
        if self.mode == "ascii":
            return False  # a colon begins a frame, silence or not
        waiting = [entry[0] for entry in self._under_way if entry[0] <= start_ns]
        known = [time_ns for time_ns in (self._sent_until_ns, self._arrived_ns) if time_ns is not None]
        if not (known or waiting):
            return False
        return start_ns - max(known + waiting) < self._silence_ns - SILENCE_TOLERANCE_NS

    def _characters_ns(self, count: int) -> int:
        return characters_ns(count, self.baud, self.parity, self.stop_bits)
