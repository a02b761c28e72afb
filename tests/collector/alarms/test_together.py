"""What happens together is as if it had happened one after the other, and costs a few statements."""

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, delete, event, select

from collector.alarms.book import Ended
from collector.alarms.happening import Alarm
from collector.alarms.tables import annunciations, conditions, floods
from collector.postgresql import Postgresql
from collector.tables import alarms
from contract.events import AlarmCleared, Priority
from tests.collector.alarms.room import NOW_MS, Room, alarm, opened

IN_MEMORY = Path("/dev/shm")
TABLES = (alarms, conditions, annunciations, floods)
SOURCES: Sequence[dict[str, Any]] = (
    {"device": "main"},
    {"device": "second", "rule": "latched"},
    {"device": "meter", "rule": "silent", "condition": "stale"},
    {"gateway": "gw-2", "device": "meter", "rule": "silent", "condition": "stale"},
    {"device": "", "point": "", "rule": "fleet", "condition": "", "problem": "gateway_offline"},
)
"""The last inhibits those that are stale, of its gateway."""
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["raise", "raise", "clear", "end first", "again", "backfill"]),
        st.integers(0, len(SOURCES) - 1),
        st.sampled_from(list(Priority)),
        st.booleans(),
    ),
    max_size=40,
)
Step = tuple[str, int, Priority, bool]


def told(steps: Sequence[Step]) -> list[Alarm | Ended]:
    """Return what gateways tell; an end may come twice, or before its beginning."""
    found: list[Alarm | Ended] = []
    active: dict[int, Alarm] = {}
    for number, (what, source, priority, planned) in enumerate(steps, 1):
        made = alarm(number, **SOURCES[source], priority=priority, planned=planned, raised_ms=NOW_MS + number)
        if what in ("raise", "backfill"):
            backfilled = alarm(number, **SOURCES[source], priority=priority, backfill=True)
            found.append(made if what == "raise" else backfilled)
            active[source] = made
        elif what == "clear" and source in active:
            found.append(end(active[source], number))
        elif what == "end first":
            found += [end(made, number), made]
        elif what == "again" and found:
            found.append(found[number % len(found)])
    return found


def end(of: Alarm, number: int) -> Ended:
    """Return how an alarm ends."""
    return Ended(of.gateway, AlarmCleared(of.id, NOW_MS + number, of.rule, of.device, of.point), NOW_MS)


def emptied(connection: Connection) -> None:
    """Begin with nothing."""
    for table in TABLES:
        connection.execute(delete(table))


def course(room: Room, together: Sequence[Sequence[Alarm | Ended]]) -> list[Any]:
    """Tell a course, some of it at once each time; return all tables."""
    room.database.write_now(emptied)
    for some in together:
        room.database.write_now(partial(room.book.take, told=some))
    room.database.write_now(lambda db: room.book.tell_waiting(db, 100))
    return room.database.read_now(lambda db: [list(without_numbers(db, table)) for table in TABLES])


def without_numbers(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    """Yield the rows in order; how a database numbers them is its own affair."""
    begun = select(conditions.c.row).order_by(conditions.c.row).limit(1)
    first = connection.scalar(begun) or 0
    for row in connection.execute(select(table).order_by(table.c.row)):
        told = row._asdict()
        del told["row"]
        if table is annunciations:
            told["condition"] -= first
        yield told


def test_a_course_told_at_once_ends_as_one_told_step_by_step() -> None:
    """Chatter, latching, inhibition, planned work, ends that come first or twice, what is backfilled."""
    with (
        tempfile.TemporaryDirectory(dir=IN_MEMORY) as name,
        opened(Path(name) / "one.db") as one,
        opened(Path(name) / "other.db") as other,
    ):
        compare(one, other, 30)


def test_so_it_is_on_postgresql(new_database: Callable[[], Postgresql]) -> None:
    """Its lookups are other ones."""
    with (
        tempfile.TemporaryDirectory(dir=IN_MEMORY) as name,
        opened(Path(name) / "one.db") as one,
        opened(new_database()) as other,
    ):
        compare(one, other, 5)


def compare(one: Room, other: Room, examples: int) -> None:
    """Tell courses step by step to one, in pieces to the other."""

    @tried(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(STEPS, st.sets(st.integers(1, 40)))
    def any_course(steps: list[Step], cuts: set[int]) -> None:
        happened = told(steps)
        at = [0, *sorted(cut for cut in cuts if cut < len(happened)), len(happened)]
        pieces = [happened[begin:upto] for begin, upto in itertools.pairwise(at)]
        assert course(other, pieces) == course(one, [[each] for each in happened])

    any_course()


def test_a_hundred_alarms_cost_a_few_statements() -> None:
    """However many they are: those that look sources up, and those that write what is alike."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name, opened(Path(name) / "state.db") as room:
        made = [alarm(number, device=f"meter-{number % 50}") for number in range(1, 101)]
        room.database.write_now(lambda db: room.book.take(db, made))
        counted: list[str] = []

        def count(*executed: Any) -> None:
            counted.append(executed[2])

        event.listen(room.database._writer, "before_cursor_execute", count)
        ends = [end(each, number) for number, each in enumerate(made)]
        fresh = [alarm(number, device=f"meter-{number % 50}") for number in range(101, 201)]
        room.database.write_now(lambda db: room.book.take(db, [*ends, *fresh]))
        assert len(counted) <= 20
