"""Batches: exact on arrival, and one named error for everything malformed."""

import math
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from contract import batches, columns
from contract.errors import ContractError
from contract.events import AlarmCleared, AlarmRaised, Event, Gap, Priority
from contract.layout import Payload
from contract.limits import MESSAGE_BYTES_MAX, PAYLOAD_BYTES_MAX
from contract.samples import ClockState, Measured, Quality, Row, Sample, how_many, spread
from contract.streams import pack_integers
from contract.topics import Lane

EPOCH = "0123456789abcdef0123456789abcdef"
names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,12}", fullmatch=True)
values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.decimals(-9999, 9999, places=2).map(float)
)
kinds = st.sampled_from(
    [
        values,
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.integers(-300, 300),
        st.floats(),
        st.floats(width=32),
        st.decimals(-9999, 9999, places=2).map(float),
        st.text(max_size=5),
        st.none(),
    ]
)
"""What a point's values are: anything, or all of a kind, as they are in life."""

states = st.tuples(st.sampled_from(Quality), st.text(max_size=10), st.sampled_from(ClockState))


@st.composite
def sample_lists(draw: st.DrawFn) -> list[Sample]:
    """Draw samples of a few series, each with strictly increasing times."""
    samples = []
    keys = draw(st.lists(st.tuples(names, names), min_size=1, max_size=5, unique=True))
    together = sorted(draw(st.sets(st.integers(0, 10**13), min_size=1, max_size=8)))
    for device, point in keys:
        kind = draw(kinds)
        gaps = draw(st.booleans())
        apart = draw(st.booleans())
        for time_ms in (
            together if not apart else sorted(draw(st.sets(st.integers(0, 10**13), min_size=1, max_size=8)))
        ):
            samples.append(  # noqa: PERF401 - draws read better in order
                Sample(
                    time_ms,
                    device,
                    point,
                    None if gaps and draw(st.booleans()) else draw(kind),
                    *(draw(states) if gaps else ()),
                )
            )
    return samples


def header(content: batches.Content = batches.Content.SAMPLES, sequence: int = 1) -> batches.Header:
    """Return the header of some batch."""
    return batches.Header("north", "gw-1", EPOCH, Lane.TELEMETRY, sequence, content, EPOCH, 1_700_000_000_000)


@given(sample_lists())
def test_every_sample_arrives_exactly_as_it_left(samples: list[Sample]) -> None:
    """Types included: 1, 1.0 and True stay apart, and so do 0.0 and -0.0."""
    arrived = batches.decode(batches.message(header(), batches.samples_payload(samples))).samples
    expected = sorted(samples, key=lambda sample: (sample.device, sample.point, sample.time_ms))
    assert list(map(repr, arrived)) == list(map(repr, expected))


plain = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.booleans() | st.none()


@st.composite
def measured_lists(draw: st.DrawFn) -> list[Measured]:
    """Draw what a few devices said one after the other, in rows and in single samples."""
    measured: list[Measured] = []
    points = {
        f"d{number}": tuple(draw(st.lists(names, min_size=1, max_size=4, unique=True))) for number in range(3)
    }
    for time_ms in range(draw(st.integers(1, 6))):
        for device, wanted in points.items():
            values = tuple(draw(plain) for _ in wanted)
            row = Row(time_ms, device, wanted, values)
            kind = draw(st.sampled_from(["row", "row", "samples", "part", "bad"]))
            if kind == "row":
                measured.append(row)
            elif kind == "samples":
                measured += row.samples
            elif kind == "part":
                measured.append(Row(time_ms, device, wanted[:1], values[:1]))
            else:
                measured.append(Sample(time_ms, device, wanted[0], None, Quality.BAD, "timeout"))
    return measured


@given(measured_lists())
def test_rows_are_packed_as_the_samples_that_they_stand_for(measured: list[Measured]) -> None:
    """To the byte."""
    assert columns.pack(measured) == columns.pack(list(spread(measured)))
    assert sum(map(how_many, measured)) == len(list(spread(measured)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 5e-324, 0.1 + 0.2, 1e300])
def test_awkward_floats_travel_bit_by_bit(value: float) -> None:
    """A float that no decimal carries exactly is sent as its eight bytes."""
    [sample] = columns.unpack(columns.pack([Sample(1, "d", "p", value)]))
    assert repr(sample.value) == repr(value)


def test_events_arrive_exactly_as_they_left() -> None:
    """The union of events is told apart by its tag."""
    events: list[Event] = [
        AlarmRaised(
            EPOCH, 5, "tilt", "cover-1", "roll", "cover_open", Priority.HIGH, "倾斜", value=12.5, limit=10
        ),
        AlarmCleared(EPOCH, 6, "tilt", "cover-1", "roll"),
        Gap(EPOCH, 7, "gateway", "power cut", 1, 2),
    ]
    data = batches.message(header(batches.Content.EVENTS), batches.events_payload(events))
    assert batches.decode(data).events == events


