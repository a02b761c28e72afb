"""What an alarm event costs at the centre: ``python -m bench.alarm_path``; no broker, no HTTP, no waiting.

The events of `bench.storm`, in its order and in batches of its size, are put in the journal of a real
database; then the projection takes them through conditions, incidents, cases and outbox, a stretch of the
journal each time, as it does behind a storm. ``cpu_ms_per_event`` is the CPU time of that, commits included;
``statements_per_event`` how many statements the database executed, ``statements_max`` those of the stretch
that took most. ``--profile`` says where the time went.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, event, func, select

from bench import storm_city
from bench.storm import SETTINGS
from bench.storm_city import City
from bench.storm_play import DISTRICT, TICK_S
from collector import journal, registry
from collector.alarms.projection import AlarmProjection
from collector.database import Database
from collector.desired.book import DesiredBook
from collector.incidents.tables import incidents
from collector.journal import Arrived
from collector.metrics import Metrics
from collector.parts.seeding import seed
from collector.rooms import AlarmRooms
from collector.settings import load
from collector.tables import cases, outbox
from collector.world import World
from contract import batches
from contract.batches import Content, Header
from contract.events import Event
from contract.messages import Hello
from contract.samples import ClockState
from contract.topics import Lane

PER_MINUTE = 10_000
BOOT = "0" * 32
BEGIN_MS = 1_790_000_000_000


class Clock:
    """The centre's time: that of the batches."""

    now_ms = BEGIN_MS


def arriving(city: City, seconds: float, clock: Clock) -> Iterator[list[Arrived]]:
    """Yield the batches of each tick."""
    sequences: Counter[str] = Counter()
    count = round(PER_MINUTE / 60 * TICK_S)
    for tick in range(round(seconds / TICK_S)):
        clock.now_ms += round(TICK_S * 1000)
        group: dict[str, list[Event]] = defaultdict(list)
        for sensor in city.drawn(tick * TICK_S, count):
            group[sensor.gateway].append(city.toggled(sensor, clock.now_ms))
        found = []
        for gateway, told in group.items():
            sequences[gateway] += 1
            header = Header(
                DISTRICT,
                gateway,
                BOOT,
                Lane.EVENTS,
                sequences[gateway],
                Content.EVENTS,
                BOOT,
                clock.now_ms,
            )
            found.append(Arrived(header, batches.message(header, batches.events_payload(told)), clock.now_ms))
        yield found


def greet(state: Database, city: City) -> None:
    """Let the gateways say what they have."""

    def greeted(connection: Connection) -> None:
        for gateway, devices in city.devices.items():
            registry.add(connection, gateway, BEGIN_MS)
            hello = Hello(1, DISTRICT, gateway, BOOT, "0.1.0", BEGIN_MS, ClockState.SYNCHRONISED, [], devices)
            registry.greeted(connection, hello, BEGIN_MS, retained=False)

    state.write_now(greeted)


async def measured(
    state: Database, projection: AlarmProjection, city: City, clock: Clock, given: argparse.Namespace
) -> dict[str, float]:
    """Let the events come, ``--ticks`` at a time, and the projection take them; return what that took."""
    counted = Counter[str]()
    event.listen(
        state._writer, "before_cursor_execute", lambda *told: counted.update({"all": 1, told[2][:400]: 1})
    )
    cpu_s, most = 0.0, 0
    waiting: list[Arrived] = []
    profile = cProfile.Profile()
    for number, batch in enumerate(arriving(city, given.seconds, clock), 1):
        waiting += batch
        if number % given.ticks:
            continue
        state.write_now(partial(journal.append, arrived=waiting, bytes_max=2**32))
        waiting = []
        before, began_s = counted["all"], time.process_time()
        if given.profile:
            state._write_thread.submit(profile.enable).result()
        while await projection.advance():
            pass
        if given.profile:
            state._write_thread.submit(profile.disable).result()
        cpu_s += time.process_time() - began_s
        counted["path"] += counted["all"] - before
        most = max(most, counted["all"] - before)
    events = round(given.seconds / TICK_S) * round(PER_MINUTE / 60 * TICK_S)
    if given.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        pstats.Stats(profile).sort_stats("cumtime").print_stats(70)
        for statement, count in counted.most_common(40):
            print(f"{count / events:8.3f} {' '.join(statement.split())[:190]}")
    return {
        "events": events,
        "cpu_ms_per_event": round(1000 * cpu_s / events, 3),
        "statements_per_event": round(counted["path"] / events, 2),
        "statements_max": most,
        **state.read_now(written),
    }


def written(connection: Connection) -> dict[str, int]:
    """Count what came of it."""
    counts = {table.name: select(func.count()).select_from(table) for table in (incidents, cases, outbox)}
    return {name: connection.execute(query).scalar_one() for name, query in counts.items()}


def main() -> None:
    """Measure, print a table, end with one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="Of the storm.")
    parser.add_argument("--ticks", type=int, default=1, help="Tenths of a second that come together.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="Say where the time goes; that takes longer.")
    given = parser.parse_args()
    city, clock, world = City(given.seed), Clock(), World.real()
    with tempfile.TemporaryDirectory(prefix="gengfu-alarm-path-") as name:
        folder = Path(name)
        settings = folder / "centre.toml"
        settings.write_text(SETTINGS % 1883 + storm_city.RULES)
        (folder / "parts.csv").write_text(city.parts_file())
        loaded = load(settings)
        state = Database(folder / "collector.db", "state")
        state.write_now(lambda connection: journal.begin(connection, BOOT))
        assert loaded.parts_file
        seed(state, loaded.parts_file, loaded.settings.parts, BEGIN_MS)
        greet(state, city)
        world = World(lambda: clock.now_ms, world.monotonic_s, world.new_id, random.Random(given.seed))
        rooms = AlarmRooms(loaded, world, state)
        desired = DesiredBook(DISTRICT, None, now_ms=world.now_ms, retry_max_s=60, history_max=10)
        projection = AlarmProjection(
            state, rooms.alarm_book, desired, Metrics(), batches_max=200, dead_letters_max=100
        )
        figures = asyncio.run(measured(state, projection, city, clock, given))
        state.close()
    for key, value in figures.items():
        print(f"{key:<32}{value!s:>14}")
    print(json.dumps({"name": "alarm_path", "figures": figures}))


if __name__ == "__main__":
    main()
