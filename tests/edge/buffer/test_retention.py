"""Which batches give way: telemetry before events, oldest first, no more than needed, never for nothing."""

from hypothesis import given
from hypothesis import strategies as st

from contract.topics import Lane
from edge.buffer.retention import (
    TOMBSTONE_BYTES,
    TOMBSTONES_SHARE,
    Excess,
    Held,
    Usage,
    excess,
    let_go,
    quotas,
    surplus,
)

sizes = st.lists(st.integers(0, 5000), max_size=30)
rows = st.lists(st.tuples(st.integers(1, 2000), st.booleans()), max_size=30)


@given(sizes, st.integers(-1000, 200_000))
def test_the_oldest_become_tombstones_and_no_more_than_needed(octets: list[int], over: int) -> None:
    """What is chosen frees enough, and without its last one it would not."""
    held = [Held(number, size) for number, size in enumerate(octets, 1)]
    chosen = surplus(held, over)
    worth = [batch for batch in held if batch.octets > TOMBSTONE_BYTES]
    assert chosen == [batch.sequence for batch in worth[: len(chosen)]]

    def freed(count: int) -> int:
        return sum(batch.octets - TOMBSTONE_BYTES for batch in worth[:count])

    if len(chosen) < len(worth):
        assert freed(len(chosen)) >= over
    if chosen:
        assert freed(len(chosen) - 1) < over


@given(rows, st.integers(-100, 20_000), st.integers(-100, 20_000))
def test_rows_are_let_go_from_the_oldest_on_until_both_are_freed(
    held: list[tuple[int, bool]], octets: int, tombstone_octets: int
) -> None:
    """Bytes altogether, and bytes of tombstones; not one row more."""
    numbered = [Held(number, size, tombstone) for number, (size, tombstone) in enumerate(held, 1)]
    upto = let_go(numbered, Excess(octets, tombstone_octets))

    def enough(count: int) -> bool:
        gone = numbered[:count]
        tombstones = sum(row.octets for row in gone if row.tombstone)
        return sum(row.octets for row in gone) >= octets and tombstones >= tombstone_octets

    assert enough(upto) or upto == len(numbered)
    assert not upto or not enough(upto - 1)


@given(st.integers(0, 200_000), st.integers(65_536, 10**9))
def test_events_may_take_the_whole_buffer_and_telemetry_what_they_leave(events: int, bytes_max: int) -> None:
    """Telemetry is asked first; events give nothing before they alone are over."""
    lanes = quotas(bytes_max, events)
    assert list(lanes) == [Lane.TELEMETRY, Lane.EVENTS]
    assert lanes[Lane.TELEMETRY] == max(0, bytes_max - events)
    assert excess(Usage(events), lanes[Lane.EVENTS], bytes_max).none == (events <= bytes_max)


def test_tombstones_over_their_share_go_down_to_half_of_it() -> None:
    """One gap stands for many of them then."""
    bytes_max = 80_000
    share = bytes_max // TOMBSTONES_SHARE
    assert excess(Usage(share, share), bytes_max, bytes_max).none
    assert excess(Usage(share + 1, share + 1), bytes_max, bytes_max).tombstone_octets == share // 2 + 1
