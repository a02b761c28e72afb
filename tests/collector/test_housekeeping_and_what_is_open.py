"""Whatever happened and however long ago: housekeeping changes nothing that is open, nor what comes of it."""

import asyncio
import itertools
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note
from hypothesis import settings as tried
from hypothesis import strategies as st
from sqlalchemy import Connection, Select, delete, insert, or_, select, update

from collector.alarms.happening import Alarm
from collector.alarms.tables import annunciations, conditions, floods
from collector.cases.outgoing import Posting
from collector.cases.tables import case_events, case_problems, case_similar, case_stages
from collector.cases.words import CaseError
from collector.incidents.desk import IncidentDesk, IncidentError
from collector.incidents.tables import incident_candidates, incident_members, incidents
from collector.platforms.tables import platform_statuses
from collector.service import Collector
from collector.tables import alarms, audit, case_numbers, cases, outbox
from collector.telling.tables import message_incidents, messages, telling_mark, told
from contract.events import Priority
from tests.collector.cases.making import CHIEF, CLOSING, NEEDS
from tests.collector.incidents.making import WIDE, alarm, end, tell
from tests.collector.making import NOW_MS, Clock
from tests.collector.telling.test_whole_centre import centre

pytestmark = pytest.mark.usefixtures("both_engines")

LIMITS = "\n".join(
    f"{name}_retention_days = 2" for name in ("events", "journal", "outbox", "platform_statuses")
)
TABLES = "[incidents]\njoins_for_s = 864000\nclose_after_s = 3600\n" + WIDE
HOUR_MS, DAY_MS = 3_600_000, 86_400_000

Step = tuple[str, int, Priority]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["raise"] * 4 + ["clear"] * 3 + ["rest", "acknowledge", "case", "sent", "heard"] + ["days"] * 3
        ),
        st.integers(1, 5),
        st.sampled_from([Priority.LOW, Priority.HIGH, Priority.HIGHEST]),
    ),
    min_size=20,
    max_size=40,
)
SLOW = [HealthCheck.too_slow]
TRIED = [Phase.explicit, Phase.reuse, Phase.generate]
"""A course takes a second: to make one shorter that fails would take longer than a test may."""
EXAMPLES = {"sqlite": 8, "postgresql": 2}
EMPTIED = (
    *(message_incidents, messages, told, telling_mark, platform_statuses, outbox, audit),
    *(case_events, case_stages, case_similar, case_problems, incident_members, incident_candidates),
    *(incidents, annunciations, floods, conditions, alarms, cases, case_numbers),
)

OPEN_CASES = select(cases.c.id).where(cases.c.closed_ms.is_(None))
OPEN_INCIDENTS = select(incidents.c.id).where(incidents.c.closed_ms.is_(None))
NEEDED = select(incidents.c.id).where(
    or_(
        incidents.c.closed_ms.is_(None),
        incidents.c.id.in_(select(cases.c.incident_id).where(cases.c.closed_ms.is_(None))),
        incidents.c.id.in_(select(told.c.incident_id).where(~told.c.done)),
    )
)
MEMBERS = select(incident_members.c.alarm_id).where(incident_members.c.incident_id.in_(NEEDED))
ABOUT_OPEN = select(message_incidents.c.message_id).where(message_incidents.c.incident_id.in_(OPEN_INCIDENTS))
KEPT = or_(messages.c.settled_ms.is_(None), messages.c.id.in_(ABOUT_OPEN))
WHAT_IS_OPEN: tuple[Select[Any], ...] = (
    select(cases).where(cases.c.closed_ms.is_(None)),
    *(select(each).where(each.c.case_id.in_(OPEN_CASES)) for each in (case_stages, case_events)),
    select(platform_statuses).where(platform_statuses.c.case_id.in_(OPEN_CASES)),
    select(outbox).where(or_(outbox.c.case_id.in_(OPEN_CASES), outbox.c.state != Posting.DONE.value)),
    select(incidents).where(incidents.c.id.in_(NEEDED)),
    select(incident_members).where(incident_members.c.incident_id.in_(NEEDED)),
    select(alarms).where(
        or_(alarms.c.cleared_ms.is_(None), alarms.c.case_id.in_(OPEN_CASES), alarms.c.id.in_(MEMBERS))
    ),
    select(conditions).where(or_(conditions.c.active, ~conditions.c.acked, conditions.c.latched)),
    select(told).where(or_(~told.c.done, told.c.incident_id.in_(OPEN_INCIDENTS))),
    select(messages).where(KEPT),
    select(message_incidents).where(message_incidents.c.message_id.in_(select(messages.c.id).where(KEPT))),
    select(telling_mark),
)


