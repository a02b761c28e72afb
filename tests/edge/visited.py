"""A real gateway process over a real pty, for whoever visits it: a technician with a laptop."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.local import client
from edge.local.words import Page, Watch
from tests.edge import real_cabinet
from tests.edge.real_cabinet import LINE, RealCabinet, spray

CABINET = f"""schema = 1
title = {{ en = "visited", zh = "到访" }}
{LINE}[[devices]]
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
values = {{ default_light_state = 40 }}
"""
SETTINGS = f"""# the cabinet at the corner
{real_cabinet.SETTINGS}[[devices]]
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
{spray(2)}[[lamps]]
name = "corner"
output = "lamp/target_light_command"
"""


class Visited(RealCabinet):
    """The cabinet with its gateway, which runs."""

    def __init__(self, folder: Path, settings: str = SETTINGS) -> None:
        """Write its files into ``folder``."""
        super().__init__(folder, CABINET, settings)

    def page(self, **wanted: Any) -> Page:
        """Return how the running gateway is."""
        [told] = client.streamed(self.state, Watch(**wanted))
        assert isinstance(told, Page)
        return told

    def until_polled(self) -> None:
        """Wait until every device has told its values, or that it has none."""
        while not all(it.values for it in self.page().devices):
            time.sleep(0.05)


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
