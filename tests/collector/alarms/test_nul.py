"""A NUL that a gateway sends in a text stops nothing: neither engine is given one to store."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from collector.incidents.tables import incidents
from collector.service import Collector
from collector.tables import alarms, cases, devices, gaps
from contract.events import Gap
from contract.messages import DeviceEntry
from contract.topics import Lane
from tests.collector.making import (
    NOW_MS,
    Clock,
    given,
    greeting,
    happened,
    hello,
    projected,
    raised,
    rows,
    settings,
    standing,
    tombstone,
    up,
)

pytestmark = pytest.mark.usefixtures("both_engines")

SAME_PART = """
[[incidents.rules]]
name = "same_part"
title = { en = "{count} at one part", zh = "{count}" }
matchers = ['rule="burst"']
group_by = ["part"]
within_s = 60
members_min = 2
"""
SENT, SHOWN = "a\x00b", "a\ufffdb"


def deliver(collector: Collector, sequence: int, *numbers: int, problem: str, gateway: str = "gw-1") -> None:
    """Take alarms of sensors of their own at one part, and project them."""
    told = [raised(each, part=SENT, message=SENT, device=f"d{each}", problem=problem) for each in numbers]
    batch = up(happened(sequence, *told, gateway=gateway), lane=Lane.EVENTS, gateway=gateway)
    given(collector, [batch])
    asyncio.run(projected(collector))


@pytest.mark.parametrize("transactions", [[(1,), (2,), (3,)], [(1, 2, 3)]])
def test_alarms_of_one_part_share_a_case_however_they_arrive(
    tmp_path: Path, transactions: list[tuple[int, ...]]
) -> None:
    """The case that one has opened is found by the next, and alarms of others come after them."""
    with standing(settings(tmp_path), Clock()) as collector:
        for sequence, numbers in enumerate(transactions, 1):
            deliver(collector, sequence, *numbers, problem="pipe_burst")
        deliver(collector, 1, 77, problem="pipe_burst", gateway="gw-2")
        query = select(alarms.c.part, alarms.c.message, alarms.c.case_id)
        told = collector.state.read_now(lambda db: db.execute(query).all())
        assert {(part, message) for part, message, _ in told} == {(SHOWN, SHOWN)}
        assert len(told) == 4
        [(key, part)] = collector.state.read_now(
            lambda db: db.execute(select(cases.c.problem_key, cases.c.part)).all()
        )
        assert (key, part) == (f"part/{SHOWN}/pipe_burst", SHOWN)


@pytest.mark.parametrize("transactions", [[(1,), (2,), (3,)], [(1, 2, 3)]])
def test_a_rule_brings_them_together_however_they_arrive(
    tmp_path: Path, transactions: list[tuple[int, ...]]
) -> None:
    """What the first two have opened is joined by the third."""
    with standing(settings(tmp_path, tables=SAME_PART), Clock()) as collector:
        for sequence, numbers in enumerate(transactions, 1):
            deliver(collector, sequence, *numbers, problem="nothing_classed")
        query = select(incidents).where(incidents.c.closed_ms.is_(None))
        [together] = collector.state.read_now(lambda db: db.execute(query).all())
        assert (together.rule, together.members, together.grouping) == (
            "same_part",
            3,
            f"same_part/part={SHOWN}",
        )


def test_what_is_told_of_devices_and_gaps_is_stored_alike(tmp_path: Path) -> None:
    """On either engine, so that what was said again is known to be the same."""
    device = DeviceEntry("main-pressure", "qdy30a", "rs485-1", SENT, SENT)
    told = greeting(1, 1, devices=[device], software=SENT)
    gap = Gap(f"{9:032x}", NOW_MS, "gateway", SENT, NOW_MS, NOW_MS)
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [hello(told), up(happened(1, gap), lane=Lane.EVENTS), up(tombstone(1, 3))])
        asyncio.run(projected(collector))
        assert [row[-2:] for row in rows(collector.state, devices)] == [(SHOWN, SHOWN)]
        query = select(gaps.c.reason).where(gaps.c.key.like("event/%"))
        assert collector.state.read_now(lambda db: list(db.scalars(query))) == [SHOWN]
