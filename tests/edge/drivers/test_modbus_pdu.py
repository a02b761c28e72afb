"""Requests as pymodbus spells them, answers as pymodbus spells them, and everything else refused by name."""

from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.diag_message import DiagnosticBase
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.other_message import ReportDeviceIdResponse
from pymodbus.pdu.register_message import (
    ReadWriteMultipleRegistersRequest,
    ReadWriteMultipleRegistersResponse,
)

from device_profiles.schema import BIT_TABLES, Table
from edge.drivers import identification_pdu as about
from edge.drivers.modbus_pdu import (
    EXCEPTIONS,
    READ_FUNCTIONS,
    ModbusError,
    check_write_answer,
    coil_value_request,
    mask_write_request,
    read_answer,
    read_request,
    read_write_request,
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
    assert list(read_answer(table, count, pdu)) == values


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


@given(words, st.lists(st.booleans(), min_size=2, max_size=1968))
def test_several_coils_are_spelt_as_pymodbus_spells_them(address: int, values: list[bool]) -> None:
    """By function 15, eight to a byte, the first lowest."""
    request, response = PYMODBUS.pdu_table[15]
    pdu, answer_bytes = write_request("coil", address, values)
    spoken = bytes([15, *address.to_bytes(2), *len(values).to_bytes(2)])
    assert pdu[:5] == spoken
    assert pdu[5:] == spelt(request(address=0, bits=values))[5:]
    answer = spelt(response(address=address, count=len(values)))
    assert (answer, len(answer)) == (spoken, answer_bytes)
    check_write_answer(pdu, answer)


@given(words, words, words)
def test_a_mask_write_is_spelt_as_pymodbus_spells_it(address: int, and_mask: int, or_mask: int) -> None:
    """Function 22; only the whole echo proves it."""
    request, response = PYMODBUS.pdu_table[22]
    pdu, answer_bytes = mask_write_request(address, and_mask, or_mask)
    assert pdu == spelt(request(address, and_mask, or_mask))
    answer = spelt(response(address, and_mask, or_mask))
    assert len(answer) == answer_bytes
    check_write_answer(pdu, answer)
    for other in (answer[:5], answer + b"\0", answer[:-1] + bytes([answer[-1] ^ 1])):
        with pytest.raises(ModbusError, match=r"^wrong_echo$"):
            check_write_answer(pdu, other)


@given(words, st.lists(words, min_size=1, max_size=125), words, st.lists(words, min_size=1, max_size=121))
def test_writing_and_reading_at_once_is_spelt_as_pymodbus_spells_it(
    read_address: int, read: list[int], address: int, written: list[int]
) -> None:
    """Function 23."""
    pdu, answer_bytes = read_write_request(read_address, len(read), address, written)
    request = ReadWriteMultipleRegistersRequest(read_count=len(read), write_registers=written)
    request.read_address, request.write_address = read_address, address
    assert pdu == spelt(request)
    answer = spelt(ReadWriteMultipleRegistersResponse(registers=read))
    assert len(answer) == answer_bytes
    assert list(read_answer("holding_register", len(read), answer)) == read


@given(st.binary(min_size=1, max_size=249), st.booleans())
def test_a_server_id_is_read_as_pymodbus_spells_it(server_id: bytes, running: bool) -> None:
    """What the device says, without the byte that counts it."""
    answer = spelt(ReportDeviceIdResponse(server_id, running))
    assert about.server_id_answer(answer) == server_id + (b"\xff" if running else b"\x00")
    assert len(answer) <= about.server_id_request()[1]


@given(
    st.sampled_from([1, 2, 3, 4]),
    st.integers(0, 255),
    st.dictionaries(st.integers(0, 255), st.binary(max_size=80), max_size=12),
)
def test_an_identification_is_spelt_and_read_as_pymodbus_spells_it(
    code: int, first: int, objects: dict[int, bytes]
) -> None:
    """As many objects as fit, and where to go on."""
    pdu, answer_bytes = about.identification_request(code, first)
    assert pdu == spelt(ReadDeviceInformationRequest(code, first))
    response = ReadDeviceInformationResponse(code, dict(objects))
    answer = spelt(response)
    assert len(answer) <= answer_bytes
    part = about.identification_answer(pdu, answer)
    told = dict(list(objects.items())[: len(part.objects)])
    assert (part.objects, part.conformity) == (told, 0x83)
    assert part.next_object == (None if told == objects else response.next_object_id)


@given(st.sampled_from([0, *about.COUNTERS.values()]), words)
def test_a_diagnostic_is_spelt_and_read_as_pymodbus_spells_it(sub_function: int, count: int) -> None:
    """The echo, and each counter."""
    asks, answers = DecodePDU.pdu_sub_table[8][sub_function]
    assert issubclass(asks, DiagnosticBase)
    assert issubclass(answers, DiagnosticBase)
    sent = count.to_bytes(2) if sub_function == about.RETURN_QUERY_DATA else b"\0\0"
    pdu, answer_bytes = about.diagnostics_request(sub_function, sent)
    assert pdu == spelt(asks(sent))
    answer = spelt(answers(count))
    assert len(answer) == answer_bytes
    assert about.counter_answer(pdu, answer) == count


def test_nothing_that_restarts_or_clears_a_device_is_offered() -> None:
    """Diagnostics look only: 0x0001 would restart communications, 0x000A would clear the counters."""
    assert {about.RETURN_QUERY_DATA, *about.COUNTERS.values()} == {0x00, 0x0B, 0x0C, 0x0D, 0x0F}


@given(st.binary(max_size=260))
def test_any_other_answer_about_a_device_is_an_error_and_nothing_else(pdu: bytes) -> None:
    """Noise in the answers of functions 8, 17 and 43."""
    parsers = (
        about.server_id_answer,
        partial(about.identification_answer, b"\x2b\x0e\x01\x00"),
        partial(about.diagnostics_answer, b"\x08\x00\x00\xa5\x37"),
        partial(about.counter_answer, b"\x08\x00\x0b\x00\x00"),
    )
    for head in (b"", b"\x11", b"\x2b\x0e\x01", b"\x08\x00\x0b"):
        for parse in parsers:
            with suppress(ModbusError):
                parse(head + pdu)


def test_the_standards_examples() -> None:
    """Modbus application protocol 1.1b3, section 6: what it prints as request and response."""

    def octets(text: str) -> bytes:
        return bytes.fromhex(text)

    coils = [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]
    assert write_request("coil", 0x13, coils) == (octets("0F 00 13 00 0A 02 CD 01"), 5)
    check_write_answer(octets("0F 00 13 00 0A 02 CD 01"), octets("0F 00 13 00 0A"))
    assert write_request("holding_register", 1, [0x0A, 0x0102]) == (
        octets("10 00 01 00 02 04 00 0A 01 02"),
        5,
    )
    assert mask_write_request(4, 0xF2, 0x25) == (octets("16 00 04 00 F2 00 25"), 7)
    check_write_answer(octets("16 00 04 00 F2 00 25"), octets("16 00 04 00 F2 00 25"))
    assert read_write_request(3, 6, 0x0E, [0xFF] * 3) == (
        octets("17 00 03 00 06 00 0E 00 03 06 00 FF 00 FF 00 FF"),
        14,
    )
    read = list(read_answer("holding_register", 6, octets("17 0C 00 FE 0A CD 00 01 00 03 00 0D 00 FF")))
    assert read == [0xFE, 0x0ACD, 1, 3, 0x0D, 0xFF]
    assert about.diagnostics_request(0, octets("A5 37")) == (octets("08 00 00 A5 37"), 5)
    assert about.diagnostics_answer(octets("08 00 00 A5 37"), octets("08 00 00 A5 37")) == octets("A5 37")
    assert about.identification_request(about.BASIC, 0)[0] == octets("2B 0E 01 00")
    objects = {0: b"Company identification", 1: b"Product code XX", 2: b"V2.11"}
    said = b"".join(bytes([number, len(text)]) + text for number, text in objects.items())
    part = about.identification_answer(octets("2B 0E 01 00"), octets("2B 0E 01 01 00 00 03") + said)
    assert part == about.IdentificationPart(1, None, objects)
