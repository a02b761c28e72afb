"""The city block: every process of the demo, what can be seen of it, and what is done to it."""

import asyncio
import contextlib
import fcntl
import shutil
import time
import tomllib
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, TextIO

import httpx

from device_profiles.schema import Profile
from edge import checks
from gengfu.demo import audit
from gengfu.demo.broker import Broker
from gengfu.demo.lighting import CABINETS, Lighting
from gengfu.demo.processes import Child, DemoError
from gengfu.demo.reader import Reader
from gengfu.demo.story import View
from simulators.servers import free_port

MARKER = "made-by-gengfu-demo"
GATEWAYS = (*CABINETS, "site", "street")
"""In the order in which they start."""
OUTAGE_S = 1.5
PLATFORM_TIMEOUTS = 0.5
RELAY_1 = 0
_TELLING = """[telling]
people_file = "people.toml"
channels_file = "channels.toml"
group_wait_s = 1         # real: 30
"""


class Block:
    """Five cabinets, their gateways, broker, centre and city platform on loopback, all in one folder."""

    def __init__(self, folder: Path, *, seed: int, weaken: str, smtp: str = "") -> None:
        """Empty the folder, if it is a demo's own; DemoError if it holds something else.

        ``smtp`` is host:port of who takes the mails; empty, and nobody is told.
        """
        self._smtp = smtp
        self._lock = _prepare(folder)
        self.folder, self.seed, self.weaken = folder, seed, weaken
        self.broker = Broker(folder / "broker")
        self.http_port = free_port()
        self.children: dict[str, Child] = {}
        self.centre_up = False
        self._last: dict[str, Any] = {"values": {}, "alarms": [], "cases": [], "lives": [], "newest_ms": 0}
        self._started_s = time.monotonic()
        self._profiles: dict[str, dict[str, Profile]] = {}
        self.reader = Reader(f"http://127.0.0.1:{self.http_port}")
        self.lighting = Lighting(folder, f"http://127.0.0.1:{self.http_port}", self.children)
        self._public_key = ""

    @property
    def at_s(self) -> float:
        """Seconds since the devices began."""
        return time.monotonic() - self._started_s

    @property
    def titles(self) -> dict[str, dict[str, str]]:
        """Titles of the case classes, {"en", "zh"} by problem, once the block has started."""
        settings = tomllib.loads((self.folder / "collector.toml").read_text())
        return {entry["problem"]: entry["title"] for entry in settings["case_classes"]}

    async def start(self, starting: Callable[[str], None]) -> None:
        """Start everything in the order in which it is needed, telling ``starting`` what comes next.

        That is "broker", "platform", "centre", "lighting", or "site-devices" and the like.
        An exception from ``starting`` ends the start.
        """
        starting("broker")
        await self.broker.start()
        # Every other request is kept by the platform and answered too late: the centre has to ask again,
        # and its idempotency key keeps a case from being filed twice.
        faults = ("--fault", f"timeout={PLATFORM_TIMEOUTS}", "--seed", str(self.seed))
        starting("platform")
        platform = await self._child("platform", "gengfu.main", "sim", "platform", *faults)
        self.reader.platform = platform["url"]
        self._write(
            "collector.toml",
            platform_url=platform["url"],
            http_port=self.http_port,
            telling=_TELLING if self._smtp else "",
        )
        if self._smtp:
            shutil.copy(_file("people.toml"), self.folder / "people.toml")
            (self.folder / "channels.toml").touch(mode=0o600)
            self._write("channels.toml", smtp=self._smtp)
        shutil.copy(_file("parts.csv"), self.folder / "parts.csv")
        starting("centre")
        self._public_key = await asyncio.to_thread(self.lighting.make_key)
        await self._start_centre()
        await self.broker.watch()
        starting("lighting")
        await asyncio.gather(*map(self._start_lighting, CABINETS))
        self._started_s = time.monotonic()
        for name in GATEWAYS[len(CABINETS) :]:
            starting(f"{name}-devices")
            await self._start_devices(name, name)
            starting(f"{name}-gateway")
            await self._start_gateway(name)

    async def _start_lighting(self, name: str) -> None:
        cabinet = self.lighting.write_cabinet(name)
        await self._start_devices(name, str(cabinet), "--truth", str(self.lighting.truth(name)))
        await self._start_gateway(name)

    async def _start_devices(self, name: str, cabinet: str, *more: str) -> None:
        """Start a gateway's devices, and write its settings with where they are."""
        lines = await self._child(
            f"{name}-devices",
            "gengfu.main",
            *("sim", "run", cabinet, "--folder", str(self.folder / f"{name}-lines")),
            *("--ledger", str(self._ledger(name)), "--seed", str(self.seed), *more),
        )
        ports = {line["kind"]: line for line in lines["lines"].values()}
        template, _, number = name.partition("-")
        self._write(
            f"{name}.toml",
            f"{template}.toml",
            gateway=name,
            number=number,
            public_key=self._public_key,
            serial_port=ports["serial"]["path"],
            tcp_port=ports.get("tcp", {}).get("port", 502),
        )
        _, self._profiles[name] = checks.load(self.folder / f"{name}.toml")

    async def _start_gateway(self, name: str) -> None:
        entry: tuple[str, ...] = "gengfu.main", "edge", "run"
        if self.weaken != "none":
            entry = "gengfu.demo.weakened", "--weaken", self.weaken
        await self._child(name, *entry, "--settings", str(self.folder / f"{name}.toml"))

    async def view(self) -> View:
        """Look at everything that can be looked at; while the centre is away, at what was seen last."""
        with contextlib.suppress(httpx.HTTPError):
            self._last["cases"] = await self.reader.platform_cases()
        await asyncio.to_thread(self.lighting.look)
        if self.centre_up:
            with contextlib.suppress(httpx.HTTPError):
                points = await self.reader.items("points")
                self._last["values"] = {
                    f"{row['gateway']}/{row['device']}/{row['point']}": row["value"] for row in points
                }
                newest = dict.fromkeys(GATEWAYS, 0)
                for row in points:
                    newest[row["gateway"]] = max(newest[row["gateway"]], row["time_ms"])
                self._last["newest_ms"] = min(newest.values())
                self._last["alarms"] = await self.reader.items("alarms")
                self._last["lives"] = await self.reader.items("cases")
                await self._hear_plans()
        return View(
            self.at_s,
            broker_kills=self.broker.kills,
            waiting=self.broker.waiting,
            queued_at_kill=self.broker.queued_at_kill,
            centre_up=self.centre_up,
            broker_up=self.broker.up,
            killed_ms=self.broker.killed_ms,
            lamps=dict(self.lighting.levels),
            lamp_plans=dict(self.lighting.states),
            lamp_plan_handed=self.lighting.handed,
            lamp_table=self.lighting.table,
            **self._last,
        )

    async def push_plan(self) -> None:
        """Let the lamps have a plan, with one of their gateways away for a while."""
        await self.lighting.tell(_file("lamp-plan.toml").read_text())

    def check(self) -> None:
        """Raise DemoError if a process has ended by itself: what it then did not do would not be missed."""
        for child in self.children.values():
            if child.fallen:
                raise DemoError(child.fallen)
        if self.broker.fallen:
            raise DemoError(self.broker.fallen)

    async def outage(self) -> None:
        """The centre is away for an update, batches wait in the broker; then the broker loses all it has."""
        self.broker.count()
        self.centre_up = False
        await asyncio.to_thread(self.children["centre"].end)
        await self.broker.some_wait()
        self.broker.lose(time.time_ns() // 1_000_000)
        await asyncio.sleep(OUTAGE_S)
        await self.broker.start()
        await self._start_centre()

    async def finish(self) -> dict[str, int]:
        """Stop the gateways, let the centre take the rest, and count on both ends."""
        self.check()
        cases = await self.reader.platform_cases()  # before gateways end, which is what a case is made of
        alarms = await self.reader.items("alarms")
        lives = await self.reader.items("cases")
        await self.reader.silence('problem="gateway_offline"', "the demo is over")
        ends = await asyncio.gather(*(asyncio.to_thread(self.children[name].end) for name in GATEWAYS))
        for name, status in zip(GATEWAYS, ends, strict=True):
            if status:
                raise DemoError(f"{name} ended with status {status}; see {self.folder / f'{name}.log'}")
        await asyncio.gather(*(asyncio.to_thread(self.children[f"{name}-devices"].end) for name in GATEWAYS))
        await self.reader.caught_up()
        self.check()
        await self._hear_plans()
        figures = audit.Figures(0, 0, 0, 0, 0)
        for name in GATEWAYS:
            wanted = self._wanted(name)
            served = audit.served(self._ledger(name), self._profiles[name], wanted)
            stored = {series: await self.reader.history(name, *series) for series in wanted}
            figures += audit.compare(served, stored)
        problems = {_problem(case["case"]) for case in cases}
        return {
            **vars(figures),
            "alarms_raised": len(alarms),
            "cases_raised": len(cases),
            "cases_duplicated": len(cases) - len(problems),
            "cases_verified": sum(life["closed_how"] == "sensor" for life in lives),
            "sprinkler_runs": audit.runs(self._ledger("site"), "relays", RELAY_1),
            "broker_kills": self.broker.kills,
            "queued_at_kill": self.broker.queued_at_kill,
            **self.lighting.figures(),
            "lamp_alarms": sum(alarm["problem"] == "lamp_failure" for alarm in alarms),
        }

    async def close(self) -> None:
        """End every process, whatever state it is in."""
        await self.broker.unwatch()
        order = [*GATEWAYS, *(f"{name}-devices" for name in GATEWAYS), "centre", "platform"]
        for name in order:
            if name in self.children:
                await asyncio.to_thread(self.children[name].end)
        await self.broker.stop()
        await self.reader.close()
        self._lock.close()

    async def _start_centre(self) -> None:
        await self._child(
            "centre", "gengfu.main", "collector", "run", "--settings", str(self.folder / "collector.toml")
        )
        self.centre_up = True

    async def _child(self, name: str, *arguments: str) -> dict[str, Any]:
        child = self.children[name] = Child(name, list(arguments), self.folder / f"{name}.log")
        return await asyncio.to_thread(child.start)

    async def _hear_plans(self) -> None:
        items = await self.reader.items("desired/lamp_plan")
        self.lighting.heard(items, time.time_ns() // 1_000_000)

    def _write(self, name: str, template: str = "", **values: object) -> None:
        text = Template(_file(template or name).read_text()).substitute(
            broker_port=self.broker.port, **values
        )
        (self.folder / name).write_text(text)

    def _ledger(self, name: str) -> Path:
        return self.folder / f"{name}-served.jsonl"

    def _wanted(self, name: str) -> list[audit.Series]:
        settings, profiles = checks.load(self.folder / f"{name}.toml")
        return [
            (device.name, point)
            for device in settings.devices
            for point in device.points or profiles[device.name].names
        ]


def _problem(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return what there is one case of: a problem of a part, or of a gateway."""
    return body["part"]["code"] or body["source"]["gateway"], body["problem"]


def _file(name: str) -> Path:
    return Path(str(files("gengfu.demo"))) / "files" / name


def _prepare(folder: Path) -> TextIO:
    """Make the folder, or empty it if a demo made it and runs no more; anything else is left alone.

    Return its marker, locked until it is closed.
    """
    if folder.exists() and not folder.is_dir():
        raise DemoError(f"{folder} is a file; name another folder with --folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise DemoError(f"{folder} holds other files; name another folder with --folder, or empty it")
    folder.mkdir(parents=True, exist_ok=True)
    marker = (folder / MARKER).open("a")
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        marker.close()
        raise DemoError(f"a demo is running in {folder}; name another folder with --folder") from error
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != MARKER:
            entry.unlink()
    marker.truncate(0)
    marker.write("This folder was made by `gengfu demo`, which empties it at its next start.\n")
    marker.flush()
    return marker
