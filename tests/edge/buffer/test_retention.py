"""Which batches give way: oldest first, no more than needed, never for nothing."""

from hypothesis import given
from hypothesis import strategies as st

from edge.buffer.retention import TOMBSTONE_BYTES, Held, surplus

sizes = st.lists(st.integers(0, 5000), max_size=30)


@given(sizes, st.integers(0, 200_000))
def test_the_oldest_go_first_and_no_more_than_needed(octets: list[int], bytes_max: int) -> None:
    """What is chosen frees enough, and without its last one it would not."""
    held = [Held(number, size) for number, size in enumerate(octets, 1)]
    total = sum(octets)
    chosen = surplus(held, total, bytes_max)
    worth = [batch for batch in held if batch.payload_bytes > TOMBSTONE_BYTES]
    assert chosen == [batch.sequence for batch in worth[: len(chosen)]]

    def left(count: int) -> int:
        return total - sum(batch.payload_bytes - TOMBSTONE_BYTES for batch in worth[:count])

    if len(chosen) < len(worth):
        assert left(len(chosen)) <= bytes_max
    if chosen:
        assert left(len(chosen) - 1) > bytes_max
