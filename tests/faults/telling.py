"""The centre is killed while it tells people of incidents: ``python -m tests.faults.telling``.

Its process sends over real HTTP and is killed (SIGKILL) while requests are under way: after the service took
a message and before the centre heard so, and before the service took it. In the end each incident must have
been told to each person by exactly one message; of the highest priority none may be missing, nothing else may
have arrived twice, and what did not arrive must be known as "perhaps sent". Controls: a centre that sends
again whatever was interrupted, and one that takes it for sent.
"""

import argparse
import contextlib
import json
import random
import select as sockets
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from collector.database import Database
from collector.incidents.tables import incident_members, incidents
from collector.tables import alarms
from collector.telling.facts import State
from collector.telling.tables import messages
from contract.events import Priority
from tests.faults.telling_process import WEAKENED, now_ms

PEOPLE = ("wang", "li", "zhao")
HIGHEST_SHARE = 0.4
AT_ONCE = 6
"""Incidents that begin together."""
HANDLING_S = 0.1
WAIT_S_MAX = 180.0
POLL_S = 0.02
CHANNEL = """schema = 1
[[channels]]
name = "hook"
kind = "sms"
url = "http://127.0.0.1:{port}/"
encode = "json"
parameters = {{ id = "{{id}}", to = "{{address}}" }}
"""


@dataclass
class Service:
    """What messages go to: takes some at once, some after a while if one still listens; answers late."""

    chance: random.Random
    port: int = 0
    taken: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, message_id: str) -> None:
        """Take a message."""
        with self.lock:
            self.taken[message_id] += 1

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Serve on loopback."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # as the library calls it
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with service.lock:
                    service.asked += 1
                    service.under_way += 1
                    at_once = service.chance.random() < 0.5
                try:
                    if at_once:
                        service.take(told["id"])
                    time.sleep(HANDLING_S)
                    readable, _, _ = sockets.select([self.connection], [], [], 0)
                    if readable:
                        return  # whoever asked is gone
                    if not at_once:
                        service.take(told["id"])
                    self.send_response(200)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                finally:
                    with service.lock:
                        service.under_way -= 1

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # who is killed breaks connections
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@dataclass
class Told:
    """What became of it."""

    kills: int = 0
    incidents: int = 0
    untold: int = 0
    told_twice: int = 0
    highest_missing: int = 0
    highest_doubled: int = 0
    doubled: int = 0
    lost: int = 0
    perhaps: int = 0


