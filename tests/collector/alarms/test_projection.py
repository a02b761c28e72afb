"""Alarms become cases: once, with the right owner and deadline, whatever is repeated or out of order."""

import asyncio
import itertools
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.intake import Received
from collector.service import Collector
from collector.tables import alarms, cases, cursors, dead_letters, events, gaps, outbox
from contract import batches
from contract.batches import Content
from contract.events import (
    UNSET,
    ControlAction,
    ControlChanged,
    Gap,
    MaintenanceChanged,
    PointWritten,
    WriteOutcome,
)
from contract.samples import ClockState
from contract.topics import Lane
from tests.collector.making import (
    NOW_MS,
    Clock,
    cleared,
    given,
    happened,
    header,
    projected,
    raised,
    rows,
    settings,
    standing,
    telemetry,
    tombstone,
    up,
)
from tests.edge.rules.rigs import START_MS, Rig

pytestmark = pytest.mark.usefixtures("both_engines")

TABLES = [alarms, cases, cursors, dead_letters, events, gaps, outbox]


def event_batch(data: bytes) -> Received:
    """Return a batch of events as it comes from the broker."""
    return up(data, lane=Lane.EVENTS)


def deliver(collector: Collector, *batch: bytes) -> None:
    """Take batches of events and project them."""
    given(collector, [event_batch(data) for data in batch])
    asyncio.run(projected(collector))


def dump(collector: Collector) -> list[list[tuple[object, ...]]]:
    """Return all that is projected into the state."""
    return [rows(collector.state, table) for table in TABLES]


def test_an_alarm_opens_a_case_with_part_owner_place_and_deadline(tmp_path: Path) -> None:
    """Case, outbox row and alarm appear together, and the case says what the register knows."""
    with standing(settings(tmp_path), Clock()) as collector:
        deliver(collector, happened(1, raised(1)))
        [alarm] = rows(collector.state, alarms)
        [case] = collector.state.read_now(lambda db: db.execute(cases.select()).mappings().all())
        assert alarm[-1] == case["id"]
        assert case["number"] == "north-20270115-00001"
        assert case["stage"] == "collected"
        assert (case["part_name"], case["owner"], case["grid"]) == ("供水器", "自来水公司", "500103001001001")
        assert (case["lon"], case["lat"]) == (106.55, 29.56)
        assert case["deadline_ms"] == NOW_MS + 2 * 3_600_000
        [sent] = collector.state.read_now(lambda db: db.execute(outbox.select()).mappings().all())
        told = json.loads(sent["payload"])
        assert (sent["state"], told["id"], told["class"]["code"]) == ("waiting", case["id"], "020501")
        assert told["departments"] == {"in_charge": "城管局", "owner": "自来水公司", "maintainer": "抢修队"}


def test_further_alarms_of_the_same_part_and_problem_attach_to_the_open_case(tmp_path: Path) -> None:
    """Another device that watches the same part as well; another part opens a case of its own."""
    bare = [raised(number, part="", device="bare-meter") for number in (4, 5)]
    with standing(settings(tmp_path), Clock()) as collector:
        deliver(
            collector,
            happened(1, raised(1), cleared(1), raised(2)),
            happened(2, raised(3, device="other-meter"), *bare),
        )
        attached = [row[-1] for row in rows(collector.state, alarms)]
        assert attached[0] == attached[1] == attached[2] != attached[3] == attached[4]
        assert [row[2] for row in rows(collector.state, cases)] == [
            "north-20270115-00001",
            "north-20270115-00002",
        ]


def test_a_problem_without_a_case_class_makes_an_alarm_and_no_case(tmp_path: Path) -> None:
    """The table of case classes decides."""
    with standing(settings(tmp_path), Clock()) as collector:
        deliver(collector, happened(1, raised(1, problem="something_else")))
        assert len(rows(collector.state, alarms)) == 1
        assert rows(collector.state, cases) == []


