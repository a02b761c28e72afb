"""A cabinet before anybody knows it: 20 devices of 6 profiles on four lines, on real ptys.

The fourth line is as it comes out of boxes: devices of three formats on one pair of wires.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from contract.samples import Value
from device_profiles import catalogue
from simulators.bus import Bus, Mode
from simulators.identity import Identity
from simulators.mixed_wire import MixedWire
from simulators.pty_line import PtyLine
from simulators.signed_devices import SignedDevice
from simulators.uart import Format
from simulators.wire import SimulatedWire

METER = {
    "voltage_l1": 231.4,
    "voltage_l2": 229.9,
    "voltage_l3": 230.6,
    "current_l1": 4.21,
    "current_l2": 3.87,
    "current_l3": 4.02,
    "power_l1": 961.2,
    "power_l2": 870.1,
    "power_l3": 915.5,
    "power": 2746.8,
    "power_factor": 0.96,
    "frequency": 50.02,
    "energy_import": 18422.6,
    "energy_export": 0.4,
}
DUST = {
    "wind_speed": 2.1,
    "wind_force": 2,
    "wind_sector": 3,
    "wind_direction": 137,
    "humidity": 55.2,
    "temperature": 21.4,
    "noise": 58.3,
    "pm2_5": 61,
    "pm10": 152,
    "tsp": 201,
    "pressure": 101.3,
}
VALUES: Mapping[str, Mapping[str, Value]] = {
    "sdm630": METER,
    "renke_dust": DUST,
    "xy_md02": {"temperature": 24.6, "humidity": 48.1},
    "wt901c485": {"roll": 0.6, "pitch": -1.2, "yaw": 143.0},
    "waveshare_relay_8": {},
    "water_gauge": {"level": 31},
    "qdy30a": {"pressure": 280.4},
}
NAMES = {
    "sdm630": Identity({0: b"Eastron", 1: b"SDM630-Modbus", 2: b"V1.20"}),
    "xy_md02": Identity({0: b"XY", 1: b"XY-MD02", 2: b"1.0"}),
}
"""What the devices say that answer to identification at all."""


class Seated(NamedTuple):
    """A device of the cabinet, as it is in truth."""

    line: str
    unit_id: int
    profile: str
    format: Format
    mode: Mode = "rtu"
    named: bool = False
    taciturn: bool = False
    turnaround_ms: float = 5


def _on(line: str, entry: Format, mode: Mode, *devices: tuple[int, str, str, float]) -> list[Seated]:
    return [
        Seated(line, unit, profile, entry, mode, "n" in marks, "t" in marks, turnaround_ms)
        for unit, profile, marks, turnaround_ms in devices
    ]


CABINET: tuple[Seated, ...] = (
    *_on(
        "supply",
        Format(19_200, "N"),
        "rtu",
        (1, "sdm630", "n", 12),
        (2, "sdm630", "", 12),
        (3, "sdm630", "n", 20),
        (5, "waveshare_relay_8", "", 4),
        (17, "xy_md02", "n", 8),
        (80, "wt901c485", "t", 6),
        (81, "wt901c485", "t", 6),
        (203, "water_gauge", "", 18),
    ),
    *_on(
        "site",
        Format(9600, "E"),
        "rtu",
        (1, "renke_dust", "", 22),
        (2, "renke_dust", "", 22),
        (9, "xy_md02", "", 8),
        (10, "xy_md02", "n", 90),
        (40, "waveshare_relay_8", "", 4),
        (126, "water_gauge", "", 15),
    ),
    *_on("pumps", Format(38_400, "E"), "ascii", (4, "sdm630", "", 15), (7, "water_gauge", "", 15)),
    *_on("boxes", Format(9600, "N"), "rtu", (1, "waveshare_relay_8", "", 4)),
    *_on("boxes", Format(4800, "N"), "rtu", (1, "renke_dust", "", 20)),
    *_on("boxes", Format(115_200, "O"), "rtu", (11, "wt901c485", "t", 3), (12, "xy_md02", "", 6)),
)


@contextmanager
def running(folder: Path, cabinet: tuple[Seated, ...] = CABINET) -> Iterator[dict[str, str]]:
    """Serve the cabinet; yield the port of each line."""
    with ExitStack() as stack:
        ports = {}
        for line in dict.fromkeys(each.line for each in cabinet):
            pty = PtyLine(wire(each for each in cabinet if each.line == line), folder / f"tty-{line}")
            pty.start()
            stack.callback(pty.stop)
            ports[line] = str(pty.path)
        yield ports


def wire(devices: Iterator[Seated]) -> MixedWire:
    """Return the wire with all these devices on it."""
    profiles = catalogue.load_all()
    buses: dict[tuple[Format, Mode], Bus] = {}
    for each in devices:
        bus = buses.setdefault((each.format, each.mode), Bus())
        device = SignedDevice(
            f"{each.line}-{each.unit_id}",
            profiles[each.profile],
            VALUES[each.profile],
            unit_id=each.unit_id,
            baud=each.format.baud,
            identity=NAMES.get(each.profile) if each.named else None,
            taciturn=each.taciturn,
            decimals=1 if each.profile == "qdy30a" else 0,
        )
        bus.add(device, each.unit_id, each.turnaround_ms)
    return MixedWire(
        [
            SimulatedWire(bus, entry.baud, entry.parity, entry.stop_bits, mode=mode)
            for (entry, mode), bus in buses.items()
        ]
    )
