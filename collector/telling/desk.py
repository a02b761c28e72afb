"""Telling put together for a centre."""

from collections.abc import Callable
from datetime import tzinfo
from random import Random

from collector.alarms.book import AlarmBook
from collector.database import Database
from collector.patience import Patiences
from collector.telling.api import Sources
from collector.telling.book import TellingBook
from collector.telling.channel_alarms import ChannelAlarms
from collector.telling.files import Files
from collector.telling.incidents import SqlIncidents
from collector.telling.settings import Telling
from collector.telling.teller import Teller
from collector.telling.texts import Writer


class TellingDesk:
    """What runs (``teller``, None where nobody is told anything) and what the interface works with."""

    def __init__(
        self,
        settings: Telling,
        files: Files | None,
        state: Database,
        alarm_book: AlarmBook,
        *,
        zone: tzinfo,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
        random: Random,
        patiences: Patiences,
    ) -> None:
        """``alarm_book`` takes the alarms of channels that fail."""
        writer = Writer(settings.public_url, zone)
        book = TellingBook(SqlIncidents(now_ms), writer, settings, zone=zone)
        self.sources = Sources(state, settings, files, book, zone, now_ms, new_id)
        self.teller: Teller | None = None
        if files:
            watch = ChannelAlarms(alarm_book, now_ms=now_ms, new_id=new_id)
            self.teller = Teller(
                state, book, files, settings, writer, watch, now_ms=now_ms, random=random, patiences=patiences
            )
