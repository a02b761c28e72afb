"""What each device said last."""

from contract.samples import Quality, Row, Sample
from edge.latest import PARTS_MAX, Latest


def test_the_last_of_each_point_is_known_whether_all_or_some_were_told() -> None:
    """A part that is read back later stands; the next whole telling replaces it."""
    latest = Latest({"board": 2})
    assert latest.of("board") == []
    latest.take([])
    latest.take([Row(1, "board", ("a", "b"), (False, False))])
    latest.take([Sample(2, "board", "b", True)])
    assert {it.point: (it.time_ms, it.value) for it in latest.of("board")} == {
        "a": (1, False),
        "b": (2, True),
    }
    failed = [Sample(3, "board", name, None, Quality.BAD, "timeout") for name in ("a", "b")]
    latest.take(failed)
    assert latest.of("board") == failed


def test_parts_are_bounded() -> None:
    """However often one output is read back between two polls."""
    latest = Latest({"board": 2})
    for number in range(10 * PARTS_MAX):
        latest.take([Sample(number, "board", "b", number)])
    assert [it.value for it in latest.of("board")] == [10 * PARTS_MAX - 1]
    assert len(latest._parts["board"]) == PARTS_MAX