def test_a_tombstone_says_what_is_missing() -> None:
    """Retention replaces a batch and keeps its range and count."""
    tombstone = batches.Tombstone(10, 20, 300, "buffer full")
    data = batches.message(header(batches.Content.TOMBSTONE), batches.tombstone_payload(tombstone))
    assert batches.decode(data).tombstone == tombstone


def test_times_of_a_series_must_increase_strictly() -> None:
    """Two values at one time would overwrite each other in the store."""
    with pytest.raises(ContractError, match="strictly"):
        batches.samples_payload([Sample(5, "d", "p", 1), Sample(5, "d", "p", 2)])


def test_integers_beyond_a_float64_are_refused_at_the_source() -> None:
    """They would come out of a series store as another number."""
    with pytest.raises(ContractError, match="2\\*\\*53"):
        batches.samples_payload([Sample(5, "d", "p", 2**53 + 1)])
    with pytest.raises(ContractError, match="beyond"):
        batches.samples_payload([Row(5, "d", ("p", "q"), (1, -(2**53) - 1))])


@given(st.binary(max_size=400))
def test_noise_gives_the_named_error(noise: bytes) -> None:
    """Random bytes, behind a valid prefix or not, never raise anything else."""
    good = batches.message(header(), batches.samples_payload([Sample(1, "d", "p", 1)]))
    for data in (noise, b"GF\x01" + noise, good[:-9] + noise):
        try:
            batches.decode(data)
        except ContractError:
            continue


@given(st.data())
def test_a_damaged_batch_decodes_or_gives_the_named_error(data: st.DataObject) -> None:
    """Any byte may be anything; nothing but ContractError comes out."""
    samples = [Sample(second * 1000, "d", "p", 20 + second / 10) for second in range(1, 9)]
    message = bytearray(batches.message(header(), batches.samples_payload(samples)))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        batches.decode(bytes(message))
    except ContractError as error:
        assert str(error)  # noqa: PT017 - the point is that no other error comes


TWO = [Sample(1_000, "d", "a", 5), Sample(2_000, "d", "a", 7), Sample(1_000, "d", "b", "x")]


def hostile(samples: list[Sample] = TWO, **changes: Any) -> bytes:
    """Return a batch of these samples with some fields of its payload as given, packed as small as can be."""
    sound = msgspec.msgpack.decode(columns.pack(samples), type=Payload)
    plain = msgspec.msgpack.encode(msgspec.structs.replace(sound, **changes))
    packed = zstandard.ZstdCompressor().compress(plain)[len(zstandard.FRAME_HEADER) :]
    return batches.message(header(), b"\x01" + packed)


def test_the_batch_that_is_broken_below_is_sound() -> None:
    """Else every refusal would be one of the batch, not of the change."""
    assert batches.decode(hostile()).samples == TWO


