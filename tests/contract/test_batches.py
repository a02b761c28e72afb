"""Batches: exact on arrival, and one named error for everything malformed."""

import math

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from contract import batches, columns
from contract.errors import ContractError
from contract.events import AlarmCleared, AlarmRaised, Event, Gap, Priority
from contract.limits import MESSAGE_BYTES_MAX, PAYLOAD_BYTES_MAX
from contract.samples import ClockState, Measured, Quality, Row, Sample, how_many, spread
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


@st.composite
def sample_lists(draw: st.DrawFn) -> list[Sample]:
    """Draw samples of a few series, each with strictly increasing times."""
    samples = []
    keys = draw(st.lists(st.tuples(names, names), min_size=1, max_size=5, unique=True))
    for device, point in keys:
        for time_ms in sorted(draw(st.sets(st.integers(0, 10**13), min_size=1, max_size=8))):
            samples.append(  # noqa: PERF401 - draws read better in order
                Sample(
                    time_ms,
                    device,
                    point,
                    draw(values),
                    draw(st.sampled_from(Quality)),
                    draw(st.text(max_size=10)),
                    draw(st.sampled_from(ClockState)),
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
    assert arrived == expected
    assert [repr(sample.value) for sample in arrived] == [repr(sample.value) for sample in expected]


plain = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.booleans()


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


def hostile(payload: object) -> bytes:
    """Return a batch whose payload is this object in msgpack."""
    return batches.message(header(), b"\x00" + msgspec.msgpack.encode(payload))


@pytest.mark.parametrize(
    "payload",
    [
        [0, ["d"], ["p"], [[0]], []],
        [0, ["d"], ["p"], [[]], [[0, 0, 0, -1, []]]],
        [0, ["d"], ["p"], [[0]], [[-1, 0, 0, -1, [1]]]],
        [0, ["d"], ["p"], [[0]], [[1, 0, 0, -1, [1]]]],
        [0, ["D"], ["p"], [[0]], [[0, 0, 0, -1, [1]]]],
        [0, ["d"], ["p"], [[0]], [[0, 0, 0, -1, [1]], [0, 0, 0, -1, [2]]]],
        [0, ["d", "d"], ["p"], [[0]], [[0, 0, 0, -1, [1]], [1, 0, 0, -1, [2]]]],
        [0, ["d"], ["p"], [[0, 0]], [[0, 0, 0, -1, [1, 1]]]],
        [0, ["d"], ["p"], [[0, -5]], [[0, 0, 0, -1, [1, 1]]]],
        [0, ["d"], ["p"], [[0]], [[0, 0, 0, -1, [1, 2]]]],
        [0, ["d"], ["p"], [[0]], [[0, 0, 0, -1, [2**60]]]],
        [0, ["d"], ["p"], [[0]], [[0, 0, 0, 99, [1]]]],
        [0, ["d"], ["p"], [[0]], [[0, 0, 0, -2, b"short"]]],
        [0, ["d"], ["p"], [[0]], [[0, 0, 0, -3, ["x" * 501]]]],
        [0, ["d"], ["p"], [[0]], [[0, 0, 0, -1, [1], [[0, 2, 0, 0, ""]]]]],
        [0, ["d"], ["p"], [[0]], [[0, 0, 0, -1, [1], [[0, 1, 9, 0, ""]]]]],
        [0, ["d"], ["p"], [[0]], [[0, 0, 0, -1, [1], [[0, 1, 1, 0, ""]] * 2]]],
        [0, ["d"], ["p"], [[0, 1]], [[0, 0, 0, -3, ["x", 2**60]]]],
        [253_402_300_799_999, ["d"], ["p"], [[5]], [[0, 0, 0, -1, [1]]]],
        [0, ["d"], ["p"], [[1] * 10_001], [[0, 0, 0, -1, [0] * 10_001]]],
    ],
)
def test_every_way_to_break_a_column_is_refused(payload: object) -> None:
    """Indices, times, forms, remarks and sizes are all checked on arrival."""
    with pytest.raises(ContractError):
        batches.decode(hostile(payload))


def test_a_decompression_bomb_is_refused_unread() -> None:
    """A frame that says how far it unpacks is believed; one that does not say is refused."""
    bomb = zstandard.ZstdCompressor().compress(bytes(PAYLOAD_BYTES_MAX + 1))
    with pytest.raises(ContractError, match="unpacks"):
        batches.decode(batches.message(header(), b"\x01" + bomb))
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(PAYLOAD_BYTES_MAX * 2))
    with pytest.raises(ContractError, match="unpack"):
        batches.decode(batches.message(header(), b"\x01" + silent))


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
    """Twenty points read together ten times: under four bytes a sample, names and times included."""
    samples = [
        Sample(1_700_000_000_000 + tick * 5000, "station", f"point_{index}", (index * 100 + tick % 7) / 10)
        for index in range(20)
        for tick in range(10)
    ]
    assert len(batches.message(header(), batches.samples_payload(samples))) < 4 * len(samples)


def hostile_column(*column: object, times: int = 1) -> bytes:
    """Return a batch with one column as given, packed as small as can be."""
    steps = [0] + [1] * (times - 1)
    plain = msgspec.msgpack.encode([0, ["d"], ["p"], [steps], [[0, 0, 0, *column]]])
    return batches.message(header(), b"\x01" + zstandard.ZstdCompressor().compress(plain))


def test_remarks_that_overlap_are_refused() -> None:
    """Two hundred bytes could otherwise name ten thousand samples forty thousand times."""
    remark = [0, 10_000, 1, 0, ""]
    batches.decode(hostile_column(-1, [0] * 10_000, [remark], times=10_000))
    with pytest.raises(ContractError, match="over another"):
        batches.decode(hostile_column(-1, [0] * 10_000, [remark] * 40_000, times=10_000))


def test_an_integer_that_no_float64_holds_is_refused_in_every_form() -> None:
    """Stores keep float64; what they would change must not arrive as if it were exact."""
    assert batches.decode(hostile_column(-3, [2**53])).samples[0].value == 2**53
    for form in (-3, -1, 0):
        with pytest.raises(ContractError, match=r"2\*\*53|9007199254740992"):
            batches.decode(hostile_column(form, [2**53 + 1]))


@pytest.mark.parametrize("value", ["x" * 501, 2**53 + 1])
def test_a_value_of_an_event_has_the_same_limits(value: str | int) -> None:
    """Three million characters fit into a message of four hundred bytes."""
    event = AlarmRaised("a" * 32, 0, "r", "d", "p", "x", Priority.HIGH, "m", value=value)
    data = batches.message(header(batches.Content.EVENTS), batches.events_payload([event]))
    with pytest.raises(ContractError):
        batches.decode(data)