class Game:
    """A database, a service, and the lives of a centre's telling."""

    def __init__(self, folder: Path, service: Service, chance: random.Random, weaken: str) -> None:
        """All are the caller's."""
        self.told = Told()
        self._folder, self._service, self._chance, self._weaken = folder, service, chance, weaken
        people = "\n".join(
            f'[[people]]\nname = "{name}"\ntitle = "{name}"\n'
            f'channels = [{{ channel = "hook", address = "{name}" }}]'
            for name in PEOPLE
        )
        (folder / "people.toml").write_text(f"schema = 1\nfallback = {json.dumps(PEOPLE)}\n{people}\n")
        channels = folder / "channels.toml"
        channels.touch(mode=0o600)
        channels.write_text(CHANNEL.format(port=service.port))
        self._state = Database(folder / "collector.db", "state")

    def close(self) -> None:
        """Close the database."""
        self._state.close()

    def play(self, kills: int) -> None:
        """Let incidents begin and kill the process in the middle, so often; then let it come to its end."""
        for number in range(1, kills + 1):
            self._begin(AT_ONCE)
            with self._process() as process:
                self._until(self._in_the_middle(self._chance.randrange(AT_ONCE * len(PEOPLE))), process)
                time.sleep(self._chance.uniform(0, HANDLING_S / 2))
                process.kill()
            self.told.kills = number
            print(f"{number} of {kills} kills {self._weaken}", file=sys.stderr)
        with self._process() as process:
            self._until(self._is_settled, process)
            process.kill()
        self._count()

    def _begin(self, count: int) -> None:
        first = self.told.incidents + 1
        numbers = range(first, first + count)
        highest = {number for number in numbers if self._chance.random() < HIGHEST_SHARE}

        def write(connection: Connection) -> None:
            for number in numbers:
                begin(connection, number, highest=number in highest)

        self._state.write_now(write)
        self.told.incidents += count

    @contextlib.contextmanager
    def _process(self) -> Iterator["subprocess.Popen[bytes]"]:
        weaken = ["--weaken", self._weaken] if self._weaken else []
        command = [sys.executable, "-m", "tests.faults.telling_process", str(self._folder), *weaken]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            try:
                yield process
            finally:
                process.kill()

    def _in_the_middle(self, after: int) -> Callable[[], bool]:
        """Return what says whether so many requests came since, and one is under way; or all is done."""
        service, wanted = self._service, self._service.asked + after
        return lambda: (service.asked > wanted and service.under_way > 0) or self._is_settled()

    def _until(self, reached: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
        until_s = time.monotonic() + WAIT_S_MAX
        while not reached():
            if process.poll() is not None or time.monotonic() > until_s:
                raise SystemExit(f"telling neither sends nor ends (status {process.poll()})")
            time.sleep(POLL_S)

    def _is_settled(self) -> bool:
        query = select(messages.c.state)
        states = self._state.read_now(lambda db: db.execute(query).scalars().all())
        open_ones = {State.WAITING, State.SENDING} & set(states)
        return len(states) >= self.told.incidents * len(PEOPLE) and not open_ones

    def _count(self) -> None:
        rows = self._state.read_now(lambda db: db.execute(select(messages)).all())
        first = Counter((row.incident_id, row.person) for row in rows)
        wanted = {(identity(number), name) for number in range(1, self.told.incidents + 1) for name in PEOPLE}
        told, taken = self.told, self._service.taken
        told.untold, told.told_twice = len(wanted - set(first)), sum(first.values()) - len(first)
        for row in rows:
            if row.highest:
                told.highest_missing += not taken[row.id]
                told.highest_doubled += max(0, taken[row.id] - 1)
            else:
                told.doubled += max(0, taken[row.id] - 1)
                told.perhaps += row.state == State.PERHAPS_SENT
                told.lost += not taken[row.id] and row.state != State.PERHAPS_SENT


def identity(number: int) -> str:
    """Return the id of an incident and of its alarm."""
    return f"{number:032x}"


def begin(connection: Connection, number: int, *, highest: bool) -> None:
    """Write an incident with one alarm, as the books of the centre do."""
    at_ms, priority = now_ms(), Priority.HIGHEST if highest else Priority.HIGH
    alarm = {
        "gateway": "gw-1",
        "id": identity(number),
        "rule": "burst",
        "device": f"main-{number}",
        "point": "pressure",
        "condition": "",
        "problem": "pipe_burst",
        "priority": str(priority),
        "message": "Pressure is too low",
        "part": "",
        "value": "96.5",
        "limit": None,
        "clock": "synchronised",
        "raised_ms": at_ms,
        "received_ms": at_ms,
        "backfill": False,
        "planned": False,
        "waits": False,
    }
    connection.execute(insert(alarms).values(alarm))
    values = dict.fromkeys(column.name for column in incidents.columns) | {
        "id": identity(number),
        "key": f"single/{number}",
        "grouping": f"single/{number}",
        "rule": "single",
        "labels": "{}",
        "title_en": f"Burst {number}",
        "title_zh": f"爆管 {number}",
        "area": "",
        "priority": str(priority),
        "opened_ms": at_ms,
        "last_ms": at_ms,
        "sources": 1,
        "members": 1,
        "active": 1,
        "acked_by": "",
        "revision": 1,
        "version": 1,
    }
    del values["row"]
    connection.execute(insert(incidents).values(values))
    member = {"gateway": "gw-1", "alarm_id": identity(number), "source": identity(number), "at_ms": at_ms}
    connection.execute(
        insert(incident_members).values(incident_id=identity(number), cleared_ms=None, **member)
    )


def played(kills: int, seed: int, weaken: str = "") -> Told:
    """Play it; return what became of it."""
    chance = random.Random(seed)
    service = Service(random.Random(seed + 1))
    with tempfile.TemporaryDirectory(prefix="gengfu-telling-") as name, service.running():
        game = Game(Path(name), service, chance, weaken)
        try:
            game.play(kills)
        finally:
            game.close()
    return game.told


def main() -> None:
    """Play it, print what became of it, end with a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--control-kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    told = played(given.kills, given.seed)
    again = played(given.control_kills, given.seed, "again")
    believed = played(given.control_kills, given.seed, "believed")
    assert set(WEAKENED) == {"again", "believed"}
    figures = {f"telling_{name}": value for name, value in vars(told).items()}
    figures |= {
        "telling_control_again_doubled": again.doubled,
        "telling_control_believed_missing": believed.highest_missing + believed.lost,
    }
    for name, value in figures.items():
        print(f"{name:<36}{value:>8}")
    conditions = {"seed": given.seed, "control_kills": given.control_kills}
    print(json.dumps({"name": "telling", "figures": figures, "conditions": conditions}))
    harm = told.untold + told.told_twice + told.highest_missing + told.doubled + told.lost
    if harm or not again.doubled or not (believed.highest_missing + believed.lost):
        sys.exit(1)


if __name__ == "__main__":
    main()
