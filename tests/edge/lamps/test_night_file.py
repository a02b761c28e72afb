"""The lamps' night goes to a file beside the buffer and back."""

import asyncio
from pathlib import Path

import pytest

from edge.buffer.keeper import Inline
from edge.lamps.night_file import FILE_NAME, KeepingNights
from tests.edge.lamps.street import Street
from tests.edge.lamps.test_nights import NOON_S, street


def test_what_is_kept_is_taken_up(tmp_path: Path) -> None:
    """By the next gateway on the same card."""
    subject = street(tmp_path)

    async def story(street: Street) -> None:
        await asyncio.sleep(300)
        await KeepingNights(tmp_path, Inline(), street.gateway.nights).keep()
        kept = street.gateway.nights.data()
        await street.stop()
        await street.start()
        assert street.gateway.nights.data() == b""
        KeepingNights(tmp_path, Inline(), street.gateway.nights)
        assert street.gateway.nights.data() == kept

    subject.run(story)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o640


def test_a_disk_that_refuses_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, and the former file stays."""
    subject = street(tmp_path)

    async def story(street: Street) -> None:
        await asyncio.sleep(300)
        keeping = KeepingNights(tmp_path / "gone", Inline(), street.gateway.nights)
        await keeping.keep()

    subject.run(story)
    assert "the record of the lamps' night" in caplog.text


def test_soon_after_the_night_was_told_the_file_is_of_the_next(tmp_path: Path) -> None:
    """Not before the disk has had time to take the records."""
    subject = street(tmp_path)
    subject.keeps_nights = True

    async def story(_street: Street) -> None:
        def nights() -> bool:
            return b"2027-01-15" in (tmp_path / FILE_NAME).read_bytes()

        await asyncio.sleep(NOON_S + 30)
        assert nights()
        await asyncio.sleep(60)
        assert not nights()

    subject.run(story)


def test_without_a_night_there_is_no_file(tmp_path: Path) -> None:
    """One of a plan that was taken out long ago would be told at every start."""
    subject = street(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"[]")

    async def story(street: Street) -> None:
        await KeepingNights(tmp_path, Inline(), street.gateway.nights).keep()

    subject.run(story)
    assert not (tmp_path / FILE_NAME).exists()
