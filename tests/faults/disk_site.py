"""What a gateway of the stories measures and switches: a meter and a relay board behind Modbus TCP.

Every reading of the meter counts, and its other registers are noise, so that each is told apart and takes
room. Its level decides whether a control has its relay on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from device_profiles.schema import Table
from simulators.bus import Bus
from simulators.devices import Device
from simulators.relay_board import RelayBoard
from simulators.tcp_line import TcpLine

NOISE_POINTS = 60
POINTS, BOARD_POINTS = 2 + NOISE_POINTS, 1
HIGH, LOW, LIMIT = 300, 10, 150
METER, BOARD, COUNTER = "meter", "relays", "counter"

PROFILE = f"""schema = 1
id = "story_meter"
title = {{ en = "meter of the stories", zh = "测试表" }}
vendor = "none"
models = ["none"]
document = "tests/faults/disk_site.py"
serial = {{ baud = 9600, parity = "N", stop_bits = 1, unit_id = 1 }}
[[points]]
name = "{COUNTER}"
title = {{ en = "readings", zh = "读数" }}
table = "holding_register"
address = 0
type = "u32"
[[points]]
name = "level"
title = {{ en = "level", zh = "液位" }}
table = "holding_register"
address = 2
[[points]]
name = "noise_{{n}}"
title = {{ en = "noise {{n}}", zh = "噪声{{n}}" }}
table = "holding_register"
address = 3
type = "u32"
repeat = {{ count = {NOISE_POINTS}, step = 2 }}
"""

SETTINGS = """schema = 1
district = "{district}"
gateway = "{gateway}"
state_folder = "{state}"
profile_folders = ["{profiles}"]
[broker]
host = "127.0.0.1"
port = {broker_port}
reconnect_min_s = 0.2
reconnect_max_s = 0.5
[buffer]
flush_interval_s = 0.5
bytes_max = {bytes_max}
ballast_bytes = {ballast_bytes}
acknowledge_timeout_s = 2
acknowledge_timeout_max_s = 4
stop_drain_s = 60
[[lines]]
kind = "tcp"
name = "site"
host = "127.0.0.1"
port = {port}
[[devices]]
name = "meter"
line = "site"
unit_id = 1
profile = "story_meter"
interval_s = 0.05
timeout_s = 5
[[devices]]
name = "relays"
line = "site"
unit_id = 2
profile = "waveshare_relay_8"
points = ["relay_1"]
interval_s = 0.2
timeout_s = 5
[[alarms]]
name = "high"
points = ["meter/level"]
high = {limit}
problem = "none"
message = "level too high"
[[controls]]
name = "pump"
output = "relays/relay_1"
fail_state = "off"
start = {{ point = "meter/level", above = {limit} }}
stop = {{ point = "meter/level", below = {limit} }}
longest_run_s = 3600
self_off_s = 60
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was asked of a device; ``value`` is the meter's count."""

    time_ms: int
    value: int


class Meter(Device):
    """Registers as the profile says."""

    def __init__(self, chance: Random) -> None:
        """Begin low."""
        super().__init__(METER)
        self.level = LOW
        self.readings: list[Reading] = []
        self._chance = chance

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:
        """Return them all; a reading of only some would not be told apart."""
        assert (table, address, count) == ("holding_register", 0, 3 + 2 * NOISE_POINTS)
        number = len(self.readings) + 1
        self.readings.append(Reading(time.time_ns() // 1_000_000, number))
        noise = [self._chance.randrange(0x10000) for _ in range(2 * NOISE_POINTS)]
        return [number >> 16, number & 0xFFFF, self.level, *noise]

    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:
        """Nobody writes it."""
        raise NotImplementedError


class Board(RelayBoard):
    """The relay board, which notes when it was read."""

    def __init__(self) -> None:
        """Begin with everything off."""
        super().__init__(BOARD)
        self.readings: list[Reading] = []

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:
        """See RelayBoard."""
        self.readings.append(Reading(time.time_ns() // 1_000_000, 0))
        return super().read(table, address, count, now_ns)

    @property
    def is_on(self) -> bool:
        """Whether the control's relay is on."""
        return self.relays(time.monotonic_ns())[0]


class Site:
    """Both on one port; ``stop`` ends it."""

    def __init__(self, seed: int) -> None:
        """Serve them."""
        self.meter, self.board = Meter(Random(seed)), Board()
        bus = Bus()
        bus.add(self.meter, 1, 1)
        bus.add(self.board, 2, 1)
        self._line = TcpLine(bus)
        self._line.start()
        self.port = self._line.port

    @property
    def asked(self) -> list[tuple[str, int, list[int]]]:
        """Each device, how many points a reading of it has, and when it was read."""
        devices = ((self.meter, POINTS), (self.board, BOARD_POINTS))
        return [(each.name, points, [it.time_ms for it in each.readings]) for each, points in devices]

    def stop(self) -> None:
        """Serve no more."""
        self._line.stop()