class Course:
    """A centre from its beginning on, with housekeeping at the end of some days or without."""

    def __init__(self, collector: Collector, clock: Clock, *, housekeeping: bool) -> None:
        """Begin with nothing."""
        self.collector, self.clock, self.housekeeping = collector, clock, housekeeping
        self.active: dict[int, Alarm] = {}
        self.count = 0
        self.story: list[tuple[str, ...]] = []
        clock.now_ms, clock.ids = NOW_MS, itertools.count(1)
        collector.state.write_now(emptied)

    def play(self, steps: Sequence[Step]) -> list[tuple[str, ...]]:
        """Do one thing after the other; return all that people were told, and what became of cases."""
        for what, number, priority in steps:
            self.clock.now_ms += 1_000
            getattr(self, what)(number, priority)
            self.look()
        life = select(cases.c.number, cases.c.stage, cases.c.rework_count).order_by(cases.c.row)
        return self.story + [tuple(map(str, row)) for row in self.rows(life)]

    def rows(self, query: Select[Any]) -> list[Any]:
        """Return what a query finds."""
        return list(self.collector.state.read_now(lambda db: db.execute(query).all()))

    def raise_(self, number: int, priority: Priority) -> None:
        """Have a sensor's alarm become active, after the one it had."""
        self.clear(number, priority)
        self.count += 1
        now_ms = self.clock.now_ms
        problem = "pipe_burst" if number % 2 else "other"
        told_ms = {"raised_ms": now_ms, "received_ms": now_ms}
        each = alarm(number, id=f"{self.count:032x}", priority=priority, problem=problem, **told_ms)
        tell(self.collector, [each])
        self.active[number] = each

    def clear(self, number: int, _priority: Priority) -> None:
        """Have it return to normal."""
        if number in self.active:
            tell(self.collector, [end(self.active.pop(number), self.clock.now_ms)])

    def rest(self, number: int, _priority: Priority) -> None:
        """Let hours pass; incidents in which nothing is active are closed, cases settle."""
        self.clock.now_ms += number * HOUR_MS
        asyncio.run(self.collector.rooms.incident_keeping.look())
        while asyncio.run(self.collector.rooms.case_timers.look()):
            pass

    def acknowledge(self, number: int, _priority: Priority) -> None:
        """Have somebody acknowledge one of the open incidents."""
        found = self.rows(select(incidents).where(incidents.c.closed_ms.is_(None)).order_by(incidents.c.row))
        if found:
            row, now_ms = found[number % len(found)], self.clock.now_ms
            with suppress(IncidentError):
                self.collector.state.write_now(
                    lambda db: IncidentDesk().acknowledge(db, row.id, row.version, CHIEF, now_ms)
                )

    def case(self, number: int, _priority: Priority) -> None:
        """Take so many steps with the oldest open case."""
        for step in CLOSING[:number]:
            for (case_id,) in self.rows(OPEN_CASES.order_by(cases.c.row).limit(1)):
                with suppress(CaseError):
                    self._step(case_id, step)

    def _step(self, case_id: str, step: Any) -> None:
        desk, now_ms = self.collector.rooms.case_desk, self.clock.now_ms
        more = NEEDS.get(step, {})
        self.collector.state.write_now(lambda db: desk.step(db, case_id, step, CHIEF, now_ms, **more))

    def sent(self, _number: int, _priority: Priority) -> None:
        """Have the platform take all there is."""
        taken = update(outbox).values(state=Posting.DONE.value, platform="city")
        self.collector.state.write_now(lambda db: db.execute(taken))

    def heard(self, _number: int, _priority: Priority) -> None:
        """Have the platform tell something of each case."""
        self.count += 1
        said: dict[str, Any] = {"platform": "city", "stage": "filed", "code": "1", "source": "poll"}
        said |= {"outcome": "applied", "reason": "", "received_ms": self.clock.now_ms}
        heard = [
            said | {"case_id": case_id, "event_id": f"{self.count}-{number}"}
            for number, (case_id,) in enumerate(self.rows(select(cases.c.id)))
        ]
        if heard:
            self.collector.state.write_now(lambda db: db.execute(insert(platform_statuses), heard))

    def days(self, number: int, _priority: Priority) -> None:
        """Let days pass; housekeeping finds what is open as it leaves it."""
        self.clock.now_ms += number * DAY_MS
        self.look()
        if self.housekeeping:
            before = self.collector.state.read_now(what_is_open)
            asyncio.run(self.collector.housekeeping.round())
            assert self.collector.state.read_now(what_is_open) == before

    def look(self) -> None:
        """Plan what people are told; what is planned counts as sent."""
        assert self.collector.telling.teller
        asyncio.run(self.collector.telling.teller.look())
        waiting = messages.c.settled_ms.is_(None)
        columns = (messages.c.id, messages.c.kind, messages.c.person, messages.c.subject)
        planned = self.rows(select(*columns).where(waiting).order_by(messages.c.id))
        if planned:
            self.story += [tuple(row) for row in planned]
            settled = update(messages).where(waiting).values(settled_ms=self.clock.now_ms, state="sent")
            self.collector.state.write_now(lambda db: db.execute(settled))


setattr(Course, "raise", Course.raise_)


def what_is_open(connection: Connection) -> list[list[str]]:
    """Return all rows that are open, and what they are read with."""
    return [sorted(map(str, connection.execute(query))) for query in WHAT_IS_OPEN]


def emptied(connection: Connection) -> None:
    """Begin with nothing."""
    for table in EMPTIED:
        connection.execute(delete(table))


def test_nothing_open_is_changed_and_nothing_comes_otherwise(both_engines: str) -> None:
    """The same course with housekeeping and without: people are told the same, cases go the same way."""
    with (
        tempfile.TemporaryDirectory() as name,
        centre(Path(name), 9, limits=LIMITS, tables=TABLES) as (collector, clock),
    ):

        @tried(max_examples=EXAMPLES[both_engines], phases=TRIED, deadline=None, suppress_health_check=SLOW)
        @given(STEPS)
        def any_course(steps: list[Step]) -> None:
            note(str(steps))
            kept = Course(collector, clock, housekeeping=True).play(steps)
            assert kept == Course(collector, clock, housekeeping=False).play(steps)

        any_course()
