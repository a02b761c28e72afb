"""Stories of whole gateways on failing disks: real processes, devices behind TCP, a real broker and centre.

Several gateways at once, each with devices and a disk of its own; the broker, which is everybody's, comes and
goes. Each time the level is changed the gateway must switch a relay, whatever its disk does.
"""

import errno
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random

from contract.events import AlarmCleared, AlarmRaised, ControlAction, ControlChanged
from gengfu.demo.processes import die_with_parent
from simulators.mosquitto import Mosquitto
from tests.faults.disk_audit import Arrived, Verdict, arrived, judged, unkept
from tests.faults.disk_site import COUNTER, HIGH, LIMIT, LOW, PROFILE, SETTINGS, Site
from tests.faults.failing_disk import FailingDisk
from tests.faults.stampede import DISTRICT, centre

ROOT = Path(__file__).parents[2]
KIB = 1024
BALLAST_BYTES = 256 * KIB
REFUSALS = (errno.ENOSPC, errno.EROFS, errno.EIO)
GATEWAYS = 3
READINGS_MAX = 10
"""So many readings of the level may pass before the relay has followed."""
STALLED_S = 30.0
BALLAST_S_MAX = 3.0
SETTLED_S_MAX = 60.0
LINKS_UP_S = ((2.0, 5.0), (0.5, 1.3))
"""How long the broker is there, by turns of the seed: the short ones break before answers come."""
SLACK_MS = 1_000
"""What lies between a device's answer and the gateway's stamp, at most."""


