"""CRC-16/MODBUS and the RTU frame around a PDU."""

from functools import lru_cache


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


_TABLE = _table()


def crc16(data: bytes) -> int:
    """Return the CRC of ``data``; 0 for a whole sound frame, its own CRC included."""
    value = 0xFFFF
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value


@lru_cache(maxsize=1024)
def framed(unit_id: int, pdu: bytes) -> bytes:
    """Return address, PDU and CRC (low byte first)."""
    body = bytes([unit_id]) + pdu
    return body + crc16(body).to_bytes(2, "little")
