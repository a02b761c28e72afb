"""What the collector's tests make: messages, settings, and a centre whose clock and ids are given."""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Table, select

from collector.database import Database
from collector.intake import Outcome, Received, Rules, take
from collector.journal import begin
from collector.postgresql import Postgresql
from collector.service import Collector, World
from collector.settings import Loaded, load
from contract import batches, messages, topics
from contract.batches import Content, Header, Tombstone
from contract.events import AlarmCleared, AlarmRaised, Event, Priority
from contract.messages import DeviceEntry, EpochRange, Hello, LaneRange
from contract.samples import ClockState, Sample
from contract.topics import Lane

EPOCH = "0123456789abcdef0123456789abcdef"
OTHER_EPOCH = "f" * 32
BOOT = "b" * 32
NOW_MS = 1_800_000_000_000
RULES = Rules("north", 10, 4, 10_000_000, 100)
PARTS = """ObjID,ObjName,DeptName1,DeptName2,DeptName3,BGID,lon,lat
5001030132000007,供水器,城管局,自来水公司,抢修队,500103001001001,106.55,29.56
"""
SETTINGS = """schema = 1
district = "north"
parts_file = "parts.csv"
[broker]
host = "127.0.0.1"
port = {port}
reconnect_min_s = 0.05
reconnect_max_s = 0.2
[http]
port = 0
[limits]
repeat_interval_s = 0.05
{limits}
{tables}
[[case_classes]]
problem = "pipe_burst"
code = "020501"
title = {{ en = "Water main burst", zh = "自来水管破裂" }}
deadline_h = 2
"""


def header(sequence: int, **changes: Any) -> Header:
    """Return the header of some batch of samples."""
    told: dict[str, Any] = {
        "district": "north",
        "gateway": "gw-1",
        "epoch": EPOCH,
        "lane": Lane.TELEMETRY,
        "sequence": sequence,
        "content": Content.SAMPLES,
        "boot_id": BOOT,
        "created_ms": NOW_MS,
    }
    return Header(**told | changes)


def telemetry(sequence: int, samples: list[Sample] | None = None, **changes: Any) -> bytes:
    """Return a batch of samples; by default one, whose value is the sequence."""
    samples = samples or [Sample(NOW_MS + sequence, "meter", "pressure", sequence)]
    return batches.message(header(sequence, **changes), batches.samples_payload(samples))


def happened(sequence: int, *events: Event, **changes: Any) -> bytes:
    """Return a batch of events."""
    told = {"lane": Lane.EVENTS, "content": Content.EVENTS} | changes
    return batches.message(header(sequence, **told), batches.events_payload(list(events)))


def tombstone(
    sequence: int, count: int, clock: ClockState = ClockState.SYNCHRONISED, **changes: Any
) -> bytes:
    """Return a tombstone."""
    payload = batches.tombstone_payload(Tombstone(NOW_MS - 5_000, NOW_MS, count, "buffer full", clock))
    return batches.message(header(sequence, content=Content.TOMBSTONE, **changes), payload)


def raised(number: int, **changes: Any) -> AlarmRaised:
    """Return an alarm of a burst main."""
    told: dict[str, Any] = {
        "id": f"{number:032x}",
        "time_ms": NOW_MS + number,
        "rule": "burst",
        "device": "main-pressure",
        "point": "pressure",
        "problem": "pipe_burst",
        "priority": Priority.HIGH,
        "message": "Pressure is too low",
        "part": "5001030132000007",
        "value": 96.5,
        "limit": 140.0,
    }
    return AlarmRaised(**told | changes)


def cleared(number: int) -> AlarmCleared:
    """Return the end of alarm ``number``."""
    return AlarmCleared(f"{number:032x}", NOW_MS + 60_000, "burst", "main-pressure", "pressure", 180.0)


