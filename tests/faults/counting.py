"""Meters whose every answer can be told from every other, and what they served.

A read of a meter gives the number of that read in each of its points, so that each single sample of the whole
system can be accounted for. The meters live outside of the gateways' processes and are never killed.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pymodbus.constants import ExcCodes

from device_profiles.schema import Table
from simulators.bus import Bus
from simulators.devices import Device, RefusedError
from simulators.tcp_line import TcpLine

POINTS = 6
WORDS_A_POINT = 2
WAVE_READS = 7
"""After so many reads the wave goes up, and after as many down, so that alarms come and go."""
REGISTERS = POINTS * WORDS_A_POINT + 1
TURNAROUND_MS = 2.0

PROFILE = f"""schema = 1
id = "counting_meter"
title = {{ en = "counting meter", zh = "计数表" }}
vendor = "none"
models = ["counting meter"]
document = "made for the fault laboratory: each register pair holds the number of the read"

[[points]]
name = "reads_{{n}}"
title = {{ en = "number of the read", zh = "读取序号" }}
table = "holding_register"
address = 0
type = "u32"
repeat = {{ count = {POINTS}, step = {WORDS_A_POINT} }}

[[points]]
name = "wave"
title = {{ en = "up or down", zh = "高低" }}
table = "holding_register"
address = {POINTS * WORDS_A_POINT}
"""

METER_TIMEOUT_S = 1.0
_SETTINGS = """[[devices]]
name = "{name}"
line = "{line}"
unit_id = {unit_id}
profile = "{profile}"
interval_s = {interval_s}
timeout_s = {timeout_s}
"""

COUNTED = tuple(f"reads_{number}" for number in range(1, POINTS + 1))
"""The points that say which read it was."""


@dataclass(frozen=True, slots=True)
class Served:
    """One answer: which read it was, when it was about to be sent (UTC), and the points that were in it."""

    number: int
    time_ms: int
    points: tuple[str, ...]


class Meter(Device):
    """Counts its reads and keeps what it answered."""

    functions = frozenset({3})

    def __init__(self, name: str, now_ms: Callable[[], int]) -> None:
        """``now_ms`` gives UTC."""
        super().__init__(name)
        self.served: list[Served] = []
        self._now_ms = now_ms
        self._number = 0

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:
        """Return the number of this read in every point."""
        if table != "holding_register" or address + count > REGISTERS:
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        self._number += 1
        words = [*divmod(self._number, 0x10000)] * POINTS + [self._number // WAVE_READS % 2]
        whole = tuple(
            point
            for index, point in enumerate(COUNTED)
            if address <= index * WORDS_A_POINT and (index + 1) * WORDS_A_POINT <= address + count
        )
        self.served.append(Served(self._number, self._now_ms(), whole))
        return words[address : address + count]

    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:
        """Refuse; nothing of it can be written."""
        raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)


class Meters:
    """The meters of one gateway behind one Modbus TCP port, in a thread of their own."""

    def __init__(self, names: Sequence[str]) -> None:
        """Prepare; ``start`` serves. Unit ids count from 1."""
        self.meters = {name: Meter(name, lambda: time.time_ns() // 1_000_000) for name in names}
        self.failures: list[Exception] = []
        bus = Bus()
        for unit_id, meter in enumerate(self.meters.values(), 1):
            bus.add(meter, unit_id, TURNAROUND_MS)
        self._line = TcpLine(bus, on_failure=self.failures.append)

    @property
    def port(self) -> int:
        """Where they are asked."""
        return self._line.port

    def start(self) -> None:
        """Listen and serve."""
        self._line.start()

    def stop(self) -> None:
        """Serve no more."""
        self._line.stop()


def settings(name: str, line: str, unit_id: int, interval_s: float, profile: str = "counting_meter") -> str:
    """Return what a gateway's settings say of a meter."""
    return _SETTINGS.format(
        name=name,
        line=line,
        unit_id=unit_id,
        profile=profile,
        interval_s=interval_s,
        timeout_s=METER_TIMEOUT_S,
    )


def write_profile(folder: Path) -> None:
    """Write the meters' profile where settings in this folder find it in ``profiles``."""
    (folder / "profiles").mkdir(parents=True)
    (folder / "profiles" / "counting_meter.toml").write_text(PROFILE)
