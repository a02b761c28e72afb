"""The lamps' night goes to a file beside the buffer and back."""

import asyncio
from pathlib import Path

import pytest

from edge.buffer.keeper import Inline
from edge.lamps.night_file import FILE_NAME, KeepingNights
from tests.edge.lamps.street import Street
from tests.edge.lamps.test_nights import street


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