INTEGERS = pack_integers([2**53 + 1])
BROKEN: dict[str, dict[str, Any]] = {
    "no columns": {"spans": [], "forms": b""},
    "half a span": {"spans": [1, 1, 1, 1]},
    "no device of that number": {"spans": [2, 1, 1, 0, 1, 1]},
    "a device before the first": {"spans": [0, 1, 1, 1, 1, 1]},
    "no shape of that number": {"spans": [1, 2, 1, 0, 1, 1]},
    "no times of that number": {"spans": [1, 1, 2, 0, 1, 1]},
    "times before the first": {"spans": [1, 1, 0, 0, 1, 1]},
    "a series twice": {"spans": [1, 1, 1, 0, 0, 1]},
    "a series twice by two names alike": {"points": ["a", "a"]},
    "a shape without points": {"shapes": [[1], []]},
    "no point of that number": {"shapes": [[1], [2]]},
    "a point before the first": {"shapes": [[0], [1]]},
    "a device's name": {"devices": ["D"]},
    "a name too long": {"devices": ["d" * 65]},
    "a first name that counts on": {"devices": [""]},
    "a name that counts on from none": {"points": ["a", ""]},
    "a name that grows too long": {"points": ["9" * 64, ""]},
    "more names than samples": {"points": ["a1"] + [""] * 10_000},
    "an entry without times": {"counts": [0, 1]},
    "more times than there are": {"counts": [3, 1]},
    "fewer times than there are": {"counts": [1, 1]},
    "times that stand": {"intervals": pack_integers([0])},
    "times that go back": {"intervals": pack_integers([-5])},
    "a time before the batch": {"offsets": pack_integers([-1, 0])},
    "times beyond the year 9999": {"start_ms": 253_402_300_799_000},
    "a time of 64 bits": {"intervals": pack_integers([2**63 - 1])},
    "a form too few": {"forms": b"\x07"},
    "a form too many": {"forms": b"\x07\x0b\x0b"},
    "a form unknown": {"forms": b"\x07\x0c"},
    "switches that are not there": {"forms": b"\x08\x0b"},
    "floats that are not there": {"forms": b"\x09\x0b"},
    "long floats that are not there": {"forms": b"\x0a\x0b"},
    "no first value": {"firsts": b"\x01"},
    "two first values": {"firsts": pack_integers([1, 2])},
    "a step too many": {"steps": pack_integers([1, 1])},
    "no bytes for the steps": {"steps": b""},
    "nine planes": {"steps": b"\x09" + bytes(9)},
    "switches of nobody": {"switches": b"\x00"},
    "floats of nobody": {"floats32": bytes(4)},
    "long floats of nobody": {"floats64": bytes(8)},
    "a text of nobody": {"mixed": ["x", "y"]},
    "no text": {"mixed": []},
    "a text too long": {"mixed": ["x" * 501]},
    "no value at all": {"mixed": [["x"]]},
    "a run of none": {"runs": [(0, 0, 4, "")]},
    "a run beyond the end": {"runs": [(0, 4, 4, "")]},
    "a run that begins beyond the end": {"runs": [(0, 3, 4, ""), (0, 1, 4, "")]},
    "a run of a state unknown": {"runs": [(0, 1, 30, "")]},
    "a run over all values, which are there": {"runs": [(0, 2, 19, "timeout")]},
    "a run that begins before another": {"runs": [(1, 1, 4, ""), (-1, 1, 4, "")]},
    "not for msgpack": {"spans": "spans"},
    "an integer that no float64 holds": {"firsts": INTEGERS},
    "a decimal that no float64 holds": {"firsts": INTEGERS, "forms": b"\x02\x0b"},
    "an integer beyond, in two steps": {"steps": pack_integers([2**53])},
    "an integer beyond, among texts": {"mixed": [2**53 + 1]},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN.keys())
def test_every_way_to_break_a_batch_is_refused(changes: dict[str, Any]) -> None:
    """Names, indices, times, forms, streams, runs and sizes are all checked on arrival."""
    with pytest.raises(ContractError):
        batches.decode(hostile(**changes))


@pytest.mark.parametrize(
    "changes",
    [{"spans": [0, 1, 1]}, {"spans": [1, 0, 1]}, {"spans": [1, 1, 0]}, {"shapes": [[0]]}],
    ids=["device", "shape", "times", "point"],
)
def test_what_lies_before_the_first_of_a_table_is_not_its_last(changes: dict[str, Any]) -> None:
    """A batch of one series, in which the last of each table would be the right one."""
    with pytest.raises(ContractError, match=r"no table|no name"):
        batches.decode(hostile(TWO[:2], **changes))


@pytest.mark.parametrize("form", range(11))
def test_a_column_of_nothing_has_no_form_for_something(form: int) -> None:
    """One that has no first value would take a step less than none."""
    nothing = [Sample(1_000, "d", "a", None, Quality.BAD, "timeout")]
    assert batches.decode(hostile(nothing)).samples == nothing
    with pytest.raises(ContractError, match="without values"):
        batches.decode(hostile(nothing, forms=bytes([form]), firsts=b"\x00", steps=b"\x00"))


@pytest.mark.parametrize("field", Payload.__struct_fields__)
@given(st.data())
def test_a_field_of_noise_decodes_or_gives_the_named_error(field: str, data: st.DataObject) -> None:
    """Whatever stands where bytes, indices or runs belong, nothing but ContractError comes out."""
    small = st.integers(-3, 12)
    noise = st.one_of(
        st.binary(max_size=12),
        st.lists(small, max_size=7),
        st.lists(st.lists(small, max_size=3), max_size=3),
        st.lists(st.tuples(small, small, small, st.just("")), max_size=4),
        st.lists(st.sampled_from(["", "a", "b", "a9"]), max_size=3),
    )
    others: dict[str, Any] = data.draw(
        st.dictionaries(st.sampled_from(["forms", "counts", "runs", "spans"]), noise, max_size=2)
    )
    try:
        batches.decode(hostile(**{field: data.draw(noise), **others}))
    except ContractError as error:
        assert str(error)  # noqa: PT017 - the point is that no other error comes


