"""Blocks: batches become runs without losing anything, and whatever is done to runs, the samples stay."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import batches, blocks, columns, layout, runs
from contract.errors import ContractError
from contract.samples import ClockState, Quality, Sample, Value
from tests.contract.test_batches import header, sample_lists, values

DAY_MS = 86_400_000


@st.composite
def one_series(draw: st.DrawFn) -> list[Sample]:
    """Draw samples of one series, some of them close together, most plain floats of few decimals."""
    plain = st.integers(-(10**6), 10**6).map(lambda number: number / 10)
    times = draw(st.sets(st.integers(0, 60), min_size=1, max_size=20))
    return [
        Sample(
            time_ms,
            "meter",
            "flow",
            draw(plain | values),
            draw(st.sampled_from(list(Quality)[:2])),
            draw(st.sampled_from(["", "timeout"])),
            draw(st.sampled_from(list(ClockState)[:2])),
        )
        for time_ms in sorted(times)
    ]


def shown(samples: list[Sample]) -> str:
    """Return samples so that -0.0, NaN and the types of values count."""
    return repr(samples)


def opened(run: runs.Run) -> list[Sample]:
    """Return the samples of a run of the one series."""
    return runs.samples(run, "meter", "flow")


def lifted(data: bytes) -> list[Sample]:
    """Return the samples of a message by way of runs."""
    series = blocks.lift(data).series
    return [sample for device, point, run in series for sample in runs.samples(run, device, point)]


@given(samples=sample_lists())
def test_a_batch_is_lifted_as_it_is_decoded(samples: list[Sample]) -> None:
    """Every value, quality, error and clock, through a packed block and back."""
    data = batches.message(header(), batches.samples_payload(samples))
    found = blocks.lift(data)
    assert found.samples == len(samples)
    assert shown(lifted(data)) == shown(batches.decode(data).samples)
    for _, _, run in found.series:
        assert repr(runs.samples(blocks.unpack(blocks.pack(run)), "d", "p")) == repr(
            runs.samples(run, "d", "p")
        )


@given(
    samples=sample_lists(), harm=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4)
)
def test_what_does_not_decode_is_not_lifted_either(
    samples: list[Sample], harm: list[tuple[int, int]]
) -> None:
    """Both take the same harmed batches, and refuse the same."""
    plain = bytearray(columns.pack(samples))
    for position, value in harm:
        plain[position % len(plain)] = value
    data = batches.message(header(), b"\0" + bytes(plain))
    try:
        expected = batches.decode(data).samples
    except ContractError:
        with pytest.raises(ContractError):
            blocks.lift(data)
    else:
        assert shown(lifted(data)) == shown(expected)


@given(sent=st.lists(one_series(), min_size=1, max_size=6))
def test_the_later_of_two_runs_wins_and_each_time_comes_once(sent: list[list[Sample]]) -> None:
    """However they overlap, and whatever forms their values have."""
    wanted = {sample.time_ms: sample for samples in sent for sample in samples}
    made = [runs.of_samples(samples) for samples in sent]
    before = repr(made)
    assert shown(opened(runs.combined(made))) == shown([wanted[key] for key in sorted(wanted)])
    assert repr(made) == before


@given(samples=one_series(), many=st.integers(1, 5), span_ms=st.integers(0, 60))
def test_a_run_is_divided_by_number_and_by_time(samples: list[Sample], many: int, span_ms: int) -> None:
    """Nothing is lost between the pieces, and together they are what they were."""
    pieces = runs.divided(runs.of_samples(samples), many, span_ms)
    assert shown([sample for piece in pieces for sample in opened(piece)]) == shown(samples)
    assert all(len(piece.times) <= many and piece.times[-1] - piece.times[0] <= span_ms for piece in pieces)
    assert shown(opened(runs.combined(pieces))) == shown(samples)


@given(samples=one_series(), from_ms=st.integers(0, 60), span_ms=st.integers(0, 60))
def test_a_part_of_a_run_is_cut_out(samples: list[Sample], from_ms: int, span_ms: int) -> None:
    """By time; qualities and errors stay with their samples."""
    found = opened(runs.between(runs.of_samples(samples), from_ms, from_ms + span_ms))
    assert shown(found) == shown([each for each in samples if 0 <= each.time_ms - from_ms < span_ms])


@given(samples=one_series())
def test_the_last_sample_is_kept_alone(samples: list[Sample]) -> None:
    """As it was."""
    data = blocks.last(runs.of_samples(samples))
    assert shown([blocks.sample(data, samples[-1].time_ms, "meter", "flow")]) == shown(samples[-1:])
    with pytest.raises(ContractError, match="damaged"):
        blocks.sample(data[:-1], samples[-1].time_ms, "meter", "flow")


@pytest.mark.parametrize("size", [1, 500])
def test_a_damaged_block_is_refused(size: int) -> None:
    """Whichever bit is wrong, and wherever it is cut off."""
    data = blocks.pack(runs.of_samples([Sample(at, "meter", "flow", at / 10) for at in range(size)]))
    for at in range(len(data)):
        for wrong in (data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :], data[:at]):
            with pytest.raises(ContractError, match="block"):
                blocks.unpack(wrong)


@pytest.mark.parametrize(
    ("each", "form"),
    [
        ([23.0, 23.4, 23.45], 2),
        ([2.0**52, 0.1], -2),
        ([0.0, -0.0], -2),
        ([0.5, math.inf], -2),
        ([1, 2], -1),
        ([None, True, "1"], -3),
    ],
)
def test_values_are_kept_in_the_smallest_form_that_is_exact(each: list[Value], form: int) -> None:
    """Floats as integers with decimals where dividing gives them back; the wire's forms."""
    run = runs.of_samples([Sample(at, "meter", "flow", value) for at, value in enumerate(each)])
    assert [segment[0] for segment in run.segments] == [form]
    assert layout.DECIMALS_MAX == runs.DECIMALS_MAX


def test_numbers_of_other_decimals_go_into_one_segment_where_they_fit() -> None:
    """23 and 23.4 are 230 and 234 with one decimal; 2**53 cannot be scaled and stays apart."""
    batches_of = [[23.0], [23.4], [24.0], [23.45], [2.0**53], [1.5]]
    made = [
        runs.of_samples([Sample(at, "m", "p", each) for each in some]) for at, some in enumerate(batches_of)
    ]
    assert runs.combined(made).segments == [(2, [2300, 2340, 2400, 2345]), (0, [2**53]), (1, [15])]


def test_a_batch_of_thousands_costs_few_bytes_a_sample() -> None:
    """A block is not larger than the wire's columns by more than its times."""
    samples = [Sample(at * 1_000, "meter", "flow", 20 + at % 7 / 10) for at in range(4_000)]
    assert len(blocks.pack(runs.of_samples(samples))) < 0.2 * len(samples)
