"""Modbus PDUs for reading and writing registers and bits (Modbus application protocol 1.1b3, section 6)."""

import struct
from collections.abc import Sequence

from device_profiles.schema import BIT_TABLES, Table

READ_FUNCTIONS: dict[Table, int] = {
    "coil": 1,
    "discrete_input": 2,
    "holding_register": 3,
    "input_register": 4,
}
WRITE_COIL, WRITE_REGISTER, WRITE_REGISTERS = 5, 6, 16
COIL_ON, COIL_OFF = 0xFF00, 0x0000

EXCEPTIONS = {
    1: "illegal_function",
    2: "illegal_data_address",
    3: "illegal_data_value",
    4: "server_device_failure",
    5: "acknowledge",
    6: "server_device_busy",
    8: "memory_parity_error",
    10: "gateway_path_unavailable",
    11: "gateway_target_failed_to_respond",
}


class ModbusError(Exception):
    """A device's answer says no, or says something else than was asked; the text goes into the sample."""


def read_request(table: Table, address: int, count: int) -> tuple[bytes, int]:
    """Return the PDU that reads ``count`` registers or bits, and the length of its answer's PDU."""
    data_bytes = (count + 7) // 8 if table in BIT_TABLES else 2 * count
    return struct.pack(">BHH", READ_FUNCTIONS[table], address, count), 2 + data_bytes


def read_answer(table: Table, count: int, pdu: bytes) -> list[int]:
    """Return the registers, or the bits as 0 and 1; ModbusError for an exception or a wrong length."""
    _raise_exception(pdu)
    data = pdu[2:]
    expected = (count + 7) // 8 if table in BIT_TABLES else 2 * count
    if pdu[1:2] != bytes([expected]) or len(data) != expected:
        raise ModbusError("wrong_length")
    if table in BIT_TABLES:
        return [data[index // 8] >> (index % 8) & 1 for index in range(count)]
    return list(struct.unpack(f">{count}H", data))


def write_request(table: Table, address: int, words: Sequence[int]) -> tuple[bytes, int]:
    """Return the PDU that writes one coil or some registers, and the length of its answer's PDU."""
    if table == "coil":
        value = COIL_ON if words[0] else COIL_OFF
        return struct.pack(">BHH", WRITE_COIL, address, value), 5
    if len(words) == 1:
        return struct.pack(">BHH", WRITE_REGISTER, address, words[0]), 5
    data = struct.pack(f">{len(words)}H", *words)
    return struct.pack(">BHHB", WRITE_REGISTERS, address, len(words), len(data)) + data, 5


def coil_value_request(address: int, value: int) -> tuple[bytes, int]:
    """Return a write-coil PDU whose value is a number, as device-side timers take it."""
    return struct.pack(">BHH", WRITE_COIL, address, value), 5


def check_write_answer(request: bytes, answer: bytes) -> None:
    """Hold a write's answer against its request; ModbusError where it is no echo of its first five bytes."""
    _raise_exception(answer)
    if answer != request[:5]:
        raise ModbusError("wrong_echo")


def _raise_exception(pdu: bytes) -> None:
    if len(pdu) < 2:
        raise ModbusError("wrong_length")
    if pdu[0] & 0x80:
        raise ModbusError(EXCEPTIONS.get(pdu[1], f"exception_{pdu[1]}"))
