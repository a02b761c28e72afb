"""The fleet's rules in a standing centre: alarms by its book, through restarts."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from collector.fleet.tables import fleet_standing
from collector.intake import Received
from collector.service import Collector
from collector.tables import alarms
from contract import messages, topics
from contract.events import Priority
from contract.messages import DeviceEntry, State
from contract.samples import Quality, Sample
from tests.collector.incidents.making import found
from tests.collector.making import (
    BOOT,
    NOW_MS,
    Clock,
    greeting,
    hello,
    projected,
    settings,
    standing,
    taken,
    telemetry,
    up,
)

LINES = [DeviceEntry(name, "qdy30a", "rs485-1", name, "5001030132000007") for name in ("a", "b")]


def state(gateway: str, online: bool, at_ms: int) -> Received:
    """Return a state or will as it comes from the broker."""
    return Received(topics.state("north", gateway), messages.encode(State(1, online, BOOT)), at_ms)


def told(collector: Collector) -> list[tuple[str, str, str, bool]]:
    """Return rule, gateway and device of each alarm, and whether it is active."""
    query = select(alarms).order_by(alarms.c.row)
    rows = collector.state.read_now(lambda db: db.execute(query).all())
    return [(row.rule, row.gateway, row.device, row.cleared_ms is None) for row in rows]


def look(collector: Collector, clock: Clock, after_s: float = 0) -> list[tuple[str, str, str, bool]]:
    """Let time go by, look, and return the alarms."""
    clock.now_ms += round(after_s * 1000)
    asyncio.run(collector.fleet.look())
    return told(collector)


@contextmanager
def centre(folder: Path, clock: Clock, tables: str = "", *, hears: bool = True) -> Iterator[Collector]:
    """Put a centre together that is connected, or not."""
    with standing(settings(folder, tables=tables), clock) as collector:
        collector.link.connected = hears
        yield collector


def test_a_gateway_whose_will_said_so_is_offline_until_it_is_back(tmp_path: Path) -> None:
    """A restart in between forgets nothing; what comes again is a new alarm."""
    clock = Clock()
    with centre(tmp_path, clock) as collector:
        look(collector, clock)
        taken(collector.state, hello(greeting(1, 1)), state("gw-1", False, NOW_MS))
        assert look(collector, clock, 59) == []
        assert look(collector, clock, 1) == [("gateway_offline", "gw-1", "", True)]
        [incident] = found(collector)
        assert (incident.title_en, incident.title_zh) == ("Gateway offline: gw-1", "网关失联：gw-1")
        assert incident.area == "500103001001"
    with centre(tmp_path, clock, hears=False) as collector:
        taken(collector.state, state("gw-1", True, clock.now_ms))
        assert look(collector, clock, 50) == [("gateway_offline", "gw-1", "", True)]
        collector.link.connected = True
        assert look(collector, clock, 1) == [("gateway_offline", "gw-1", "", False)]
        taken(collector.state, state("gw-1", False, clock.now_ms))
        assert look(collector, clock, 60)[1:] == [("gateway_offline", "gw-1", "", True)]


def test_a_centre_that_is_deaf_alarms_of_itself_alone(tmp_path: Path) -> None:
    """However long every gateway is silent for it."""
    clock = Clock()
    with centre(tmp_path, clock, "[fleet.gateway_offline]\nsilent_s = 60\n", hears=False) as collector:
        taken(collector.state, hello(greeting(1, 1)), state("gw-1", False, NOW_MS))
        assert look(collector, clock, 0) == []
        assert look(collector, clock, 3600) == [("centre_deaf", "centre", "", True)]
        query = select(alarms.c.priority)
        assert collector.state.read_now(lambda db: db.execute(query).scalar()) == Priority.HIGHEST
        collector.link.connected = True
        look(collector, clock, 0)
        assert look(collector, clock, 10) == [("centre_deaf", "centre", "", False)]


def test_a_rule_that_is_switched_off_clears_what_stands(tmp_path: Path) -> None:
    """Else its alarms would stand for ever."""
    clock = Clock()
    with centre(tmp_path, clock) as collector:
        look(collector, clock)
        taken(collector.state, hello(greeting(1, 1)), state("gw-1", False, NOW_MS))
        look(collector, clock, 60)
    with centre(tmp_path, clock, "[fleet.gateway_offline]\nenabled = false\n") as collector:
        assert look(collector, clock, 1) == [("gateway_offline", "gw-1", "", False)]
        assert collector.state.read_now(lambda db: db.execute(select(fleet_standing)).all()) == []


@pytest.mark.parametrize("second", [Quality.BAD, Quality.GOOD, Quality.UNPOWERED])
def test_a_line_is_down_by_its_newest_values(second: Quality, tmp_path: Path) -> None:
    """All devices are bad; one that is not, or has no power by plan, and the line is not judged down."""
    clock = Clock()

    def values(sequence: int, quality: Quality, other: Quality) -> bytes:
        at_ms = NOW_MS + sequence
        return telemetry(
            sequence,
            [
                Sample(at_ms, "a", "pressure", None, quality, "timeout"),
                Sample(at_ms, "b", "pressure", None, other, "timeout"),
            ],
        )

    with centre(tmp_path, clock) as collector:
        taken(collector.state, hello(greeting(1, 1, devices=LINES)), state("gw-1", True, NOW_MS))
        taken(collector.state, up(values(1, Quality.BAD, second)))
        asyncio.run(projected(collector))
        found = look(collector, clock, 61)
        assert found == ([("line_down", "gw-1", "rs485-1", True)] if second is Quality.BAD else [])
        taken(collector.state, up(values(2, Quality.GOOD, second)))
        asyncio.run(projected(collector))
        look(collector, clock, 1)
        after = look(collector, clock, 60)
        assert after == ([("line_down", "gw-1", "rs485-1", False)] if second is Quality.BAD else [])


def test_many_gateways_of_an_area_are_one_incident(tmp_path: Path) -> None:
    """The area's own alarm and those of its gateways; a gateway elsewhere is by itself."""
    clock = Clock()
    rule: dict[str, Any] = {
        "name": "power_cut",
        "title": '{ en = "Power cut in {area}? {count} alarms", zh = "{area}：{count}" }',
        "matchers": "['problem=~\"gateway_offline|power_cut\"']",
        "group_by": '["area"]',
    }
    lines = [f"{key} = {value if key != 'name' else repr(value)}" for key, value in rule.items()]
    tables = "\n".join(["[[incidents.rules]]", *lines, ""])
    with centre(tmp_path, clock, tables) as collector:
        names = [f"gw-{n}" for n in range(1, 5)]
        for name in names:
            taken(collector.state, hello(greeting(1, 1, gateway=name), gateway=name))
        taken(collector.state, hello(greeting(1, 1, gateway="gw-9", devices=[]), gateway="gw-9"))
        look(collector, clock)
        for name in (*names[:3], "gw-9"):
            taken(collector.state, state(name, False, clock.now_ms))
        look(collector, clock, 0)
        look(collector, clock, 30)
        assert told(collector) == [("many_neighbours", "centre", "500103001001", True)]
        look(collector, clock, 30)
        standing_now = [each for each in found(collector) if each.merged_into is None]
        assert sorted((each.rule, each.members, each.title_en) for each in standing_now) == [
            ("power_cut", 4, "Power cut in 500103001001? 4 alarms"),
            ("single", 1, "Gateway offline: gw-9"),
        ]