def greeting(first: int, following: int, *, epoch: str = EPOCH, **changes: Any) -> bytes:
    """Return a hello whose telemetry lane holds ``first`` to ``following - 1``."""
    lanes = {"telemetry": LaneRange(first, following), "events": LaneRange(1, 1)}
    told: dict[str, Any] = {
        "version": 1,
        "district": "north",
        "gateway": "gw-1",
        "boot_id": BOOT,
        "software": "0.1.0",
        "sent_ms": NOW_MS,
        "clock": ClockState.SYNCHRONISED,
        "epochs": [EpochRange(epoch, lanes)],
        "devices": [DeviceEntry("main-pressure", "qdy30a", "rs485-1", "Hongqi Road", "5001030132000007")],
    }
    return messages.encode(Hello(**told | changes))


def up(data: bytes, *, lane: Lane = Lane.TELEMETRY, gateway: str = "gw-1", at_ms: int = NOW_MS) -> Received:
    """Return a batch as it comes from the broker."""
    return Received(topics.up("north", gateway, lane), data, at_ms)


def hello(data: bytes, *, gateway: str = "gw-1", at_ms: int = NOW_MS) -> Received:
    """Return a hello as it comes from the broker."""
    return Received(topics.hello("north", gateway), data, at_ms)


SQLITE_ONLY = pytest.mark.parametrize("both_engines", ["sqlite"], indirect=True)
"""Of a test that takes the file itself in hand, in a module whose tests run on both engines."""


class States:
    """Where the tests' state databases are: beside the others, or where a fixture says."""

    elsewhere: Callable[[Path], Postgresql] | None = None

    @classmethod
    def of(cls, folder: Path) -> Path | Postgresql:
        """Return the one that belongs to ``folder``, always the same."""
        return cls.elsewhere(folder) if cls.elsewhere else folder / "collector.db"


@contextmanager
def journal_database(folder: Path) -> Iterator[Database]:
    """Open the state of a centre, and nothing else of it."""
    database = Database(States.of(folder), "state")
    try:
        database.write_now(lambda connection: begin(connection, "a" * 32))
        yield database
    finally:
        database.close()


def taken(database: Database, *group: Received, rules: Rules = RULES) -> Outcome:
    """Take a group in one transaction."""
    return database.write_now(lambda connection: take(connection, group, rules))


def rows(database: Database, table: Table) -> list[tuple[Any, ...]]:
    """Return a whole table, in the order of its key."""
    query = select(table).order_by(*table.primary_key.columns)
    return [tuple(row) for row in database.read_now(lambda connection: connection.execute(query).all())]


@dataclass
class Clock:
    """Time that stands until it is moved; ids that count."""

    now_ms: int = NOW_MS
    monotonic_s: float = 1_000.0
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def world(self) -> World:
        """Return it as a centre wants it."""
        return World(
            now_ms=lambda: self.now_ms,
            monotonic_s=lambda: self.monotonic_s,
            new_id=lambda: f"{next(self.ids):032x}",
            random=Random(7),
        )


def settings(
    folder: Path, *, port: int = 1, limits: str = "", tables: str = "", parts: str = PARTS
) -> Loaded:
    """Write a settings file and a part register into ``folder`` and load them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "parts.csv").write_text(parts)
    (folder / "collector.toml").write_text(SETTINGS.format(port=port, limits=limits, tables=tables))
    return load(folder / "collector.toml")


@contextmanager
def standing(loaded: Loaded, clock: Clock | World) -> Iterator[Collector]:
    """Put a centre together without running its loops."""
    world = clock.world() if isinstance(clock, Clock) else clock
    state = Database(States.of(loaded.data_folder), "state")
    store = Database(loaded.data_folder / "series.db", "series")
    try:
        with closing(Collector(loaded, world, state, store)) as collector:
            yield collector
    finally:
        state.close()
        store.close()


async def projected(collector: Collector) -> None:
    """Bring all projections to the end of the journal."""
    for keeper in collector.keepers:
        while await keeper.projection.advance():
            pass


def silent(what: str, done: int, total: int) -> None:
    """Take progress, and check that it is one."""
    assert what
    assert 0 <= done <= total


def typed(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``gengfu collector`` as an operator types it."""
    command = [sys.executable, "-m", "gengfu.main", "collector", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def given(collector: Collector, group: Iterable[Received]) -> Outcome:
    """Take messages as the ingest would."""
    return taken(collector.state, *group)
