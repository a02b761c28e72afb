"""Ballast: room that is really held, given away at once, and held again only where there is plenty."""

from pathlib import Path

from edge.buffer.ballast import Ballast
from edge.buffer.store import Buffer
from tests.edge.buffer.test_store import BOOT, counting, opened

SIZE = 64 * 1024


def test_its_room_is_taken_from_the_disk(tmp_path: Path) -> None:
    """Not a hole that only looks large."""
    ballast = Ballast(tmp_path / "ballast", SIZE)
    assert ballast.build()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= SIZE
    assert ballast.release()
    assert not (tmp_path / "ballast").exists()
    assert not ballast.release()


def test_a_buffer_makes_it_at_its_start_and_takes_up_that_of_a_former_run(tmp_path: Path) -> None:
    """Of the size that the settings say now; with 0 what a former run has left goes."""
    for size in (SIZE, 2 * SIZE, SIZE, 0):
        buffer = Buffer(tmp_path / "buffer.db", "n", "g", BOOT, counting(), ballast_bytes=size)
        file = tmp_path / "ballast"
        assert (file.stat().st_size if file.exists() else 0) == size
        assert buffer.ballast.held == bool(size)
        buffer.close()
    opened(tmp_path)
