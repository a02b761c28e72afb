"""What a receiver makes of another's characters, held against what is known of UARTs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.bus import Bus
from simulators.mixed_wire import MixedWire
from simulators.uart import Format, received
from simulators.wire import SimulatedWire

FRAME = bytes.fromhex("010300000001840a")


@given(st.binary(max_size=40), st.sampled_from([300, 9600, 115_200]), st.sampled_from("NEO"))
def test_what_is_sent_in_the_same_format_arrives(data: bytes, baud: int, parity: str) -> None:
    """Whatever the bytes."""
    same = Format(baud, parity)  # type: ignore[arg-type]
    assert received(data, same, same) == (data, 0)


@given(st.binary(min_size=1, max_size=40))
def test_two_stop_bits_reach_who_expects_one(data: bytes) -> None:
    """A receiver looks at one: so a scan sends two, and need not ask twice."""
    assert received(data, Format(9600, "N", 2), Format(9600, "N", 1)).data == data


@pytest.mark.parametrize("parity", ["E", "O"])
def test_wrong_parity_is_seen_where_it_is_wrong(parity: str) -> None:
    """Half of all characters have the right parity by chance; the others are read as 0."""
    heard = received(bytes(range(256)), Format(9600, "N", 2), Format(9600, parity))  # type: ignore[arg-type]
    assert heard.errors == 128
    ones = parity == "E"  # the second stop bit of the sender is the parity bit of the receiver, and 1
    assert [byte for byte in heard.data if byte] == [
        byte for byte in range(1, 256) if byte.bit_count() % 2 == ones
    ]


@given(st.sampled_from([1200, 2400, 4800, 19_200, 38_400, 115_200]))
def test_nobody_understands_another_speed(baud: int) -> None:
    """Bytes come, but not those."""
    assert received(FRAME, Format(9600), Format(baud)).data != FRAME


def test_half_the_speed_gives_twice_the_characters_at_most() -> None:
    """And a line at rest gives none."""
    assert received(b"", Format(9600), Format(4800)).data == b""
    assert 0 < len(received(FRAME, Format(9600), Format(19_200)).data) <= 2 * len(FRAME)


def test_swapped_wires_answer_every_question_with_a_break() -> None:
    """Rest is the wrong level there."""
    wire = MixedWire([SimulatedWire(Bus(), 9600)], inverted=True)
    wire.send(FRAME, 0)
    assert wire.receive(10**9) == b"\0"
    assert wire.next_arrival_ns() is None
