"""The length of an answer is told by its first bytes, as pymodbus and the standard spell the answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsResponse, ReadDiscreteInputsResponse, WriteMultipleCoilsResponse
from pymodbus.pdu.diag_message import ReturnQueryDataResponse
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse
from pymodbus.pdu.other_message import ReportDeviceIdResponse
from pymodbus.pdu.register_message import (
    MaskWriteRegisterResponse,
    ReadHoldingRegistersResponse,
    ReadInputRegistersResponse,
    ReadWriteMultipleRegistersResponse,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterResponse,
)

from edge.lines.lengths import answer_size

PDU_BYTES_MAX = 253
READ_CODES = (1, 2, 3, 4)
words = st.integers(0, 0xFFFF)
registers = st.lists(words, min_size=1, max_size=125)
bits = st.lists(st.booleans(), min_size=1, max_size=2000)

Told = tuple[bytes, int, bytes]
"""A request's beginning, the greatest length of its answer, and an answer."""


def spelt(pdu: ModbusPDU) -> bytes:
    """Return a PDU's bytes as pymodbus encodes it."""
    return bytes([pdu.function_code]) + pdu.encode()


def exact(pdu: ModbusPDU) -> Told:
    """Return an answer whose request announced its length."""
    data = spelt(pdu)
    return data[:1] + b"\0\0\0\1", len(data), data


def longest(request: bytes, pdu: ModbusPDU) -> Told:
    """Return an answer of which only the greatest length is known."""
    return request, PDU_BYTES_MAX, spelt(pdu)


def identification(code: int, objects: dict[int, bytes]) -> Told:
    """Return an identification with these objects, as far as they fit."""
    return longest(bytes([43, 14, code, 0]), ReadDeviceInformationResponse(code, dict(objects)))


answers: st.SearchStrategy[Told] = st.one_of(
    bits.map(lambda values: exact(ReadCoilsResponse(bits=values))),
    bits.map(lambda values: exact(ReadDiscreteInputsResponse(bits=values))),
    registers.map(lambda values: exact(ReadHoldingRegistersResponse(registers=values))),
    registers.map(lambda values: exact(ReadInputRegistersResponse(registers=values))),
    registers.map(lambda values: exact(ReadWriteMultipleRegistersResponse(registers=values))),
    words.map(lambda value: exact(WriteSingleRegisterResponse(address=value, registers=[value]))),
    words.map(lambda value: exact(WriteMultipleRegistersResponse(address=value, count=2))),
    words.map(lambda value: exact(WriteMultipleCoilsResponse(address=value))),
    words.map(lambda value: exact(MaskWriteRegisterResponse(value, value, value))),
    st.binary(min_size=2, max_size=250).map(lambda data: exact(ReturnQueryDataResponse(data))),
    st.binary(min_size=1, max_size=249).map(lambda data: longest(b"\x11", ReportDeviceIdResponse(data))),
    st.builds(
        identification,
        st.sampled_from(READ_CODES),
        st.dictionaries(st.integers(0, 255), st.binary(max_size=80), max_size=12),
    ),
    st.builds(
        lambda function, code: (bytes([function, 14]), 5, spelt(ExceptionResponse(function, code))),
        st.sampled_from([1, 3, 5, 8, 17, 22, 23, 43]),
        st.sampled_from(list(ExcCodes)),
    ),
)


@given(answers, st.data())
def test_any_split_of_an_answer_gives_its_size_or_asks_for_more(told: Told, data: st.DataObject) -> None:
    """The whole always tells; what has been told stays true, and foreign bytes behind it change nothing."""
    request, answer_bytes, answer = told
    split = data.draw(st.integers(0, len(answer)))
    behind = data.draw(st.binary(max_size=8))
    assert answer_size(request, answer_bytes, answer[:split]) in (None, len(answer))
    assert answer_size(request, answer_bytes, answer + behind) == len(answer)


@given(answers)
def test_once_told_it_stays_told(told: Told) -> None:
    """From the byte on that tells the size, every longer head tells the same."""
    request, answer_bytes, answer = told
    sizes = [answer_size(request, answer_bytes, answer[:end]) for end in range(len(answer) + 1)]
    first = next(index for index, size in enumerate(sizes) if size is not None)
    assert set(sizes[first:]) == {len(answer)}


@given(st.binary(max_size=12), st.integers(2, PDU_BYTES_MAX), st.binary(max_size=300))
def test_any_bytes_have_a_size_or_need_more(request: bytes, answer_bytes: int, head: bytes) -> None:
    """Noise is no exception: a positive number, or None."""
    size = answer_size(request, answer_bytes, head)
    assert size is None or size >= 2


@pytest.mark.parametrize(
    ("request_hex", "answer_bytes", "head_hex", "size"),
    [
        ("01 00 13 00 13", 5, "01 03", 5),  # the standard's examples, by their own byte counts
        ("03 00 6B 00 03", 8, "03", None),
        ("03 00 6B 00 03", 8, "03 06", 8),
        ("0F 00 13 00 0A 02 CD 01", 5, "0F", 5),
        ("16 00 04 00 F2 00 25", 7, "16", 7),
        ("17 00 03 00 06 00 0E 00 03 06 00 FF 00 FF 00 FF", 14, "17 0C", 14),
        ("08 00 00 A5 37", 5, "08", 5),
        ("08 00 00 A5 37 11 22", 7, "08 00", 7),
        ("11", 253, "11", None),
        ("11", 253, "11 03", 5),
        ("2B 0E 01 00", 253, "2B 0E 01 01 00 00", None),
        ("2B 0E 01 00", 253, "2B 0E 01 01 00 00 00", 7),
        ("2B 0E 01 00", 253, "2B 0E 01 01 00 00 01 00", None),
        ("2B 0E 01 00", 253, "2B 0E 01 01 00 00 01 00 16", 31),
        ("2B 0E 01 00", 253, "2B 0E 01 01 00 00 02 00 FF", 264),  # beyond what there can be: no more is asked
        ("2B 0D 00 00", 9, "2B", 9),  # another interface: as long as was announced
        ("2B 0E 01 00", 253, "2B 0D", 253),
        ("03 00 6B 00 03", 8, "83", 2),
        ("03 00 6B 00 03", 8, "04 10", 8),  # another function's answer is for the caller to refuse
        ("03 00 6B 00 03", 8, "", None),
        ("07", 2, "07", 2),
    ],
)
def test_heads_of_answers(request_hex: str, answer_bytes: int, head_hex: str, size: int | None) -> None:
    """By hand, function after function."""
    assert answer_size(bytes.fromhex(request_hex), answer_bytes, bytes.fromhex(head_hex)) == size
