"""A centre's telling with a real database: incidents are given, time stands until it is moved."""

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, select

from collector.database import Database
from collector.metrics import Metrics
from collector.telling.book import TellingBook
from collector.telling.facts import IncidentFacts
from collector.telling.outgoing import Answer, Channel, Outgoing
from collector.telling.people import Directory
from collector.telling.sending import Sender
from collector.telling.settings import Telling
from collector.telling.tables import messages, told
from collector.telling.texts import Writer
from tests.collector.making import journal_database
from tests.collector.telling.telling_world import LEVELS, NOON_MS, ZONE

SETTINGS = Telling(
    people_file="people.toml",
    channels_file="channels.toml",
    public_url="https://centre.example.org",
    retry_min_s=1,
    retry_max_s=4,
)


class Listed:
    """Incidents that are given, read as from their table."""

    def __init__(self) -> None:
        """Begin with none."""
        self.facts: dict[str, IncidentFacts] = {}
        self._rows = itertools.count(1)

    def put(self, *facts: IncidentFacts) -> None:
        """Let incidents begin, or be as they are now."""
        for each in facts:
            before = self.facts.get(each.id)
            row = before.row if before else next(self._rows)
            self.facts[each.id] = replace(each, row=row, version=before.version + 1 if before else 1)

    def news(self, connection: Connection, after_row: int, count_max: int) -> list[IncidentFacts]:
        """See Incidents."""
        return [each for each in self.facts.values() if each.row > after_row][:count_max]

    def newest_row(self, connection: Connection) -> int:
        """See Incidents."""
        return max((each.row for each in self.facts.values()), default=0)

    def changed(self, connection: Connection, count_max: int) -> list[str]:
        """See Incidents."""
        query = select(told.c.incident_id, told.c.version).where(told.c.alarm == "", ~told.c.done)
        return [
            incident_id
            for incident_id, version in connection.execute(query)
            if incident_id in self.facts and self.facts[incident_id].version != version
        ][:count_max]

    def by_id(self, connection: Connection, ids: Collection[str]) -> list[IncidentFacts]:
        """See Incidents."""
        return [self.facts[each] for each in ids if each in self.facts]


@dataclass
class Watched:
    """What was told of channels."""

    told: list[str] = field(default_factory=list)

    def failing(self, connection: Connection, channel: str, reason: str) -> None:
        """See ChannelWatch."""
        self.told.append(f"{channel} fails")

    def working(self, connection: Connection, channel: str) -> None:
        """See ChannelWatch."""
        self.told.append(f"{channel} works")


class Pretended:
    """A channel that answers as it is told to, and keeps what it was given."""

    def __init__(self, name: str, answer: Callable[[Outgoing], Answer]) -> None:
        """``answer`` is asked for each message."""
        self.name, self._answer = name, answer
        self.given: list[Outgoing] = []

    async def send(self, outgoing: Outgoing) -> Answer:
        """See Channel."""
        self.given.append(outgoing)
        return self._answer(outgoing)


@dataclass
class Centre:
    """Book and sender over one database."""

    state: Database
    people: Directory
    incidents: Listed
    book: TellingBook
    sender: Sender
    watched: Watched
    clock: list[int]

    @property
    def now_ms(self) -> int:
        """Return the time."""
        return self.clock[0]

    def forward(self, ms: int) -> None:
        """Let time go by."""
        self.clock[0] += ms

    def look(self) -> None:
        """Plan and write what is due."""
        planned = self.state.read_now(lambda db: self.book.plan(db, self.people, self.now_ms))
        if not planned.is_empty:
            self.state.write_now(lambda db: self.book.keep(db, planned, self.people))

    async def send(self, channels: Mapping[str, Channel]) -> None:
        """Send what is due until nothing is, here and now."""
        due = True
        while due:
            async with asyncio.TaskGroup() as tasks:
                due = await self.sender.send_due(self.people, channels, tasks)

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """Return messages, the oldest first."""
        chosen = [messages.c[name] for name in columns]
        query = select(*chosen).order_by(messages.c.row)
        return [tuple(row) for row in self.state.read_now(lambda db: db.execute(query).all())]


@contextmanager
def centre(folder: Path, people: Directory = LEVELS, settings: Telling = SETTINGS) -> Iterator[Centre]:
    """Open one; the folder may hold the database of one that ended."""
    clock = [NOON_MS]
    incidents, watched = Listed(), Watched()
    writer = Writer(settings.public_url, ZONE)
    with journal_database(folder) as state:
        sender = Sender(
            state,
            settings,
            writer.link,
            watched,
            now_ms=lambda: clock[0],
            random=Random(7),
            patiences=Metrics().patiences,
        )
        book = TellingBook(incidents, writer, settings, zone=ZONE)
        yield Centre(state, people, incidents, book, sender, watched, clock)
