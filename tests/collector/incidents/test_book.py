"""Every alarm that followers hear of belongs to exactly one incident."""

import asyncio
from pathlib import Path

from sqlalchemy import select

from collector.incidents.book import IncidentBook
from collector.incidents.tables import incident_members
from collector.parts.checking import PARTS_HEADER
from contract.events import Priority
from tests.collector.incidents.making import RULES, WIDE, alarm, clear, found, members_of, raise_
from tests.collector.making import NOW_MS, Clock, settings, standing


def test_each_alarm_is_an_incident_of_its_own(tmp_path: Path) -> None:
    """As long as no rule brings them together."""
    with standing(settings(tmp_path), Clock()) as collector:
        raise_(collector, alarm(1), alarm(2))
        one, other = found(collector)
        assert (one.rule, one.members, one.active, one.sources) == ("single", 1, 1, 1)
        assert one.title_en == "Water main burst: gw-1/main-pressure"
        assert one.title_zh == "自来水管破裂：gw-1/main-pressure"
        of_alarm = collector.state.read_now(lambda db: IncidentBook.of_alarms(db, [("gw-2", alarm(2).id)]))
        assert of_alarm == {("gw-2", alarm(2).id): other.id}


def test_what_comes_again_from_the_same_source_joins_the_open_incident(tmp_path: Path) -> None:
    """Until it is closed: then a new one is made, and the old one stays closed."""
    clock = Clock()
    with standing(settings(tmp_path), clock) as collector:
        first, again = alarm(1), alarm(1, id="a" * 32)
        raise_(collector, first)
        clear(collector, first)
        raise_(collector, again)
        [incident] = found(collector)
        assert (incident.members, incident.active, incident.sources, incident.idle_ms) == (2, 1, 1, None)
        clear(collector, again)
        clock.now_ms += 600_000
        assert (
            collector.state.write_now(
                lambda db: collector.rooms.incident_book.close_idle(db, clock.now_ms, 9)
            )
            == 1
        )
        raise_(collector, alarm(1, id="b" * 32, received_ms=clock.now_ms))
        closed, opened = found(collector)
        assert (closed.closed_ms, closed.active) == (clock.now_ms, 0)
        assert (opened.closed_ms, opened.members) == (None, 1)


def test_telling_the_same_again_changes_nothing(tmp_path: Path) -> None:
    """A journal may be projected anew."""
    with standing(settings(tmp_path), Clock()) as collector:
        for _ in range(2):
            raise_(collector, alarm(1), alarm(2))
            clear(collector, alarm(1))
        assert [(each.members, each.active) for each in found(collector)] == [(1, 0), (1, 1)]
        query = select(incident_members)
        assert len(collector.state.read_now(lambda db: db.execute(query).all())) == 2


def test_enough_at_once_become_one_incident_that_says_how_many(tmp_path: Path) -> None:
    """Their own ones are closed for it; later ones join; nobody is in two."""
    with standing(settings(tmp_path, tables=RULES), Clock()) as collector:
        raise_(collector, alarm(1), alarm(2, priority=Priority.MEDIUM))
        assert [each.rule for each in found(collector)] == ["single", "single"]
        raise_(collector, alarm(3), alarm(4), alarm(5, problem="something_else"))
        *singles, group, other = found(collector)
        assert [(each.members, each.merged_into) for each in singles] == [(0, group.id)] * 3
        assert all(each.closed_ms for each in singles)
        assert (group.rule, group.members, group.active, group.sources) == ("neighbours", 4, 4, 4)
        assert (group.title_en, group.title_zh) == ("4 bursts", "burst：4 处")
        assert (group.priority, group.opened_ms) == ("high", singles[0].opened_ms)
        assert (other.rule, other.members) == ("single", 1)
        assert members_of(collector, group.id) == [alarm(number).id for number in (1, 2, 3, 4)]


def test_a_source_that_comes_again_counts_once(tmp_path: Path) -> None:
    """One sensor that chatters is not many neighbours."""
    with standing(settings(tmp_path, tables=RULES), Clock()) as collector:
        for number in range(5):
            raise_(collector, alarm(1, id=f"{number + 10:032x}"))
        assert [each.rule for each in found(collector)] == ["single"]
        raise_(collector, alarm(2), alarm(3), alarm(3, id="c" * 32))
        group = found(collector)[-1]
        assert (group.sources, group.members, group.title_en) == (3, 8, "3 bursts")


def test_those_apart_in_time_stay_single(tmp_path: Path) -> None:
    """Within within_s of the one that completes them, by their own clocks."""
    with standing(settings(tmp_path, tables=RULES), Clock()) as collector:
        late = {"raised_ms": NOW_MS + 61_000, "received_ms": NOW_MS + 62_000}
        raise_(collector, alarm(1, raised_ms=NOW_MS), alarm(2), alarm(3, **late))
        assert [each.rule for each in found(collector)] == ["single"] * 3


def test_each_of_the_highest_priority_stays_by_itself(tmp_path: Path) -> None:
    """Also where it comes again, and where a rule has an open incident for it; so does what is planned."""
    with standing(settings(tmp_path, tables=RULES), Clock()) as collector:
        raise_(collector, alarm(1), alarm(2), alarm(3))
        raise_(collector, *(alarm(4, id=f"{n:032x}", priority=Priority.HIGHEST) for n in (7, 8)))
        raise_(collector, alarm(5, planned=True))
        assert [(each.rule, each.members) for each in found(collector)[3:]] == [
            ("neighbours", 3),
            ("single", 1),
            ("single", 1),
            ("single", 1),
        ]


