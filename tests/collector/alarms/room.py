"""The room of alarms with a real database, a clock that is given, and a way to begin anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy import insert as plain_insert

from collector.alarms import standings
from collector.alarms.book import AlarmBook, Ended
from collector.alarms.conditions import Conditions
from collector.alarms.happening import Alarm
from collector.alarms.operating import Asked, Operators
from collector.alarms.settings import AlarmSettings
from collector.alarms.tables import annunciations, conditions
from collector.alarms.timing import Timers
from collector.alarms.transitions import Happening
from collector.database import Database
from collector.people.roles import Actor, Role
from collector.postgresql import Postgresql
from collector.tables import audit, devices, gateways
from contract.events import AlarmCleared, Priority
from contract.samples import ClockState

NOW_MS = 1_800_000_000_000
WANG = Actor("wang", Role.COMMAND)
LI = Actor("li", Role.COMMAND)
SETTINGS = AlarmSettings(latching=['rule="latched"'], shelve_max_h=2)


def alarm(number: int, **changes: Any) -> Alarm:
    """Return an occurrence of a burst main; ``number`` is its id."""
    told: dict[str, Any] = {
        "gateway": "gw-1",
        "id": f"{number:032x}",
        "rule": "burst",
        "device": "main",
        "point": "pressure",
        "condition": "low",
        "problem": "pipe_burst",
        "priority": Priority.MEDIUM,
        "message": "Pressure is too low",
        "part": "5001030132000007",
        "value": 96.5,
        "limit": 140.0,
        "clock": ClockState.SYNCHRONISED,
        "raised_ms": NOW_MS,
        "received_ms": NOW_MS,
    }
    return Alarm(**told | changes)


@dataclass
class Room:
    """Alarms from their book to their timers, over one file."""

    path: Path | Postgresql
    settings: AlarmSettings = SETTINGS
    now_ms: int = NOW_MS
    number: int = 0
    given: dict[str, Alarm] = field(default_factory=dict)

    def open(self) -> None:
        """Open the file with new objects, as a process that begins."""
        self.database = Database(self.path, "state")
        self.conditions = Conditions(self.settings, now_ms=lambda: self.now_ms)
        self.book = AlarmBook([self.conditions])
        self.operators = Operators(self.conditions, shelve_max_ms=self.settings.shelve_max_ms)
        self.timers = Timers(self.database, self.conditions, self.settings, now_ms=lambda: self.now_ms)

    def restart(self) -> None:
        """End, and begin again."""
        self.database.close()
        self.open()

    def knows(self, gateway: str, device: str, line: str, part: str = "") -> None:
        """Say what a gateway's hello says of a device."""
        told = {"gateway": gateway, "device": device, "profile": "x", "line": line, "title": "", "part": part}
        with_gateway = plain_insert(gateways).values(gateway=gateway, heard_ms=NOW_MS)
        self.database.write_now(
            lambda db: (db.execute(with_gateway), db.execute(plain_insert(devices).values(told)))
        )

    def raised(self, **changes: Any) -> Alarm:
        """Raise a new occurrence now."""
        self.number += 1
        told = {"raised_ms": self.now_ms, "received_ms": self.now_ms} | changes
        new = alarm(self.number, **told)
        self.given[new.id] = new
        self.database.write_now(lambda db: self.book.take(db, [new]))
        return new

    def cleared(self, of: Alarm) -> None:
        """End an occurrence now."""
        event = AlarmCleared(of.id, self.now_ms, of.rule, of.device, of.point)
        self.database.write_now(lambda db: self.book.take(db, [Ended(of.gateway, event, self.now_ms)]))

    def row(self, of: Alarm) -> Row[Any]:
        """Return where a source stands."""
        row = self.database.read_now(lambda db: standings.of_source(db, of.source))
        assert row is not None
        return row

    def act(self, of: Alarm, happening: Happening, actor: Actor = WANG, **asked: Any) -> None:
        """Have an operator do something, by what there is now unless ``version`` is given."""
        row = self.row(of)
        wanted = replace(Asked(happening, row.version), **asked)
        self.database.write_now(lambda db: self.operators.act(db, row.row, wanted, actor, self.now_ms))

    def turn(self) -> None:
        """Let the timers do all that is due."""
        while self.database.write_now(lambda db: self.timers.turn(db, self.now_ms)):
            pass

    def passes(self, seconds: float) -> None:
        """Let time pass, and the timers notice."""
        self.now_ms += round(seconds * 1000)
        self.turn()

    def quiet(self, *asked: Alarm) -> dict[str, str]:
        """Return why nobody is told of them, by id."""
        keys = [(each.gateway, each.id) for each in asked]
        found = self.database.read_now(lambda db: self.conditions.quiet(db, keys))
        return {alarm_id: reason for (_, alarm_id), reason in found.items()}

    def told(self, of: Alarm) -> int:
        """Return how often a source was annunciated."""
        mine = (
            select(func.count())
            .select_from(annunciations)
            .where(annunciations.c.condition == self.row(of).row)
        )
        return self.database.read_now(lambda db: db.execute(mine).scalar_one())

    def trail(self) -> list[tuple[str, str]]:
        """Return who did what, in order."""
        query = select(audit.c.who, audit.c.action).order_by(audit.c.row)
        return [(row[0], row[1]) for row in self.database.read_now(lambda db: db.execute(query).all())]

    def count(self) -> int:
        """Return how many sources there are."""
        query = select(func.count()).select_from(conditions)
        return self.database.read_now(lambda db: db.execute(query).scalar_one())


@contextmanager
def opened(path: Path | Postgresql, settings: AlarmSettings = SETTINGS) -> Iterator[Room]:
    """Open a room in a file."""
    room = Room(path, settings)
    room.open()
    try:
        yield room
    finally:
        room.database.close()
