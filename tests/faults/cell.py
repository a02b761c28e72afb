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
from simulators.victoria_metrics import VictoriaMetrics
from tests.faults import counting
from tests.faults.counting import Meters
from tests.faults.plain_site import CENTRE, Site

DISTRICT = "cell"
GATEWAYS = ("gw-1", "gw-2")
METERS = ("meter-1", "meter-2", "meter-3")
BROKER, STORE = "broker", "store"
CAUGHT_UP_MAX_S = 120.0
POLL_S = 0.1
WORKING_BATCHES_MAX = 20
"""So many may wait in gateways that have caught up: they go on measuring."""
STORE_SETTLE_S = 15.0
"""VictoriaMetrics has what it took on its disk within 10 s where nobody else keeps the machine busy."""

_GATEWAY = """[buffer]
flush_interval_s = 0.15
samples_per_batch_max = 40
window_batches_max = 4
acknowledge_timeout_s = 1
acknowledge_timeout_max_s = 4
stop_drain_s = {drain_s}
[[lines]]
kind = "tcp"
name = "meters"
host = "127.0.0.1"
port = {meters_port}
"""

_ALARM = """[[alarms]]
name = "wave"
points = [{points}]
high = 0.5
problem = "none"
message = "The wave is up"
"""

_CENTRE = """receive_maximum = 10
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


class Cell(Site):
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
        self.store = VictoriaMetrics(folder / "store", in_child=die_with_parent) if has_store else None
        archive = _STORE.format(url=self.store.url, settle_s=settle_s) if self.store else ""
        super().__init__(folder, DISTRICT, _CENTRE + archive)
        counting.write_profile(folder)
        self.weakened = weakened
        self.meters = {name: Meters(METERS) for name in GATEWAYS}
        entry = ("gengfu.demo.weakened",) if weakened else ("gengfu.main", "edge", "run")
        for name in GATEWAYS:
            self.add(name, entry)
        self.restarts_s: list[tuple[str, float]] = []
        self.kills: dict[str, int] = {}
        self.wipes = 0
        self.backlog = 0
        """Batches that waited in gateways when the kills were over."""

    @property
    def parts(self) -> list[str]:
        """What can be killed."""
        return [BROKER, CENTRE, *([STORE] if self.store else []), *GATEWAYS]

    def start(self) -> None:
        """Start meters and parts; DemoError or SimulatorError where one does not start."""
        for name, meters in self.meters.items():
            meters.start()
            self.settings_file(name).write_text(self._settings(name, meters))
        for part in self.parts:
            self._of(part).start()

    def kill(self, part: str) -> None:
        """SIGKILL it; DemoError if it had ended by itself."""
        self.check()
        self.kills[part] = self.kills.get(part, 0) + 1
        self._of(part).kill()

    def restart(self, part: str, dies_after_s: float | None = None) -> None:
        """Start it again and wait until it is ready; where ``dies_after_s`` is given it is killed before.

        A gateway or the centre only: the others are there at once.
        """
        child = self._of(part)
        if dies_after_s is not None and isinstance(child, Child):
            child.spawn()
            time.sleep(dies_after_s)
            child.kill()
            self.kills[part] += 1
        began_s = time.monotonic()
        child.start()
        self.restarts_s.append((part, time.monotonic() - began_s))

    def wipe(self) -> None:
        """Make the killed broker forget sessions, retained messages and queues."""
        self.broker.wipe()
        self.wipes += 1

    def check(self) -> None:
        """Raise DemoError if anything ended by itself."""
        if self.fallen:
            raise DemoError(self.fallen[0])
        for name, meters in self.meters.items():
            if meters.failures:
                raise DemoError(f"the meters of {name}: {meters.failures[0]!r}")

    def settle(self) -> None:
        """End gateways, then the centre, once each has handed on all it has; DemoError where it does not."""
        self.check()
        if not self.weakened:
            self._drain()
        for name in GATEWAYS:
            if status := self.children[name].end():
                raise DemoError(f"{name} ended with status {status}; see {self.log(name)}")
        self._wait("the series", lambda: self._position("series.db", "SELECT journal_id FROM cursor"))
        if self.store:
            query = "SELECT journal_id FROM cursors WHERE projection = 'store-archive'"
            self._wait("the store", lambda: self._position("collector.db", query))
        self.check()
        if status := self.centre.end():
            raise DemoError(f"the centre ended with status {status}; see {self.log(CENTRE)}")

    def close(self) -> None:
        """End whatever runs."""
        self.end()
        if self.store:
            self.store.stop()
        for meters in self.meters.values():
            meters.stop()

    def _of(self, part: str) -> "Child | Mosquitto | VictoriaMetrics":
        if part == BROKER:
            return self.broker
        if part == STORE and self.store:
            return self.store
        return self.centre if part == CENTRE else self.children[part]

    def _settings(self, name: str, meters: Meters) -> str:
        text = _GATEWAY.format(meters_port=meters.port, drain_s=5 if self.weakened else 25)
        for unit_id, meter in enumerate(METERS, 1):
            text += counting.settings(meter, "meters", unit_id, 0.2)
        text += _ALARM.format(points=", ".join(f'"{meter}/wave"' for meter in METERS))
        return self.gateway_settings(name, text, profiles='"profiles"')

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
                raise DemoError(f"{what} stands at {now_at} of {end}; see {self.log(CENTRE)}")
            time.sleep(POLL_S)

    def _position(self, file: str, query: str) -> int:
        path = self.folder / "centre" / file
        with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
            row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0
