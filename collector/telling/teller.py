"""The running part: looks at files and incidents, plans, writes, and lets messages leave."""

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random

from collector.database import Database
from collector.patience import Patiences
from collector.telling.book import TellingBook
from collector.telling.files import Files
from collector.telling.outgoing import Channel
from collector.telling.senders import Senders
from collector.telling.sending import ChannelWatch, Sender
from collector.telling.settings import Telling
from collector.telling.texts import Writer

TICK_S = 0.5
FILES_EVERY = 4
"""In ticks: how often it is looked whether people or channels were edited."""


class Teller:
    """Tells people of incidents until it is cancelled."""

    def __init__(
        self,
        state: Database,
        book: TellingBook,
        files: Files,
        settings: Telling,
        writer: Writer,
        watch: ChannelWatch,
        *,
        now_ms: Callable[[], int],
        random: Random,
        patiences: Patiences,
    ) -> None:
        """``watch`` hears which channels fail."""
        self.files = files
        self._patience = patiences.of("the telling of people")
        self._state, self._book, self._settings, self._writer = state, book, settings, writer
        self._now_ms = now_ms
        self._sender = Sender(
            state, settings, writer.link, watch, now_ms=now_ms, random=random, patiences=patiences
        )

    async def run(self) -> None:
        """Plan and send until cancelled; what is being sent then is settled by the next start."""
        await self._recovered()
        senders = Senders(
            threads_max=self._settings.concurrency_max, now_ms=self._now_ms, zone=self._writer.zone
        )
        version, channels, ticks = 0, dict[str, Channel](), 0
        async with senders, asyncio.TaskGroup() as tasks:
            while True:
                try:
                    if ticks % FILES_EVERY == 0:
                        await self.files.look()
                    if version != self.files.version:
                        standing = self.files.standing
                        version, channels = self.files.version, senders.made(standing.channels, standing.keys)
                    await self.look()
                    await self._sender.send_due(self.files.standing.directory, channels, tasks)
                    self._patience.worked()
                    wait_s = TICK_S
                except Exception as error:
                    wait_s = self._patience.failed(error)
                ticks += 1
                await asyncio.sleep(wait_s)

    def reasons(self) -> list[str]:
        """Return what is wrong with the files, in whole sentences."""
        problem = self.files.problem
        return [f"people: the last good files stay in force ({problem})"] if problem else []

    async def look(self) -> None:
        """Plan what is due now, on a reading thread, and write it."""
        directory = self.files.standing.directory
        planned = await self._state.read(partial(self._book.plan, directory=directory, now_ms=self._now_ms()))
        if not planned.is_empty:
            await self._state.write(partial(self._book.keep, planned=planned, directory=directory))

    async def _recovered(self) -> None:
        """Settle what was interrupted, as soon as the database can be written."""
        while True:
            try:
                await self._sender.recover()
            except Exception as error:
                await asyncio.sleep(self._patience.failed(error))
            else:
                return
