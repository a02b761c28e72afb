"""What people are told is the same whether housekeeping was there in between or not."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, select, update

from collector.incidents.tables import incidents
from collector.service import Collector
from collector.telling.tables import messages, telling_mark, told
from contract.events import AlarmCleared, Priority
from contract.topics import Lane
from tests.collector.making import Clock, given, happened, projected, up
from tests.collector.telling.test_whole_centre import burst, centre

pytestmark = pytest.mark.usefixtures("both_engines")

LIMITS = "events_retention_days = 30\njournal_retention_days = 30"
DAY_MS = 86_400_000


class Told:
    """A centre that tells, its messages sent at once."""

    def __init__(self, collector: Collector, clock: Clock) -> None:
        """Look after nothing happened."""
        self.collector, self.clock, self.sequence = collector, clock, 0

    def happens(self, *events: Any) -> None:
        """Let a gateway tell of events, and people be told."""
        self.sequence += 1
        batch = happened(self.sequence, *events, created_ms=self.clock.now_ms)
        given(self.collector, [up(batch, lane=Lane.EVENTS, at_ms=self.clock.now_ms)])
        asyncio.run(projected(self.collector))
        self.look()

    def raised(self, *numbers: int, **changes: Any) -> None:
        """Have alarms become active now."""
        more = {"problem": "nothing_classed", "time_ms": self.clock.now_ms} | changes
        self.happens(*(burst(number, **more) for number in numbers))

    def over(self, *numbers: int) -> None:
        """Have alarms return to normal now, and their incidents be closed an hour later."""
        at_ms = self.clock.now_ms
        ids = [(f"{number:032x}", f"main-{number}") for number in numbers]
        self.happens(
            *(AlarmCleared(alarm_id, at_ms, "burst", where, "pressure", 180.0) for alarm_id, where in ids)
        )
        self.clock.now_ms += 3_600_000
        asyncio.run(self.collector.rooms.incident_keeping.look())
        self.look()

    def look(self) -> None:
        """Plan; what is planned counts as sent."""
        assert self.collector.telling.teller
        asyncio.run(self.collector.telling.teller.look())
        sent = update(messages).where(messages.c.settled_ms.is_(None))
        now_ms = self.clock.now_ms
        self.collector.state.write_now(lambda db: db.execute(sent.values(settled_ms=now_ms, state="sent")))

    def wait(self, days: int) -> None:
        """Let days pass, with housekeeping at their end."""
        self.clock.now_ms += days * DAY_MS
        self.look()
        asyncio.run(self.collector.housekeeping.round())
        self.look()

    def rows(self, query: Select[Any]) -> list[Any]:
        """Return what a query finds."""
        return list(self.collector.state.read_now(lambda db: db.execute(query).all()))

    def kinds(self) -> list[str]:
        """Return the kinds of messages, the oldest first."""
        return [row.kind for row in self.rows(select(messages).order_by(messages.c.row))]


@contextmanager
def telling(folder: Path) -> Iterator[Told]:
    """Put a centre together that keeps what happened for a month."""
    with centre(folder, 9, limits=LIMITS) as (collector, clock):
        yield Told(collector, clock)


@pytest.mark.parametrize("priority", [Priority.HIGHEST, Priority.HIGH])
def test_of_an_incident_that_outlasts_retention_people_hear_that_it_is_over(
    tmp_path: Path, priority: Priority
) -> None:
    """Acknowledged and forgotten for a month: who was told of it is told its end, once."""
    with telling(tmp_path) as it:
        it.raised(1, priority=priority)
        acked = {"acked_ms": it.clock.now_ms + 60_000, "acked_by": "wang"}
        acked |= {"revision": incidents.c.revision + 1, "version": incidents.c.version + 1}
        it.collector.state.write_now(lambda db: db.execute(update(incidents).values(acked)))
        it.look()
        before = (it.rows(select(told)), it.kinds())
        it.wait(31)
        it.wait(1)
        assert (it.rows(select(told)), it.kinds()) == before
        it.over(1)
        assert it.kinds().count("all_clear") == 1


def test_what_begins_after_all_was_forgotten_is_told(tmp_path: Path) -> None:
    """On SQLite the next incident had the number of one that was looked at years ago."""
    with telling(tmp_path) as it:
        it.raised(1, 2, 3)
        it.over(1, 2, 3)
        it.wait(31)
        assert it.kinds() == []
        assert len(it.rows(select(incidents))) == 1
        it.raised(4)
        assert it.kinds() == ["first"]


def test_a_mark_beyond_all_incidents_is_not_believed(tmp_path: Path) -> None:
    """A centre whose incidents were forgotten by an older version tells those that nobody was told of."""
    with telling(tmp_path) as it:
        it.raised(1)
        it.collector.state.write_now(lambda db: db.execute(update(telling_mark).values(incident_row=99)))
        it.raised(2)
        it.look()
        assert it.kinds() == ["first", "first"]
        assert [row.incident_row for row in it.rows(select(telling_mark))] == [2]
