"""A real gateway process over a real pty, for whoever visits it: a technician with a laptop."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contract import batches
from contract.events import Event
from contract.topics import Lane
from edge.buffer.store import Buffer
from edge.local import client
from edge.local.words import Page, Watch
from edge.wiring import fresh_id
from gengfu.demo.processes import Child
from simulators import cabinet_file
from simulators.running import RunningCabinet

CABINET = """schema = 1
title = { en = "visited", zh = "到访" }
[[lines]]
name = "rs485-1"
kind = "serial"
baud = 115200
link = "ttyRS485-1"
[[devices]]
name = "station"
line = "rs485-1"
unit_id = 1
profile = "renke_dust"
[devices.values]
wind_speed = 2.1
wind_force = 2
wind_sector = 3
wind_direction = 137
humidity = 40
temperature = 18.4
noise = 58.3
pm2_5 = 61
pm10 = 100
tsp = 201
pressure = 101.3
[[devices]]
name = "relays"
line = "rs485-1"
unit_id = 2
board = "waveshare_relay_8"
[[devices]]
name = "lamp"
line = "rs485-1"
unit_id = 3
profile = "street_lamp_controller"
values = { default_light_state = 40 }
"""
SETTINGS = """# the cabinet at the corner
schema = 1
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
[[devices]]
name = "station"
line = "rs485-1"
unit_id = 1
profile = "renke_dust"
points = ["pm10", "temperature", "humidity"]
interval_s = 0.2
[[devices]]
name = "relays"
line = "rs485-1"
unit_id = 2
profile = "waveshare_relay_8"
interval_s = 0.2
[[devices]]
name = "lamp"
line = "rs485-1"
unit_id = 3
profile = "street_lamp_controller"
interval_s = 0.2
[[devices]]
name = "absent"
line = "rs485-1"
unit_id = 9
profile = "street_lamp_controller"
timeout_s = 0.1
[[alarms]]
name = "dust"
points = ["station/pm10"]
high = 150.0
problem = "dust"
message = "dust is high"
[[controls]]
name = "spray"
output = "relays/relay_1"
fail_state = "off"
longest_run_s = 600
self_off_s = 2
start = {{ point = "station/pm10", above = 150 }}
stop = {{ point = "station/pm10", below = 120 }}
[[lamps]]
name = "corner"
output = "lamp/target_light_command"
"""


class Visited:
    """The cabinet with its gateway, which runs."""

    def __init__(self, folder: Path, settings: str = SETTINGS) -> None:
        """Write its files into ``folder``."""
        self.folder, self.settings = folder, folder / "edge.toml"
        (folder / "cabinet.toml").write_text(CABINET)
        self.settings.write_text(settings.format(port=folder / "ttyRS485-1"))
        plan = cabinet_file.load(str(folder / "cabinet.toml"))
        self.cabinet = RunningCabinet(plan, folder, now_ms=lambda: time.time_ns() // 1_000_000)
        arguments = ["gengfu.main", "edge", "run", "--settings", str(self.settings)]
        self.gateway = Child("gateway", arguments, folder / "gateway.log")

    @property
    def state(self) -> Path:
        """Its state folder."""
        return self.folder / "state"

    def is_on(self, relay: str) -> bool:
        """Say whether a relay is closed now, as the board knows it."""
        outputs: dict[str, Any] = self.cabinet.cabinet.truth(time.monotonic_ns())["outputs"]
        return bool(outputs[f"relays/{relay}"])

    def page(self, **wanted: Any) -> Page:
        """Return how the running gateway is."""
        [told] = client.streamed(self.state, Watch(**wanted))
        assert isinstance(told, Page)
        return told

    def until_polled(self) -> None:
        """Wait until every device has told its values, or that it has none."""
        while not all(it.values for it in self.page().devices):
            time.sleep(0.05)

    def events(self) -> list[Event]:
        """Return what the gateway put on record; it must not run."""
        buffer = Buffer(self.state / "buffer.db", "north", "gw-1", fresh_id(), fresh_id)
        try:
            [held] = buffer.ranges()
            lane = held.lanes[Lane.EVENTS]
            stored = [buffer.read(Lane.EVENTS, number) for number in range(lane.first, lane.next)]
            return [event for each in stored if each for event in batches.decode(each.message).events]
        finally:
            buffer.close()


@contextmanager
def visited(folder: Path, settings: str = SETTINGS) -> Iterator[Visited]:
    """Run it."""
    site = Visited(folder, settings)
    with site.cabinet:
        try:
            site.gateway.start()
            yield site
        finally:
            site.gateway.kill()
