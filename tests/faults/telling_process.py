"""A centre's telling in a process of its own: ``python -m tests.faults.telling_process FOLDER``.

It is there to be killed. It reads incidents of the folder's database and sends for real. ``--weaken`` makes a
control of it: ``again`` sends again whatever was interrupted, ``believed`` takes it for sent.
"""

import argparse
import asyncio
import random
import time
from datetime import UTC
from pathlib import Path
from unittest.mock import patch

from sqlalchemy import Connection

from collector.database import Database
from collector.metrics import Metrics
from collector.telling import sending
from collector.telling.book import TellingBook
from collector.telling.facts import State
from collector.telling.files import Files
from collector.telling.incidents import SqlIncidents
from collector.telling.settings import Telling
from collector.telling.teller import Teller
from collector.telling.texts import Writer
from collector.telling.verdicts import Verdict
from gengfu.demo.processes import die_with_parent

WEAKENED = {"again": State.WAITING, "believed": State.SENT}
SETTINGS = Telling(
    people_file="people.toml",
    channels_file="channels.toml",
    group_wait_s=0,
    flood_incidents=1000,
    messages_per_hour_max=1000,
    escalation_repeats_max=0,
    retry_min_s=0.05,
    retry_max_s=0.2,
    channel_failures_max=100,
)


class Unheard:
    """Nobody hears of channels here."""

    def failing(self, connection: Connection, channel: str, reason: str) -> None:
        """See ChannelWatch."""

    def working(self, connection: Connection, channel: str) -> None:
        """See ChannelWatch."""


def now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


async def tell(folder: Path) -> None:
    """Tell people until the process is killed."""
    state = Database(folder / "collector.db", "state")
    writer = Writer("http://127.0.0.1", UTC)
    book = TellingBook(SqlIncidents(now_ms), writer, SETTINGS, zone=UTC)
    files = Files(folder / SETTINGS.people_file, folder / SETTINGS.channels_file)
    teller = Teller(
        state,
        book,
        files,
        SETTINGS,
        writer,
        Unheard(),
        now_ms=now_ms,
        random=random.SystemRandom(),
        patiences=Metrics().patiences,
    )
    await teller.run()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weaken", choices=sorted(WEAKENED))
    given = parser.parse_args()
    die_with_parent()
    if given.weaken:
        verdict = Verdict(WEAKENED[given.weaken])
        with patch.object(sending, "interrupted", lambda *, highest: verdict):
            asyncio.run(tell(given.folder))
    else:
        asyncio.run(tell(given.folder))


if __name__ == "__main__":
    main()
