"""Times from before the clock was set are put right on arrival, the same way however a batch is read."""

import pytest
from msgspec.structs import replace

from contract import batches, blocks, runs
from contract.batches import Content, Header, Tombstone
from contract.errors import ContractError
from contract.events import AlarmCleared, Gap
from contract.samples import ClockState, Quality, Sample
from contract.topics import Lane

ID = "0" * 32
UNSET = [
    Sample(1000, "d", "p", 1.5, Quality.UNCERTAIN, "", ClockState.UNSET),
    Sample(2000, "d", "p", 99.0, Quality.UNCERTAIN, "out_of_range", ClockState.UNSET),
    Sample(3000, "d", "p", None, Quality.BAD, "timeout", ClockState.UNSET),
]


def told(content: Content, payload: bytes, offset_ms: int | None) -> bytes:
    """Return a message."""
    lane = Lane.EVENTS if content is Content.EVENTS else Lane.TELEMETRY
    return batches.message(Header("n", "g", ID, lane, 1, content, ID, 0, offset_ms=offset_ms), payload)


def test_samples_move_and_are_good_again_if_only_their_time_was_in_doubt() -> None:
    """Single samples and runs alike; the payload is untouched."""
    payload = batches.samples_payload(UNSET)
    data = told(Content.SAMPLES, payload, 500_000)
    moved = batches.decode(data).samples
    assert [each.time_ms for each in moved] == [501_000, 502_000, 503_000]
    assert [each.quality for each in moved] == [Quality.GOOD, Quality.UNCERTAIN, Quality.BAD]
    assert {each.clock for each in moved} == {ClockState.HOLDOVER}
    [(device, point, run)] = blocks.lift(data).series
    assert runs.samples(run, device, point) == moved
    assert batches.decode(told(Content.SAMPLES, payload, None)).samples == UNSET


@pytest.mark.parametrize("offset_ms", [-1001, 253_402_300_799_999])
def test_an_offset_that_leaves_no_time_is_refused(offset_ms: int) -> None:
    """Before 1970 or beyond the year 9999, in samples and runs."""
    data = told(Content.SAMPLES, batches.samples_payload(UNSET), offset_ms)
    for read in (batches.decode, blocks.lift):
        with pytest.raises(ContractError, match="leaves no time"):
            read(data)


def test_an_offset_moves_nothing_whose_clock_was_set() -> None:
    """A batch of samples is moved whole or is refused: times would be out of order."""
    for other in (replace(UNSET[2], clock=ClockState.HOLDOVER), Sample(3000, "d", "p", 1.0)):
        data = told(Content.SAMPLES, batches.samples_payload([*UNSET[:2], other]), 5)
        for read in (batches.decode, blocks.lift):
            with pytest.raises(ContractError, match="whose clock was set"):
                read(data)


def test_of_events_those_move_that_are_unset() -> None:
    """One from before the synchronisation beside one from after; tombstones move with what they replace.

    A power cut's gap of unknown count lasts until the start, whenever that is found to have been.
    """
    before = AlarmCleared(ID, 1000, "r", "d", "p", clock=ClockState.UNSET)
    after = AlarmCleared(ID, 7000, "r", "d", "p")
    found = batches.decode(told(Content.EVENTS, batches.events_payload([before, after]), 5000)).events
    assert found == [replace(before, time_ms=6000, clock=ClockState.HOLDOVER), after]
    for count, before_ms, to_ms in ((None, 900, 5900), (None, 3000, 6000), (None, 7000, 7000), (3, 900, 900)):
        gap = Gap(ID, 1000, "gateway", "why", 800, before_ms, count=count, clock=ClockState.UNSET)
        data = told(Content.EVENTS, batches.events_payload([gap]), 5000)
        moved_gap = replace(gap, time_ms=6000, to_ms=to_ms, clock=ClockState.HOLDOVER)
        assert batches.decode(data).events == [moved_gap]
    stone = batches.tombstone_payload(Tombstone(10, 20, 3, "full", ClockState.UNSET))
    moved = Tombstone(15, 25, 3, "full", ClockState.HOLDOVER)
    assert batches.decode(told(Content.TOMBSTONE, stone, 5)).tombstone == moved
    for clock in (ClockState.SYNCHRONISED, ClockState.HOLDOVER):
        right = Tombstone(10, 20, 3, "full", clock)
        data = told(Content.TOMBSTONE, batches.tombstone_payload(right), 5)
        assert batches.decode(data).tombstone == right
