"""One line with devices that are set to different formats, as they leave their factories.

Each format is a wire of its own; what is sent in another is heard as a receiver that is set wrongly hears it.
"""

import heapq
from collections.abc import Callable, Sequence

from simulators.bus import Exchange
from simulators.uart import Format, received
from simulators.wire import SimulatedWire, characters_ns

Served = Callable[[Exchange, int], None]


class MixedWire:
    """Several SimulatedWires behind one port. ``master`` is how the port of the master is set just now.

    ``inverted``: its two wires are swapped.
    """

    def __init__(self, wires: Sequence[SimulatedWire], *, inverted: bool = False) -> None:
        """The port is set like the first wire at first."""
        self.wires = list(wires)
        self.master = self.format_of(wires[0])
        self.inverted = inverted
        self.misheard = 0
        """Requests that nobody heard as they were sent."""
        self.requests = 0
        self._under_way: list[tuple[int, int, int]] = []
        self._bytes = 0

    @property
    def on_served(self) -> Served | None:
        """Told of every answer that arrived whole."""
        return self.wires[0].on_served

    @on_served.setter
    def on_served(self, served: Served | None) -> None:
        for wire in self.wires:
            wire.on_served = served

    @staticmethod
    def format_of(wire: SimulatedWire) -> Format:
        """Return the format of a wire."""
        return Format(wire.baud, wire.parity, wire.stop_bits)

    def send(self, data: bytes, now_ns: int) -> None:
        """Let everybody on the line hear it, each in its own way."""
        self.requests += 1
        understood = False
        for wire in self.wires:
            heard = received(data, self.master, self.format_of(wire), inverted=self.inverted).data
            understood = understood or heard == data
            if heard:
                wire.send(heard, now_ns)
        self.misheard += not understood
        if self.inverted:  # where the port listens again, rest looks like a break
            self._bytes += 1
            end_ns = now_ns + characters_ns(len(data) + 1, *self.master)
            heapq.heappush(self._under_way, (end_ns, self._bytes, 0))

    def receive(self, now_ns: int) -> bytes:
        """Return what has arrived at the master by now, as its port makes it out."""
        for wire in self.wires:
            sent = self.format_of(wire)
            while (due_ns := wire.next_arrival_ns()) is not None and due_ns <= now_ns:
                for byte in received(wire.receive(due_ns), sent, self.master, inverted=self.inverted).data:
                    self._bytes += 1
                    heapq.heappush(self._under_way, (due_ns, self._bytes, byte))
        data = bytearray()
        while self._under_way and self._under_way[0][0] <= now_ns:
            data.append(heapq.heappop(self._under_way)[2])
        return bytes(data)

    def next_arrival_ns(self) -> int | None:
        """Return when the next byte arrives; None if nothing is under way."""
        due = [due_ns for wire in self.wires if (due_ns := wire.next_arrival_ns()) is not None]
        return min((*due, *(entry[0] for entry in self._under_way[:1])), default=None)