def test_an_incident_in_which_nothing_happens_takes_no_more(tmp_path: Path) -> None:
    """A sensor that stays in alarm for weeks does not hide the next burst in an old incident."""
    with standing(settings(tmp_path, tables=RULES), Clock()) as collector:
        raise_(collector, alarm(1), alarm(2), alarm(3))
        late_ms = NOW_MS + 4_000_000
        raise_(collector, *(alarm(n, raised_ms=late_ms + n, received_ms=late_ms + n) for n in (4, 5, 6)))
        groups = [each for each in found(collector) if each.rule == "neighbours"]
        assert [(each.members, each.closed_ms) for each in groups] == [(3, None), (3, None)]


def test_an_incident_closes_when_nothing_was_active_for_long_enough(tmp_path: Path) -> None:
    """Not while one member is, and not before."""
    clock = Clock()
    with standing(settings(tmp_path, tables=RULES), clock) as collector:
        three = alarm(1), alarm(2), alarm(3)
        raise_(collector, *three)
        clear(collector, *three[:2])
        clock.now_ms += 10_000_000
        asyncio.run(collector.rooms.incident_keeping.look())
        assert found(collector)[-1].closed_ms is None
        clear(collector, three[2])
        asyncio.run(collector.rooms.incident_keeping.look())
        assert found(collector)[-1].closed_ms is None
        clock.now_ms += 600_000
        asyncio.run(collector.rooms.incident_keeping.look())
        assert found(collector)[-1].closed_ms == clock.now_ms


PLACES = "".join(
    f"500103013200{n:04},p,a,b,c,500103001001001,{106.5 + n / 1000},29.5\n" for n in range(1, 30)
)


def test_neighbours_are_near_in_place(tmp_path: Path) -> None:
    """A thousandth of a degree of longitude is 97 m there; what is a kilometre off is another incident."""
    tables = RULES + "distance_m = 250\n"
    parts = f"{PARTS_HEADER}\n{PLACES}"
    with standing(settings(tmp_path, tables=tables, parts=parts), Clock()) as collector:
        raise_(collector, *(alarm(n, part=f"500103013200{n:04}") for n in (1, 20, 3, 22, 5, 24, 26, 28, 7)))
        raise_(collector, alarm(99))
        groups = [each for each in found(collector) if each.rule == "neighbours"]
        assert [(each.members, round(each.west, 3), round(each.east, 3)) for each in groups] == [
            (4, 106.501, 106.507),
            (5, 106.52, 106.528),
        ]
        assert found(collector)[-1].rule == "single"


def test_what_nobody_is_told_of_brings_nothing_together(tmp_path: Path) -> None:
    """Stale sensors of a gateway that is offline are no silent line; they do join what is open already."""
    tables = RULES.replace("pipe_burst|", "")
    gone = {"gateway": "gw-1", "problem": "gateway_offline", "device": "", "point": "", "condition": ""}
    stale = {"gateway": "gw-1", "problem": "pressure_low", "condition": "stale"}
    with standing(settings(tmp_path, tables=tables), Clock()) as collector:
        raise_(collector, alarm(1, **gone), *(alarm(n, device=f"d-{n}", **stale) for n in range(2, 6)))
        assert [each.rule for each in found(collector)] == ["single"] * 5
        raise_(collector, *(alarm(n, **stale | {"gateway": f"gw-{n}"}) for n in (7, 8, 9)))
        raise_(collector, alarm(10, device="d-10", **stale))
        assert [(each.rule, each.members) for each in found(collector)][-1] == ("neighbours", 4)


def test_a_narrow_rule_takes_its_members_from_a_broad_one(tmp_path: Path) -> None:
    """A flood that began before does not hide a burst: what is left of it says how many it still has."""
    with standing(settings(tmp_path, tables=WIDE), Clock()) as collector:
        others = [alarm(n, problem="x") for n in (7, 8)]
        raise_(collector, *others, alarm(1), alarm(2, priority=Priority.MEDIUM), alarm(1, id="a" * 32))
        wide = found(collector)[2]
        assert (wide.rule, wide.sources, wide.members) == ("wide", 3, 4)
        raise_(collector, alarm(3), alarm(4))
        wide, narrow = found(collector)[2], found(collector)[-1]
        assert (narrow.rule, narrow.title_en, narrow.members, narrow.active) == (
            "neighbours",
            "4 bursts",
            5,
            5,
        )
        assert (wide.title_en, wide.members, wide.active, wide.closed_ms) == ("2 alarms at once", 2, 2, None)
        assert wide.revision > 1
        raise_(collector, alarm(9, problem="x"), alarm(5))
        assert [each.members for each in found(collector) if not each.merged_into] == [3, 6]


def test_a_broad_rule_takes_nothing_from_a_narrow_one(tmp_path: Path) -> None:
    """Though its members match that as well."""
    with standing(settings(tmp_path, tables=WIDE), Clock()) as collector:
        raise_(collector, *(alarm(n, priority=Priority.MEDIUM) for n in (1, 2, 3)))
        raise_(collector, alarm(4), alarm(7, problem="x"), alarm(8, problem="x"))
        left = [(each.rule, each.members) for each in found(collector) if not each.merged_into]
        assert left == [("neighbours", 4), ("wide", 2)]
