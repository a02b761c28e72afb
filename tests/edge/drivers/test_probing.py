"""What is sent to find devices, and what the bytes mean that come."""

from hypothesis import given
from hypothesis import strategies as st

from device_profiles import catalogue
from edge.drivers.probing import ASCII, PROTOCOLS, RTU, UNITS
from edge.lines.framing import READ_FUNCTIONS

PROFILES = list(catalogue.load_all().values())


def test_nothing_is_ever_asked_but_to_read() -> None:
    """Functions 1 to 4 alone, of every protocol, of every way of asking, with every profile."""
    for protocol in PROTOCOLS:
        for kind in protocol.kinds(PROFILES):
            assert kind.function in READ_FUNCTIONS
            for unit in (0, 1, 247):
                [frame] = protocol.taken_apart(b"", protocol.probe(kind, unit)).requests
                assert (frame.unit_id, frame.pdu[0]) == (unit, kind.function)


def test_formats_are_all_there_and_add_up() -> None:
    """The shares of a prior make one."""
    shares = [share for protocol in PROTOCOLS for _, share in protocol.formats]
    assert abs(sum(shares) - 1) < 1e-9
    assert list(RTU.units) == list(UNITS)


def test_a_refusal_is_an_answer_as_a_value_is() -> None:
    """Somebody is there."""
    kind = RTU.kinds([])[0]
    own = RTU.probe(kind, 7)
    for protocol, refusal, value in (
        (RTU, RTU.framing.framed(7, b"\x83\x02"), RTU.framing.framed(7, b"\x03\x02\x00\x1f")),
        (ASCII, ASCII.framing.framed(7, b"\x83\x02"), ASCII.framing.framed(7, b"\x03\x02\x00\x1f")),
    ):
        own = protocol.probe(kind, 7)
        for answer in (refusal, value):
            frames = protocol.taken_apart(own, answer)
            assert len(frames.answers) == 1
            assert not frames.rest
            assert protocol.is_whole(own, answer)
            assert protocol.taken_apart(own, own + answer).echo
            assert not protocol.is_whole(own, answer[:-1])


def test_our_own_echo_is_nobody() -> None:
    """An adapter that hands our requests back has found nothing."""
    own = RTU.probe(RTU.kinds([])[0], 7)
    frames = RTU.taken_apart(own, own)
    assert (frames.answers, frames.others, frames.requests, frames.rest) == ((), (), (), 0)
    assert frames.echo


def test_another_masters_request_and_a_late_answer_are_told_apart() -> None:
    """The one ends a scan, the other finds a device."""
    own = RTU.probe(RTU.kinds([])[0], 7)
    theirs = RTU.framing.framed(9, b"\x04\x00\x01\x00\x02")
    late = RTU.framing.framed(6, b"\x83\x02")
    frames = RTU.taken_apart(own, theirs + late)
    assert [frame.unit_id for frame in frames.requests] == [9]
    assert [frame.unit_id for frame in frames.others] == [6]


@given(st.binary(max_size=80))
def test_any_bytes_may_come(data: bytes) -> None:
    """They are taken apart, and their lengths add up."""
    for protocol in (RTU, ASCII):
        own = protocol.probe(protocol.kinds([])[0], 1)
        frames = protocol.taken_apart(own, data)
        sound = sum(frame.end - frame.start for frame in frames.answers + frames.others + frames.requests)
        assert sound + frames.rest + (len(own) if frames.echo else 0) == len(data)
