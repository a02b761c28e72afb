"""Several devices behind one line: who hears a frame, who answers, how soon."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Literal

from pymodbus.framer.ascii import FramerAscii
from pymodbus.framer.rtu import FramerRTU

from simulators.devices import Device
from simulators.identity import Counters
from simulators.modbus import DECODER, WRITES, Record, serve

BROADCAST = 0
FRAME_BYTES_MIN = 4
FRAME_BYTES_MAX = 256
ASCII_FRAME_BYTES_MAX = 513

Mode = Literal["rtu", "ascii"]
"""Serial transmission mode."""

_RTU, _ASCII = FramerRTU(DECODER), FramerAscii(DECODER)


@dataclass
class Seat:
    """A device's place on a bus; a dead one neither hears nor answers."""

    device: Device
    turnaround_ns: int
    alive: bool = True
    counters: Counters = field(default_factory=Counters)


@dataclass(frozen=True)
class Exchange:
    """What a request led to. ``pdu`` is empty where nothing is sent back (a broadcast)."""

    unit_id: int
    pdu: bytes
    turnaround_ns: int
    records: tuple[Record, ...] = field(default=())

    def frame(self, mode: Mode = "rtu") -> bytes:
        """Return the answer as a frame; empty if there is none."""
        framer = _ASCII if mode == "ascii" else _RTU
        return framer.encode(self.pdu, self.unit_id, 0) if self.pdu else b""


class Bus:
    """Devices by unit id. Times are nanoseconds of the one clock that all devices share."""

    def __init__(
        self,
        *,
        before: Callable[[int], None] | None = None,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        """``before`` is called with the time before each request (to bring values up to date).

        ``lock`` is held from then to the answer, for buses whose devices other threads change.
        """
        self.seats: dict[int, Seat] = {}
        self._before = before
        self._lock = lock or nullcontext()

    def add(self, device: Device, unit_id: int, turnaround_ms: float = 5) -> None:
        """Seat a device; it answers ``turnaround_ms`` after the request's end. ValueError if taken."""
        if not 1 <= unit_id <= 247 or unit_id in self.seats:
            raise ValueError(f"unit id {unit_id} of {device.name} is taken or not within 1 to 247")
        self.seats[unit_id] = Seat(device, round(turnaround_ms * 1_000_000))

    def set_alive(self, device_name: str, alive: bool) -> None:
        """Let a device die or come back; KeyError if the bus has none of that name."""
        for seat in self.seats.values():
            if seat.device.name == device_name:
                seat.alive = alive
                return
        raise KeyError(device_name)

    def serve(self, unit_id: int, pdu: bytes, now_ns: int) -> Exchange | None:
        """Return what the unit answers to a PDU; None for silence. A broadcast write reaches all who hear."""
        with self._lock:
            if self._before:
                self._before(now_ns)
            for each in self.seats.values():
                each.counters.bus_messages += each.alive
            if unit_id == BROADCAST:
                return self._broadcast(pdu, now_ns)
            seat = self.seats.get(unit_id)
            if not seat or not seat.alive or not pdu or not seat.device.hears(now_ns):
                return None
            answer, records = serve(seat.device, unit_id, pdu, now_ns, seat.counters)
            refused = bool(answer[0] & 0x80)
            seat.counters.bus_exception_errors += refused
            if refused and seat.device.refuses_in_silence:
                return None
            delay_ns = seat.device.refusal_delay_ns if refused else 0
            return Exchange(unit_id, answer, seat.turnaround_ns + delay_ns, records)

    def exchange(self, frame: bytes, now_ns: int, mode: Mode = "rtu") -> Exchange | None:
        """Return what a frame leads to; None where its checksum is wrong or nobody has its unit id.

        ``now_ns`` is when the frame's last byte was on the line.
        """
        if mode == "ascii":
            used, unit_id, _, pdu = _ASCII.decode(frame)
            return self.serve(unit_id, pdu, now_ns) if used and pdu else None
        if not FRAME_BYTES_MIN <= len(frame) <= FRAME_BYTES_MAX:
            return None
        if not FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big")):
            for seat in self.seats.values():
                seat.counters.bus_communication_errors += seat.alive
            return None
        return self.serve(frame[0], frame[1:-2], now_ns)

    def answer(self, frame: bytes, now_ns: int) -> bytes | None:
        """Return the answering RTU frame, or None for silence."""
        exchange = self.exchange(frame, now_ns)
        return (exchange.frame() or None) if exchange else None

    def _broadcast(self, pdu: bytes, now_ns: int) -> Exchange | None:
        if not pdu or pdu[0] not in WRITES:
            return self._answer_of_anybody(pdu, now_ns)
        living = [
            (unit_id, seat)
            for unit_id, seat in self.seats.items()
            if seat.alive and seat.device.hears(now_ns)
        ]
        served = [serve(seat.device, unit_id, pdu, now_ns) for unit_id, seat in living]
        for _, seat in living:
            seat.counters.server_no_responses += 1
        return Exchange(BROADCAST, b"", 0, tuple(record for _, records in served for record in records))

    def _answer_of_anybody(self, pdu: bytes, now_ns: int) -> Exchange | None:
        """Return what comes of a read of unit 0: some boards answer it, with their own unit."""
        for unit_id, seat in self.seats.items():
            if pdu and seat.alive and seat.device.answers_unit_0 and seat.device.hears(now_ns):
                answer, records = serve(seat.device, unit_id, pdu, now_ns, seat.counters)
                return Exchange(unit_id, answer, seat.turnaround_ns, records)
        return None