def test_a_return_to_normal_that_comes_first_is_kept_and_makes_no_case(tmp_path: Path) -> None:
    """The alarm is over by the time it is heard of."""
    with standing(settings(tmp_path), Clock()) as collector:
        deliver(collector, happened(1, cleared(1)))
        deliver(collector, happened(2, raised(1)))
        [alarm] = collector.state.read_now(lambda db: db.execute(alarms.select()).mappings().all())
        assert (alarm["raised_ms"], alarm["cleared_ms"]) == (NOW_MS + 1, NOW_MS + 60_000)
        assert alarm["problem"] == "pipe_burst"
        assert rows(collector.state, cases) == []


def test_backfilled_alarms_make_a_case_only_if_still_active_at_the_end(tmp_path: Path) -> None:
    """Two alarms of a night without network: one was over by the morning."""
    with standing(settings(tmp_path), Clock()) as collector:
        deliver(
            collector,
            happened(1, raised(1, part=""), backfill=True),
            happened(2, raised(2), backfill=True),
            happened(3, cleared(1), backfill=True),
        )
        attached = {row[2]: row[-1] for row in rows(collector.state, alarms)}
        assert attached[f"{1:032x}"] is None
        [case] = rows(collector.state, cases)
        assert attached[f"{2:032x}"] == case[1]


