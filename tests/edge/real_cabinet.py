"""A simulated cabinet on a real pty and its real gateway: their files, and what is on record there."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contract import batches
from contract.events import Event
from contract.topics import Lane
from edge.buffer.store import Buffer
from edge.wiring import fresh_id
from gengfu.demo.processes import Child
from simulators import cabinet_file
from simulators.running import RunningCabinet

DISTRICT, GATEWAY = "north", "gw-1"
LINE = """[[lines]]
name = "rs485-1"
kind = "serial"
baud = 115200
link = "ttyRS485-1"
"""
"""Of a cabinet's file."""
SETTINGS = """schema = 1
district = "north"
gateway = "gw-1"
[broker]
host = "127.0.0.1"
port = 9
[buffer]
stop_drain_s = 0
[clock]
source = "wall"
[[lines]]
kind = "serial"
name = "rs485-1"
port = "{port}"
baud = 115200
"""
"""The beginning of the gateway's; ``port`` is still to be said."""


def spray(self_off_s: float) -> str:
    """Return a control that opens a valve while there is dust; its board closes it by itself after a time."""
    return f"""[[controls]]
name = "spray"
output = "relays/relay_1"
fail_state = "off"
longest_run_s = 600
self_off_s = {self_off_s}
start = {{ point = "station/pm10", above = 150 }}
stop = {{ point = "station/pm10", below = 120 }}
"""


class RealCabinet:
    """One cabinet with its gateway; ``cabinet`` runs while it is entered, ``gateway`` is started apart."""

    def __init__(
        self,
        folder: Path,
        cabinet: str,
        settings: str,
        *,
        entry: str = "gengfu.main",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Write its files into ``folder``: settings with the port where they say ``{port}``."""
        self.folder, self.settings = folder, folder / "edge.toml"
        (folder / "cabinet.toml").write_text(cabinet)
        self.settings.write_text(settings.replace("{port}", str(folder / "ttyRS485-1")))
        plan = cabinet_file.load(str(folder / "cabinet.toml"))
        self.cabinet = RunningCabinet(plan, folder, now_ms=lambda: time.time_ns() // 1_000_000)
        arguments = [entry, "edge", "run", "--settings", str(self.settings)]
        self.gateway = Child("gateway", arguments, folder / "gateway.log", environment=environment)

    @property
    def state(self) -> Path:
        """The gateway's state folder."""
        return self.folder / "state"

    def is_on(self, relay: str) -> bool:
        """Say whether a relay is closed now, as the board knows it."""
        outputs: dict[str, Any] = self.cabinet.cabinet.truth(time.monotonic_ns())["outputs"]
        return bool(outputs[f"relays/{relay}"])

    def events(self) -> list[Event]:
        """Return what the gateways put on record; none may run."""
        buffer = Buffer(self.state / "buffer.db", DISTRICT, GATEWAY, fresh_id(), fresh_id)
        try:
            [held] = buffer.ranges()
            lane = held.lanes[Lane.EVENTS]
            stored = [buffer.read(Lane.EVENTS, number) for number in range(lane.first, lane.next)]
            return [event for each in stored if each for event in batches.decode(each.message).events]
        finally:
            buffer.close()
