"""Modbus PDUs that ask a device about itself (Modbus application protocol 1.1b3: 6.8, 6.13 and 6.21)."""

import struct
from dataclasses import dataclass

from edge.drivers.modbus_pdu import ModbusError, counted_data, raise_exception

DIAGNOSTICS, REPORT_SERVER_ID, ENCAPSULATED = 8, 17, 43
DEVICE_IDENTIFICATION = 14
"""The interface type under function 43."""
PDU_BYTES_MAX = 253

BASIC, REGULAR, EXTENDED, INDIVIDUAL = 1, 2, 3, 4
"""Read codes: three streams of objects, each holding the one before, and the access to a single object."""
MORE_FOLLOWS = 0xFF

RETURN_QUERY_DATA = 0x0000
COUNTERS = {
    "bus_messages": 0x0B,
    "bus_communication_errors": 0x0C,
    "bus_exception_errors": 0x0D,
    "server_no_responses": 0x0F,
}
"""Diagnostic sub-functions that return a counter. None that changes anything in a device is offered."""


@dataclass(frozen=True, slots=True)
class IdentificationPart:
    """One answer to read device identification; ``next_object`` is where to go on, None at the end."""

    conformity: int
    next_object: int | None
    objects: dict[int, bytes]


def server_id_request() -> tuple[bytes, int]:
    """Return the PDU of report server id, and the greatest length of its answer's PDU."""
    return bytes([REPORT_SERVER_ID]), PDU_BYTES_MAX


def server_id_answer(pdu: bytes) -> bytes:
    """Return what the device says of itself: id, run indicator, and whatever its maker added."""
    return counted_data(pdu)


def run_indicator(data: bytes) -> bool | None:
    """Return what a server id says of running; None where neither byte that may say so is 0x00 or 0xFF.

    The length of the id itself is the maker's: usually the id is one byte and the indicator the second, and
    where the id is longer without an addition the indicator is the last.
    """
    for byte in (data[1:2], data[2:][-1:]):
        if byte in (b"\x00", b"\xff"):
            return byte == b"\xff"
    return None


def identification_request(read_code: int, object_id: int) -> tuple[bytes, int]:
    """Return the PDU of read device identification, and the greatest length of its answer's PDU."""
    return bytes([ENCAPSULATED, DEVICE_IDENTIFICATION, read_code, object_id]), PDU_BYTES_MAX


def identification_answer(request: bytes, pdu: bytes) -> IdentificationPart:
    """Return the objects of an answer; ModbusError for an exception, or an answer that contradicts itself."""
    raise_exception(pdu)
    if pdu[:3] != request[:3]:
        raise ModbusError("wrong_echo")
    if len(pdu) < 7:
        raise ModbusError("wrong_length")
    conformity, more, next_object, count = pdu[3:7]
    objects: dict[int, bytes] = {}
    rest = pdu[7:]
    for _ in range(count):
        if len(rest) < 2 or len(rest) < 2 + rest[1]:
            raise ModbusError("wrong_length")
        objects[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    if rest:
        raise ModbusError("wrong_length")
    return IdentificationPart(conformity, next_object if more == MORE_FOLLOWS else None, objects)


def diagnostics_request(sub_function: int, data: bytes = b"\0\0") -> tuple[bytes, int]:
    """Return the PDU of a diagnostic, and the length of its answer's PDU; ``data`` is whole words."""
    pdu = struct.pack(">BH", DIAGNOSTICS, sub_function) + data
    return pdu, len(pdu)


def diagnostics_answer(request: bytes, pdu: bytes) -> bytes:
    """Return the answer's data; ModbusError for an exception, another sub-function or another length."""
    raise_exception(pdu)
    if pdu[:3] != request[:3]:
        raise ModbusError("wrong_echo")
    if len(pdu) != len(request):
        raise ModbusError("wrong_length")
    return pdu[3:]


def counter_answer(request: bytes, pdu: bytes) -> int:
    """Return the count that a counter's answer holds."""
    return int.from_bytes(diagnostics_answer(request, pdu), "big")