def test_a_long_backfill_makes_its_cases_in_small_steps_also_over_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither memory nor a commit that waits for the same thread grows with how many alarms there are."""
    monkeypatch.setattr("collector.alarms.projection.TOLD_AT_ONCE_MAX", 2)
    batch = [
        happened(number, raised(number, part=f"{number}", device=f"meter-{number}"), backfill=True)
        for number in range(1, 6)
    ]
    loaded, steps = settings(tmp_path), []
    with standing(loaded, Clock()) as collector:
        given(collector, [event_batch(data) for data in batch])
        while len(rows(collector.state, cases)) == 0:
            assert asyncio.run(collector.alarms.advance())
        steps.append(len(rows(collector.state, cases)))
    more = True
    while more:
        with standing(loaded, Clock(ids=itertools.count(10 * len(steps) + 10))) as collector:
            more = asyncio.run(collector.alarms.advance())
            steps.append(len(rows(collector.state, cases)))
    assert steps == [2, 4, 5]


@pytest.mark.parametrize(
    ("clock", "late_ms", "backfill"),
    [
        (ClockState.SYNCHRONISED, 300_001, True),
        (ClockState.SYNCHRONISED, 300_000, False),
        (ClockState.UNSET, 10**10, False),
    ],
)
def test_an_alarm_that_comes_late_is_old_news(
    clock: ClockState, late_ms: int, backfill: bool, tmp_path: Path
) -> None:
    """Its batch may have waited in a broker. A clock that is not set proves nothing."""
    with standing(settings(tmp_path), Clock()) as collector:
        deliver(collector, happened(1, raised(1, time_ms=NOW_MS - late_ms, clock=clock)))
        [alarm] = collector.state.read_now(lambda db: db.execute(alarms.select()).mappings().all())
        assert alarm["backfill"] is backfill


@pytest.mark.parametrize("chunk", [1, 2, 200])
def test_a_replay_from_the_beginning_leaves_identical_tables(chunk: int, tmp_path: Path) -> None:
    """Alarms, cases, outbox, events, gaps, dead letters: nothing doubles, whatever is projected at once."""
    with standing(settings(tmp_path, limits=f"projection_batches_max = {chunk}"), Clock()) as collector:
        spray = ControlChanged(
            f"{50:032x}", NOW_MS, "dust-spray", "relays", "relay_1", ControlAction.STARTED, "pm10 151"
        )
        power = Gap(f"{51:032x}", NOW_MS, "gateway", "power cut", NOW_MS - 5_000, NOW_MS)
        broken = batches.message(header(4, lane=Lane.EVENTS, content=Content.EVENTS), b"\x00nonsense")
        deliver(
            collector,
            happened(1, raised(1), raised(2), spray),
            happened(2, cleared(1), power),
            happened(3, raised(3, part="", device="bare-meter"), backfill=True),
            broken,
            happened(5, cleared(2), cleared(9)),
        )
        given(collector, [up(telemetry(1)), up(tombstone(2, 40))])
        asyncio.run(projected(collector))
        before = dump(collector)
        assert [len(table) for table in before] == [4, 2, 1, 1, 2, 2, 2]
        asyncio.run(collector.alarms.rewind())
        asyncio.run(projected(collector))
        assert dump(collector) == before


def test_a_storm_of_alarms_is_projected_in_small_transactions(tmp_path: Path) -> None:
    """What arrives meanwhile is committed in between; the last transaction reaches the end."""
    with standing(settings(tmp_path), Clock()) as collector:
        numbers = iter(range(10_000))
        storm = [[raised(next(numbers), problem="noise") for _ in range(200)] for _ in range(7)]
        given(collector, [event_batch(happened(number, *events)) for number, events in enumerate(storm, 1)])
        grown = []
        while asyncio.run(collector.alarms.advance()):
            grown.append(len(rows(collector.state, alarms)))
        assert grown == [600, 1200]
        assert len(rows(collector.state, alarms)) == 1400


def test_a_class_of_cases_that_is_gone_makes_no_case_of_what_waited_for_one(tmp_path: Path) -> None:
    """A backfilled alarm was on record, then the settings changed, then the end of the backfill came."""
    with standing(settings(tmp_path), Clock()) as collector:
        deliver(collector, happened(1, raised(1, problem="noise", device="microphone"), backfill=True))
        collector.state.write_now(lambda db: db.execute(alarms.update().values(waits=True)))
        deliver(collector, happened(2, raised(2)))
        assert [row[-1] is not None for row in rows(collector.state, alarms)] == [False, True]


def test_losses_are_on_record_with_what_is_known_of_them(tmp_path: Path) -> None:
    """A tombstone counts what it stands for; a power cut cannot."""
    with standing(settings(tmp_path), Clock()) as collector:
        power = Gap(f"{51:032x}", NOW_MS, "gateway", "power cut", NOW_MS - 5_000, NOW_MS)
        never_set = replace(power, id=f"{52:032x}", clock=ClockState.UNSET)
        told_apart = replace(never_set, id=f"{53:032x}", reason="disk full" + UNSET)
        deliver(collector, happened(1, power, never_set, told_apart))
        given(collector, [up(tombstone(1, 40)), up(tombstone(2, 7, ClockState.UNSET))])
        asyncio.run(projected(collector))
        found = collector.state.read_now(lambda db: db.execute(gaps.select()).mappings().all())
        assert [(gap["origin"], gap["reason"], gap["count"]) for gap in found] == [
            ("gateway", "power cut", None),
            ("gateway", "power cut" + UNSET, None),
            ("gateway", "disk full" + UNSET, None),
            ("gateway", "buffer full", 40),
            ("gateway", "buffer full" + UNSET, 7),
        ]


def test_ids_of_two_gateways_do_not_meet(tmp_path: Path) -> None:
    """One gateway cannot clear, or hide, an alarm of another by using its id."""
    with standing(settings(tmp_path), Clock()) as collector:
        deliver(collector, happened(1, raised(1)))
        foreign = happened(1, cleared(1), gateway="gw-2")
        given(collector, [up(foreign, lane=Lane.EVENTS, gateway="gw-2")])
        asyncio.run(projected(collector))
        found = collector.state.read_now(lambda db: db.execute(alarms.select()).mappings().all())
        assert [(alarm["gateway"], alarm["cleared_ms"] is None) for alarm in found] == [
            ("gw-1", True),
            ("gw-2", False),
        ]


def test_numbers_begin_anew_each_local_day(tmp_path: Path) -> None:
    """The day is the city's, not Greenwich's: 16:00 UTC is midnight in China."""
    with standing(settings(tmp_path), Clock()) as collector:
        midnight_ms = 1_800_028_800_000
        for number, received_ms in enumerate((midnight_ms - 1, midnight_ms), 1):
            data = happened(number, raised(number, part="", device=f"meter-{number}"))
            given(collector, [up(data, lane=Lane.EVENTS, at_ms=received_ms)])
        asyncio.run(projected(collector))
        assert [row[2] for row in rows(collector.state, cases)] == [
            "north-20270115-00001",
            "north-20270116-00001",
        ]


def test_a_planned_alarm_is_on_record_and_makes_no_case(tmp_path: Path) -> None:
    """Whether it arrives in time or late; what outlasts the maintenance comes again, with its case."""
    under = MaintenanceChanged("d" * 32, NOW_MS, "main-pressure", NOW_MS + 60_000, "Li")
    over = MaintenanceChanged("e" * 32, NOW_MS + 60_000, "main-pressure", 0, "Li")
    with standing(settings(tmp_path), Clock()) as collector:
        deliver(collector, happened(1, under, raised(1, planned=True, condition="low")))
        deliver(collector, happened(2, raised(2, planned=True), backfill=True))
        assert rows(collector.state, cases) == []
        assert rows(collector.state, outbox) == []
        deliver(collector, happened(3, over, cleared(1), raised(3), cleared(2)))
        told = collector.state.read_now(
            lambda db: db.execute(alarms.select().order_by(alarms.c.row)).mappings().all()
        )
        assert [(row["planned"], row["condition"]) for row in told] == [
            (True, "low"),
            (True, ""),
            (False, ""),
        ]
        assert [row["case_id"] is not None for row in told] == [False, False, True]
        assert len(rows(collector.state, cases)) == 1
        kinds = collector.state.read_now(lambda db: db.execute(events.select()).mappings().all())
        assert [row["kind"] for row in kinds] == ["maintenance_changed", "maintenance_changed"]


def test_an_opening_that_outlasts_its_maintenance_makes_one_case_from_rule_to_platform(
    tmp_path: Path,
) -> None:
    """The gateway's rules on one end, the centre's tables on the other: no case while planned, then one."""
    rig = Rig(
        {"high": 15.0, "problem": "pipe_burst"},
        devices=[{"name": "meter", "line": "line", "profile": "x", "part": "5001030132000007"}],
    )
    sequence = itertools.count(1)

    def happens(collector: Collector) -> None:
        told, rig.told = [event for _, event in rig.told], []
        if told:
            deliver(collector, happened(next(sequence), *told))

    with standing(settings(tmp_path), Clock()) as collector:
        rig.note(0, rig.engine.maintain("meter", START_MS + 100_000, "Li", rig.moment(0)))
        for at_s in range(1, 100, 5):
            rig.see(at_s, 40.0)
            happens(collector)
        assert len(rows(collector.state, alarms)) == 1
        assert rows(collector.state, cases) == []
        for at_s in range(101, 300, 5):
            rig.see(at_s, 40.0)
            happens(collector)
        told = collector.state.read_now(lambda db: db.execute(alarms.select()).mappings().all())
        assert [(row["planned"], row["cleared_ms"] is None) for row in told] == [(True, False), (False, True)]
        assert len(rows(collector.state, cases)) == len(rows(collector.state, outbox)) == 1
        dumped = dump(collector)
        asyncio.run(collector.alarms.rewind())
        asyncio.run(projected(collector))
        assert dump(collector) == dumped


def test_what_was_written_by_hand_is_noted_with_who_and_what_was_read_back(tmp_path: Path) -> None:
    """Begun and done, each once, however often it is told; no alarm and no case comes of it."""
    what = ("lamp", "default_light_state")
    begun = PointWritten("d" * 32, NOW_MS, *what, WriteOutcome.BEGUN, "f" * 32, 55, "li", 40)
    done = PointWritten("e" * 32, NOW_MS + 90, *what, WriteOutcome.DONE, "f" * 32, 55, "li", 40, 55)
    with standing(settings(tmp_path), Clock()) as collector:
        deliver(collector, happened(1, begun, done))
        deliver(collector, happened(2, begun, done))
        noted = collector.state.read_now(lambda db: db.execute(events.select()).mappings().all())
        told = [json.loads(row["event"]) for row in noted if row["kind"] == "point_written"]
        assert [(each["outcome"], each["who"], each.get("read_back")) for each in told] == [
            ("begun", "li", None),
            ("done", "li", 55),
        ]
        assert (rows(collector.state, alarms), rows(collector.state, cases)) == ([], [])
