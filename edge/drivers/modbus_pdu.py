"""Modbus PDUs for reading and writing registers and bits (Modbus application protocol 1.1b3, section 6).

What a device says of itself is asked for by the PDUs of ``identification_pdu``.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache

from device_profiles.schema import BIT_TABLES, Table

READ_FUNCTIONS: dict[Table, int] = {
    "coil": 1,
    "discrete_input": 2,
    "holding_register": 3,
    "input_register": 4,
}
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
MASK_WRITE, READ_WRITE = 22, 23
COIL_ON, COIL_OFF = 0xFF00, 0x0000
REGISTERS_PER_READ_MAX = 125
COILS_PER_WRITE_MAX = 1968
REGISTERS_PER_WRITE_MAX = 123
REGISTERS_PER_READ_WRITE_MAX = 121
"""So many can be written in the transaction that also reads."""

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


@lru_cache(maxsize=4096)
def read_request(table: Table, address: int, count: int) -> tuple[bytes, int]:
    """Return the PDU that reads ``count`` registers or bits, and the length of its answer's PDU."""
    data_bytes = (count + 7) // 8 if table in BIT_TABLES else 2 * count
    return struct.pack(">BHH", READ_FUNCTIONS[table], address, count), 2 + data_bytes


@lru_cache(maxsize=REGISTERS_PER_READ_MAX)
def _registers(count: int) -> struct.Struct:
    return struct.Struct(f">{count}H")


def read_answer(table: Table, count: int, pdu: bytes) -> tuple[int, ...]:
    """Return the registers, or the bits as 0 and 1; ModbusError for an exception or a wrong length."""
    data_bytes = (count + 7) // 8 if table in BIT_TABLES else 2 * count
    if len(pdu) != 2 + data_bytes or pdu[1] != data_bytes or pdu[0] & 0x80:
        counted_data(pdu)  # raises what is wrong, if not only the length
        raise ModbusError("wrong_length")
    if table in BIT_TABLES:
        data = pdu[2:]
        return tuple([data[index // 8] >> (index % 8) & 1 for index in range(count)])
    return _registers(count).unpack_from(pdu, 2)


def write_request(table: Table, address: int, words: Sequence[int]) -> tuple[bytes, int]:
    """Return the PDU that writes one coil or register, or several, and the length of its answer's PDU."""
    count = len(words)
    if table == "coil" and count == 1:
        return coil_value_request(address, COIL_ON if words[0] else COIL_OFF)
    if table == "coil":
        number = sum(bool(word) << index for index, word in enumerate(words))
        data = number.to_bytes((count + 7) // 8, "little")
        return struct.pack(">BHHB", WRITE_COILS, address, count, len(data)) + data, 5
    if count == 1:
        return struct.pack(">BHH", WRITE_REGISTER, address, words[0]), 5
    data = struct.pack(f">{count}H", *words)
    return struct.pack(">BHHB", WRITE_REGISTERS, address, count, len(data)) + data, 5


def coil_value_request(address: int, value: int) -> tuple[bytes, int]:
    """Return a write-coil PDU whose value is a number, as device-side timers take it."""
    return struct.pack(">BHH", WRITE_COIL, address, value), 5


def mask_write_request(address: int, and_mask: int, or_mask: int) -> tuple[bytes, int]:
    """Return the PDU after which a register is (before AND and_mask) OR (or_mask AND NOT and_mask)."""
    pdu = struct.pack(">BHHH", MASK_WRITE, address, and_mask, or_mask)
    return pdu, len(pdu)


def read_write_request(
    read_address: int, read_count: int, address: int, words: Sequence[int]
) -> tuple[bytes, int]:
    """Return the PDU that writes registers and then reads some, and the length of its answer's PDU."""
    head = struct.pack(">BHHHHB", READ_WRITE, read_address, read_count, address, len(words), 2 * len(words))
    return head + struct.pack(f">{len(words)}H", *words), 2 + 2 * read_count


def check_write_answer(request: bytes, answer: bytes) -> None:
    """Hold a write's answer against its request; ModbusError where it is not the echo that the standard asks.

    A mask write is echoed whole, all other writes by their first five bytes.
    """
    raise_exception(answer)
    if answer != (request if request[0] == MASK_WRITE else request[:5]):
        raise ModbusError("wrong_echo")


def counted_data(pdu: bytes) -> bytes:
    """Return the data of an answer that counts its bytes; ModbusError for an exception or a wrong count."""
    raise_exception(pdu)
    if len(pdu) != 2 + pdu[1]:
        raise ModbusError("wrong_length")
    return pdu[2:]


def raise_exception(pdu: bytes) -> None:
    """Raise ModbusError for an answer that says no, or is too short to say anything."""
    if len(pdu) < 2:
        raise ModbusError("wrong_length")
    if pdu[0] & 0x80:
        raise ModbusError(EXCEPTIONS.get(pdu[1], f"exception_{pdu[1]}"))