class Cabinet:
    """One gateway's story; ``play`` it in a thread of its own, then ask for the ``verdict``."""

    def __init__(self, folder: Path, seed: int, broker_port: int, *options: str) -> None:
        """Prepare everything but the process; the options are those of small_gateway.py."""
        self._options = options
        self.name = f"gw-{seed % 100_000:04}"
        self._chance = Random(seed)
        self._site = Site(seed)
        self._disk = FailingDisk(folder, self.name)
        self._disk.folder.mkdir()
        (folder / "profiles").mkdir(exist_ok=True)
        (folder / "profiles" / "story_meter.toml").write_text(PROFILE)
        self._settings = folder / f"{self.name}.toml"
        self._settings.write_text(
            SETTINGS.format(
                district=DISTRICT,
                gateway=self.name,
                state=self._disk.folder,
                profiles=folder / "profiles",
                broker_port=broker_port,
                bytes_max=64 * KIB,
                ballast_bytes=BALLAST_BYTES,
                port=self._site.port,
                limit=LIMIT,
            )
        )
        self._log = folder / f"{self.name}.log"
        self._toggles = self._missed = self._kills = 0
        self._owed = 0  # counted, and not told when it was stopped
        self._process: subprocess.Popen[str]

    def play(self) -> None:
        """Live through all of it, and leave an empty buffer."""
        try:
            self._change_disk()
            self._start()
            for _ in range(self._chance.randint(3, 5)):
                what = self._change_disk()
                for _ in range(self._chance.randint(1, 3)):
                    self._toggle()
                    time.sleep(self._chance.uniform(0.5, 1.5))
                if what in ("full", "work") and self._chance.random() < 0.3:
                    self._kill()
            self._disk.work()
            self._toggle()
            self._settle()
        finally:
            self._process.kill()
            self._process.wait()
            self._site.stop()

    def _start(self) -> None:
        with self._log.open("a") as log:
            module = [sys.executable, "-m", "tests.faults.small_gateway", *self._options]
            self._process = subprocess.Popen(
                [*module, "edge", "run", "--settings", str(self._settings)],
                env=self._disk.environment,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call
            )
        assert self._process.stdout
        assert self._process.stdout.readline() == '{"ready": true}\n', self._log.read_text()[-1000:]

    def _kill(self) -> None:
        """SIGKILL, when a disk that could take something has had the time for it."""
        marked = self._marked()
        time.sleep(1)
        if not marked:
            return
        self._process.kill()
        self._process.wait()
        self._kills += 1
        before = len(self._site.meter.readings)
        self._start()
        until_s = time.monotonic() + STALLED_S
        # What changed while nobody looked is no event: let it see that the pump is still to run.
        while len(self._site.meter.readings) - before < READINGS_MAX and time.monotonic() < until_s:
            time.sleep(0.05)

    def _marked(self) -> bool:
        """Say whether the disk has taken something of this run: else no start could tell of its end."""
        return bool(self._asked("SELECT count(*) FROM meta WHERE key = 'run'"))

    def _change_disk(self) -> str:
        what = self._chance.choice(("refuse", "refuse", "full", "work"))
        if what == "refuse":
            self._disk.refuse(self._chance.choice(REFUSALS))
        elif what == "full":
            self._disk.work()
            what = "full" if self._has_ballast() else "full without ballast"
            used = sum(file.stat().st_size for file in self._disk.folder.iterdir())
            self._disk.hold(used + self._chance.randrange(0, 64 * KIB))
        else:
            self._disk.work()
        return what

    def _has_ballast(self) -> bool:
        """Wait a while for the ballast; say whether it is there and would pay for alarms."""
        ballast, until_s = self._disk.folder / "ballast", time.monotonic() + BALLAST_S_MAX
        while time.monotonic() < until_s:
            if ballast.exists() and ballast.stat().st_size >= BALLAST_BYTES:
                return True
            time.sleep(0.1)
        return False

    def _toggle(self) -> None:
        """Change the level; the relay must follow within so many readings."""
        meter, board = self._site.meter, self._site.board
        meter.level = LOW if meter.level == HIGH else HIGH
        before, until_s = len(meter.readings), time.monotonic() + STALLED_S
        self._toggles += 1
        while board.is_on != (meter.level == HIGH):
            if len(meter.readings) - before > READINGS_MAX or time.monotonic() > until_s:
                self._missed += 1
                return
            time.sleep(0.01)

    def _settle(self) -> None:
        """Wait until nothing is owed any more, and stop it; it sends what is left."""
        until_s = time.monotonic() + SETTLED_S_MAX
        calm = 0
        while calm < 3 and time.monotonic() < until_s:
            time.sleep(0.5)
            rows = self._asked("SELECT (SELECT count(*) FROM owed) + (SELECT count(*) / 6 FROM batches)")
            calm = calm + 1 if rows == 0 else 0
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(2 * SETTLED_S_MAX) == 0, self._log.read_text()[-1000:]
        assert not self._asked("SELECT count(*) FROM batches"), f"{self.name} has not sent everything"
        self._owed = self._asked("SELECT coalesce(sum(count), 0) FROM owed") or 0

    def _asked(self, question: str) -> int | None:
        """Return what its buffer says; None where it cannot be asked now."""
        try:
            with closing(
                sqlite3.connect(f"file:{self._disk.folder}/buffer.db?mode=ro", uri=True)
            ) as connection:
                found: int = connection.execute(question).fetchone()[0]
                return found
        except sqlite3.Error:
            return None

    def verdict(self, found: Arrived) -> Verdict:
        """Hold what the centre has against what the devices gave."""
        asked, missing = 0, []
        for device, points, asked_ms in self._site.asked:
            kept = [each for each in found.samples if each.device == device]
            missing += unkept(asked_ms, kept, points)
            asked += len(asked_ms) * points
        numbers = [each.value for each in found.samples if each.point == COUNTER and each.value is not None]
        twice = max(found.samples_twice, len(numbers) - len(set(numbers)))
        unaccounted, unknown, why = judged(missing, found, slack_ms=SLACK_MS)
        verdict = Verdict(
            stories=1,
            samples=asked,
            unaccounted=unaccounted,
            doubled=twice + found.happened.total() - len(found.happened),
            dropped=found.counted,
            unknown=unknown,
            alarms=2 * self._toggles,
            alarms_dropped=self._dropped(found),
            controls=self._toggles,
            controls_missed=self._missed,
            policy_broken=found.events_told_gone,
            kills=self._kills,
        )
        if verdict.faults:
            verdict.hurt = [f"{self.name}: {verdict.faults}; {why}; {self._owed} still owed"]
        if verdict.unaccounted:
            verdict.hurt += [f"{self.name}: {each}" for each in found.told]
        return verdict

    def _dropped(self, found: Arrived) -> int:
        """Return how many events are missing: each change of the level is an alarm's and the control's."""
        ups, downs = (self._toggles + 1) // 2, self._toggles // 2
        actions = [each.action for each in found.events if isinstance(each, ControlChanged)]
        there = (
            (ups, sum(isinstance(each, AlarmRaised) for each in found.events)),
            (downs, sum(isinstance(each, AlarmCleared) for each in found.events)),
            (ups, actions.count(ControlAction.STARTED)),
            (downs, actions.count(ControlAction.STOPPED)),
        )
        return sum(max(0, expected - count) for expected, count in there)


def cabinets(folder: Path, seed: int, *options: str, gateways: int = GATEWAYS) -> Verdict:
    """Play that many gateways at once under one broker and one centre; return what all of them come to."""
    chance, over = Random(seed), threading.Event()
    broker = Mosquitto(folder / "broker", in_child=die_with_parent)
    broker.start()

    def link() -> None:
        while not over.wait(chance.uniform(*LINKS_UP_S[seed % len(LINKS_UP_S)])):
            broker.kill()
            over.wait(chance.uniform(1, 4))
            broker.start()

    try:
        with centre(folder, broker.port, gateways + 1, 50), ThreadPoolExecutor(gateways + 1) as pool:
            stories = [Cabinet(folder, seed * 10 + index, broker.port, *options) for index in range(gateways)]
            linking = pool.submit(link)
            playing = [pool.submit(story.play) for story in stories]
            try:
                for each in playing:
                    while not each.done():
                        time.sleep(0.2)
                        if linking.done():
                            linking.result()
                    each.result()
            finally:
                over.set()
                linking.result()
    finally:
        broker.stop()
    whole = Verdict()
    with closing(sqlite3.connect(folder / "centre" / "collector.db")) as connection:
        for story in stories:
            rows = connection.execute("SELECT message FROM journal WHERE gateway = ?", (story.name,))
            whole += story.verdict(arrived(row[0] for row in rows))
    return whole
