"""Requests as pymodbus spells them, answers as pymodbus spells them, and everything else refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU

from device_profiles.schema import BIT_TABLES, Table
from edge.drivers.modbus_pdu import (
    EXCEPTIONS,
    READ_FUNCTIONS,
    ModbusError,
    check_write_answer,
    coil_value_request,
    read_answer,
    read_request,
    write_request,
)

PYMODBUS = DecodePDU(is_server=True)
TABLES: tuple[Table, ...] = ("coil", "discrete_input", "holding_register", "input_register")
tables = st.sampled_from(TABLES)
words = st.integers(0, 0xFFFF)


def spelt(pdu: ModbusPDU) -> bytes:
    """Return a PDU's bytes as pymodbus encodes it."""
    return bytes([pdu.function_code]) + pdu.encode()


@st.composite
def reads(draw: st.DrawFn) -> tuple[Table, int, int]:
    """Draw a table, an address and a count that one request may ask for."""
    table = draw(tables)
    count = draw(st.integers(1, 2000 if table in BIT_TABLES else 125))
    return table, draw(st.integers(0, 0x10000 - count)), count


@given(reads())
def test_reads_are_spelt_as_pymodbus_spells_them(read: tuple[Table, int, int]) -> None:
    """Function, address, count."""
    table, address, count = read
    request = PYMODBUS.pdu_table[READ_FUNCTIONS[table]][0](address=address, count=count)
    pdu, _ = read_request(table, address, count)
    assert pdu == spelt(request)


@given(reads(), st.data())
def test_answers_are_read_as_pymodbus_spells_them(read: tuple[Table, int, int], data: st.DataObject) -> None:
    """And their length is the one that the request announced."""
    table, address, count = read
    response = PYMODBUS.pdu_table[READ_FUNCTIONS[table]][1]
    if table in BIT_TABLES:
        values = data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
        pdu = spelt(response(bits=[bool(value) for value in values]))
    else:
        values = data.draw(st.lists(words, min_size=count, max_size=count))
        pdu = spelt(response(registers=values))
    assert len(pdu) == read_request(table, address, count)[1]
    assert read_answer(table, count, pdu) == values


@given(words, st.lists(words, min_size=1, max_size=123))
def test_writes_are_spelt_as_pymodbus_spells_them(address: int, values: list[int]) -> None:
    """One register by function 6, several by 16; the answers that pymodbus gives pass."""
    code = 6 if len(values) == 1 else 16
    request, response = PYMODBUS.pdu_table[code]
    pdu, answer_bytes = write_request("holding_register", address, values)
    assert pdu == spelt(request(address=address, registers=values, count=len(values)))
    answer = spelt(response(address=address, registers=values, count=len(values)))
    assert len(answer) == answer_bytes
    check_write_answer(pdu, answer)


@given(words, st.booleans())
def test_a_coil_is_spelt_as_pymodbus_spells_it(address: int, on: bool) -> None:
    """0xFF00 and 0x0000."""
    request, response = PYMODBUS.pdu_table[5]
    pdu, answer_bytes = write_request("coil", address, [int(on)])
    assert pdu == spelt(request(address=address, bits=[on]))
    answer = spelt(response(address=address, bits=[on]))
    assert len(answer) == answer_bytes
    check_write_answer(pdu, answer)


@given(words, words)
def test_a_coil_may_be_given_a_number(address: int, value: int) -> None:
    """Relay boards take their timer's steps so."""
    pdu, answer_bytes = coil_value_request(address, value)
    assert pdu == bytes([5, *address.to_bytes(2, "big"), *value.to_bytes(2, "big")])
    assert answer_bytes == len(pdu)


@pytest.mark.parametrize("code", list(ExcCodes))
def test_exceptions_have_the_standards_names(code: ExcCodes) -> None:
    """Codes that the standard does not name keep their number."""
    pdu = spelt(ExceptionResponse(3, code))
    expected = EXCEPTIONS.get(int(code), f"exception_{int(code)}")
    with pytest.raises(ModbusError, match=f"^{expected}$"):
        read_answer("holding_register", 1, pdu)
    with pytest.raises(ModbusError, match=f"^{expected}$"):
        check_write_answer(b"\x03\0\0\0\1", pdu)


def test_the_names_are_the_standards() -> None:
    """Modbus application protocol 1.1b3, section 7."""
    assert EXCEPTIONS[1] == "illegal_function"
    assert EXCEPTIONS[2] == "illegal_data_address"
    assert EXCEPTIONS[3] == "illegal_data_value"
    assert EXCEPTIONS[6] == "server_device_busy"
    assert EXCEPTIONS[11] == "gateway_target_failed_to_respond"


@given(reads(), st.binary(max_size=260))
def test_any_other_answer_is_an_error_and_nothing_else(read: tuple[Table, int, int], pdu: bytes) -> None:
    """Too short, too long, empty: a ModbusError, or exactly as many values as were asked for."""
    table, _, count = read
    try:
        values = read_answer(table, count, pdu)
    except ModbusError:
        return
    assert len(values) == count


@pytest.mark.parametrize(
    "pdu", [b"", b"\x03", b"\x83", b"\x03\x04\0\1\0", b"\x03\x02\0\1", b"\x03\x04\0\1\0\2\0"]
)
def test_a_wrong_length_is_named(pdu: bytes) -> None:
    """Two registers were asked for."""
    with pytest.raises(ModbusError, match=r"^wrong_length$"):
        read_answer("holding_register", 2, pdu)


@given(st.binary(max_size=8))
def test_only_the_echo_proves_a_write(answer: bytes) -> None:
    """Anything else raises, be it a single byte longer."""
    request = b"\x05\0\0\xff\0"
    check_write_answer(request, request)
    if answer != request:
        with pytest.raises(ModbusError):
            check_write_answer(request, answer)


def test_requests_are_the_vendors() -> None:
    """Frames as manuals print them, without address and CRC."""
    assert read_request("holding_register", 0x01F4, 11) == (bytes.fromhex("03 01 F4 00 0B"), 24)
    assert read_request("coil", 0, 8) == (bytes.fromhex("01 00 00 00 08"), 3)
    assert write_request("coil", 0, [1]) == (bytes.fromhex("05 00 00 FF 00"), 5)
    assert write_request("coil", 0, [0]) == (bytes.fromhex("05 00 00 00 00"), 5)
    assert coil_value_request(0x0200, 7) == (bytes.fromhex("05 02 00 00 07"), 5)