def test_a_batch_may_not_name_more_samples_than_a_batch_holds() -> None:
    """A hundred bytes could otherwise name millions: few spans of many points, at many times."""
    points = [f"p{number}" for number in range(200)]
    samples = [Sample(time_ms, "d1", point, False) for point in points for time_ms in range(50)]
    whole = batches.decode(hostile(samples)).samples
    assert len(whole) == len(samples) == 10_000
    with pytest.raises(ContractError, match="more than 10000"):
        batches.decode(hostile(samples, devices=["d1", ""], spans=[1, 1, 1, 1, 0, 0], forms=b"\x08" * 400))
    many = [[1]] + [[1] * 10_000] * 2
    with pytest.raises(ContractError, match="more than 10000"):
        batches.decode(hostile(samples, shapes=many))


def test_a_column_gives_its_samples_without_those_of_the_others() -> None:
    """What is wrong with one series is told when that one is asked for, and by name."""
    samples = [*TWO, Sample(1_000, "e", "a", None, Quality.BAD, "timeout"), Sample(9_000, "e", "a", -0.0)]
    table = columns.decode(columns.pack(samples))
    keys = [(table.devices[column.device], table.points[column.point]) for column in table.columns]
    assert keys == [("d", "a"), ("d", "b"), ("e", "a")]
    assert columns.samples_of(table, table.columns[2]) == samples[3:]
    assert columns.samples_of(table, table.columns[0]) == samples[:2]


def test_a_decompression_bomb_is_refused_unread() -> None:
    """A frame that says how far it unpacks is believed; one that does not say is refused."""
    magic = len(zstandard.FRAME_HEADER)
    bomb = zstandard.ZstdCompressor().compress(bytes(PAYLOAD_BYTES_MAX + 1))[magic:]
    with pytest.raises(ContractError, match="unpacks"):
        batches.decode(batches.message(header(), b"\x01" + bomb))
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(PAYLOAD_BYTES_MAX * 2))
    with pytest.raises(ContractError, match="unpack"):
        batches.decode(batches.message(header(), b"\x01" + silent[magic:]))


def test_a_message_over_the_limit_is_refused_on_both_sides() -> None:
    """256 KiB, written and read."""
    with pytest.raises(ContractError, match="at most"):
        batches.message(header(), bytes(MESSAGE_BYTES_MAX))
    with pytest.raises(ContractError, match="at most"):
        batches.decode(bytes(MESSAGE_BYTES_MAX + 1))


def test_a_foreign_version_is_named() -> None:
    """A reader says which version it met and which it speaks."""
    data = batches.message(header(), batches.samples_payload([Sample(1, "d", "p", 1)]))
    with pytest.raises(ContractError, match="version 2; this side speaks 1"):
        batches.decode(data[:2] + b"\x02" + data[3:])


def test_a_day_of_steady_readings_is_small() -> None:
    """Twenty points read together ten times: under two bytes a sample, names and times included."""
    samples = [
        Sample(1_700_000_000_000 + tick * 5000, "station", f"point_{index}", (index * 100 + tick % 7) / 10)
        for index in range(20)
        for tick in range(10)
    ]
    assert len(batches.message(header(), batches.samples_payload(samples))) < 2 * len(samples)


@pytest.mark.parametrize("value", ["x" * 501, 2**53 + 1])
def test_a_value_of_an_event_has_the_same_limits(value: str | int) -> None:
    """Three million characters fit into a message of four hundred bytes."""
    event = AlarmRaised("a" * 32, 0, "r", "d", "p", "x", Priority.HIGH, "m", value=value)
    data = batches.message(header(batches.Content.EVENTS), batches.events_payload([event]))
    with pytest.raises(ContractError):
        batches.decode(data)


def test_alarms_of_before_there_were_conditions_are_still_read() -> None:
    """A cabinet that was not updated, and a journal of last year."""
    before = {
        "type": "alarm_raised", "id": "a" * 32, "time_ms": 1, "rule": "burst", "device": "d", "point": "p",
        "problem": "pipe_burst", "priority": "low", "message": "m", "part": "", "value": None, "limit": None,
        "clock": "synchronised",
    }  # fmt: skip
    over = {
        "type": "alarm_cleared", "id": "a" * 32, "time_ms": 2, "rule": "burst", "device": "d", "point": "p",
        "value": None, "clock": "synchronised",
    }  # fmt: skip
    raised, cleared = msgspec.msgpack.decode(msgspec.msgpack.encode([before, over]), type=list[Event])
    assert isinstance(raised, AlarmRaised)
    assert isinstance(cleared, AlarmCleared)
    assert (raised.condition, raised.planned, cleared.reason) == ("", False, "")
    now = AlarmRaised(
        "b" * 32, 1, "burst", "d", "p", "pipe_burst", Priority.LOW, "m", condition="low_low", planned=True
    )
    again = msgspec.msgpack.decode(msgspec.msgpack.encode([now]), type=list[Event])
    assert again == [now]
