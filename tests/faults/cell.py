"""A cell: everything between meters and stores, in real processes that can be killed and started again.

Gateways read counting meters (``counting``) over Modbus TCP; broker, centre and, where it is wanted, a
VictoriaMetrics behind the centre are as in service. Intervals are short and windows small, so that a kill at
any moment meets a commit, a publication, an acknowledgement or a projection.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from gengfu.demo.processes import Child, DemoError, die_with_parent
from simulators.mosquitto import Mosquitto
from simulators.servers import HOST
from simulators.victoria_metrics import VictoriaMetrics
from tests.faults.counting import PROFILE, Meters

DISTRICT = "cell"
GATEWAYS = ("gw-1", "gw-2")
METERS = ("meter-1", "meter-2", "meter-3")
BROKER, CENTRE, STORE = "broker", "centre", "store"
METER_TIMEOUT_S = 1.0
CAUGHT_UP_MAX_S = 120.0
POLL_S = 0.1
WORKING_BATCHES_MAX = 20
"""So many may wait in gateways that have caught up: they go on measuring."""
STORE_SETTLE_S = 15.0
"""VictoriaMetrics has what it took on its disk within 10 s where nobody else keeps the machine busy."""

_GATEWAY = """schema = 1
district = "{district}"
gateway = "{name}"
state_folder = "{name}"
profile_folders = ["profiles"]
[broker]
host = "{host}"
port = {broker_port}
reconnect_min_s = 0.1
reconnect_max_s = 0.5
[clock]
source = "wall"
[buffer]
flush_interval_s = 0.15
samples_per_batch_max = 40
window_batches_max = 4
acknowledge_timeout_s = 1
acknowledge_timeout_max_s = 4
stop_drain_s = {drain_s}
[[lines]]
kind = "tcp"
name = "meters"
host = "{host}"
port = {meters_port}
"""

_METER = """[[devices]]
name = "{name}"
line = "meters"
unit_id = {unit_id}
profile = "counting_meter"
interval_s = 0.2
timeout_s = {timeout_s}
"""

_ALARM = """[[alarms]]
name = "wave"
points = [{points}]
high = 0.5
problem = "none"
message = "The wave is up"
"""

_CENTRE = """schema = 1
district = "{district}"
data_folder = "centre"
[broker]
host = "{host}"
port = {broker_port}
reconnect_min_s = 0.1
reconnect_max_s = 0.5
receive_maximum = 10
[http]
port = 0
[limits]
commit_batches_max = 20
projection_batches_max = 20
repeat_interval_s = 0.2
"""

_STORE = """[[series_stores]]
name = "archive"
kind = "influxdb"
url = "{url}"
bucket = "cell"
timeout_s = 5
store_settle_s = {settle_s}
"""


class Cell:
    """The parts by name: ``broker``, ``centre``, ``store`` if there is one, and the gateways."""

    def __init__(
        self,
        folder: Path,
        *,
        has_store: bool = False,
        weakened: bool = False,
        settle_s: float = STORE_SETTLE_S,
    ) -> None:
        """``weakened`` gateways delete on the broker's PUBACK; ``settle_s`` is when a store is believed."""
        self.folder, self.weakened, self.settle_s = folder, weakened, settle_s
        self.meters = {name: Meters(METERS) for name in GATEWAYS}
        self.broker = Mosquitto(folder / "broker", in_child=die_with_parent)
        self.store = VictoriaMetrics(folder / "store", in_child=die_with_parent) if has_store else None
        self.restarts_s: list[tuple[str, float]] = []
        self.kills: dict[str, int] = {}
        self.wipes = 0
        self.backlog = 0
        """Batches that waited in gateways when the kills were over."""
        self._children: dict[str, Child] = {}

    @property
    def parts(self) -> list[str]:
        """What can be killed."""
        return [BROKER, CENTRE, *([STORE] if self.store else []), *GATEWAYS]

    def start(self) -> None:
        """Start meters and parts; DemoError or SimulatorError where one does not start."""
        for meters in self.meters.values():
            meters.start()
        self._write()
        settings = str(self.folder / "centre.toml")
        self._children[CENTRE] = self._child(
            CENTRE, "gengfu.main", "collector", "run", "--settings", settings
        )
        entry = ("gengfu.demo.weakened",) if self.weakened else ("gengfu.main", "edge", "run")
        for name in GATEWAYS:
            settings = str(self.folder / f"{name}.toml")
            self._children[name] = self._child(name, *entry, "--settings", settings)
        for part in self.parts:
            self._start(part)

    def kill(self, part: str) -> None:
        """SIGKILL it; DemoError if it had ended by itself."""
        self.check()
        self.kills[part] = self.kills.get(part, 0) + 1
        self._of(part).kill()

    def restart(self, part: str, dies_after_s: float | None = None) -> None:
        """Start it again and wait until it is ready; where ``dies_after_s`` is given it is killed before.

        A gateway or the centre only: the others are there at once.
        """
        child = self._children.get(part)
        if dies_after_s is not None and child:
            child.spawn()
            time.sleep(dies_after_s)
            child.kill()
            self.kills[part] += 1
        began_s = time.monotonic()
        self._start(part)
        self.restarts_s.append((part, time.monotonic() - began_s))

    def wipe(self) -> None:
        """Make the killed broker forget sessions, retained messages and queues."""
        self.broker.wipe()
        self.wipes += 1

    def check(self) -> None:
        """Raise DemoError if anything ended by itself."""
        for child in self._children.values():
            if child.fallen:
                raise DemoError(child.fallen)
        for name, meters in self.meters.items():
            if meters.failures:
                raise DemoError(f"the meters of {name}: {meters.failures[0]!r}")

    def settle(self) -> None:
        """End gateways, then the centre, once each has handed on all it has; DemoError where it does not."""
        self.check()
        if not self.weakened:
            self._drain()
        for name in GATEWAYS:
            if status := self._children[name].end():
                raise DemoError(f"{name} ended with status {status}; see {self._log(name)}")
        self._wait("the series", lambda: self._position("series.db", "SELECT journal_id FROM cursor"))
        if self.store:
            query = "SELECT journal_id FROM cursors WHERE projection = 'store-archive'"
            self._wait("the store", lambda: self._position("collector.db", query))
        self.check()
        if status := self._children[CENTRE].end():
            raise DemoError(f"the centre ended with status {status}; see {self._log(CENTRE)}")

    def close(self) -> None:
        """End whatever runs."""
        for child in reversed(list(self._children.values())):
            child.end()
        self.broker.stop()
        if self.store:
            self.store.stop()
        for meters in self.meters.values():
            meters.stop()

    def _start(self, part: str) -> None:
        if part in self._children:
            self._children[part].start()
        else:
            self._of(part).start()

    def _of(self, part: str) -> "Child | Mosquitto | VictoriaMetrics":
        if part == BROKER:
            return self.broker
        if part == STORE and self.store:
            return self.store
        return self._children[part]

    def _child(self, name: str, *arguments: str) -> Child:
        return Child(name, list(arguments), self._log(name))

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _write(self) -> None:
        (self.folder / "profiles").mkdir(parents=True)
        (self.folder / "profiles" / "counting_meter.toml").write_text(PROFILE)
        common = {"district": DISTRICT, "host": HOST, "broker_port": self.broker.port}
        text = _CENTRE.format(**common)
        if self.store:
            text += _STORE.format(url=self.store.url, settle_s=self.settle_s)
        (self.folder / "centre.toml").write_text(text)
        drain_s = 5 if self.weakened else 25
        for name, meters in self.meters.items():
            text = _GATEWAY.format(**common, name=name, meters_port=meters.port, drain_s=drain_s)
            for unit_id, meter in enumerate(METERS, 1):
                text += _METER.format(name=meter, unit_id=unit_id, timeout_s=METER_TIMEOUT_S)
            text += _ALARM.format(points=", ".join(f'"{meter}/wave"' for meter in METERS))
            (self.folder / f"{name}.toml").write_text(text)

    def _drain(self) -> None:
        """Wait for gateways to hand on what waits: for as long as it becomes less."""
        least, since_s = self._backlog(), time.monotonic()
        self.backlog = least
        while least > WORKING_BATCHES_MAX:
            self.check()
            time.sleep(POLL_S)
            if (now := self._backlog()) < least:
                least, since_s = now, time.monotonic()
            elif time.monotonic() - since_s > CAUGHT_UP_MAX_S:
                raise DemoError(f"{now} batches wait in gateways, and get no fewer; see {self.folder}")

    def _backlog(self) -> int:
        """Return how many batches wait in all buffers."""
        waiting = 0
        for name in GATEWAYS:
            with contextlib.closing(sqlite3.connect(self.folder / name / "buffer.db", timeout=5)) as db:
                waiting += int(db.execute("SELECT count(*) FROM batches").fetchone()[0])
        return waiting

    def _wait(self, what: str, position: Callable[[], int]) -> None:
        end = self._position("collector.db", "SELECT last_id FROM journal_head")
        until_s = time.monotonic() + CAUGHT_UP_MAX_S
        while (now_at := position()) < end:
            self.check()
            if time.monotonic() > until_s:
                raise DemoError(f"{what} stands at {now_at} of {end}; see {self._log(CENTRE)}")
            time.sleep(POLL_S)

    def _position(self, file: str, query: str) -> int:
        path = self.folder / "centre" / file
        with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
            row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0
