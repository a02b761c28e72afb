"""Our master meets libmodbus: a slave in C, filled from the devices' manuals, on a pty and on TCP."""

import asyncio
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.samples import Quality, Value
from device_profiles.catalogue import load_all
from device_profiles.schema import Profile
from edge.drivers.modbus import Device, ModbusDevice
from edge.lines.line import Line, LineError
from edge.lines.serial_port import SerialLine, SerialSettings
from edge.lines.tcp import TcpLine
from edge.lines.timing import Timing
from tests.edge.support import read_request

ROOT = Path(__file__).parents[3]
SOURCE = Path(__file__).with_name("libmodbus_slave.c")
SLAVE_SECONDS_MAX = 100
COMPILE_TIMEOUT_S = 60
TIMEOUT_S = 5.0
DUST, QDY30A, RELAYS = 1, 2, 3

PROFILES = load_all()

DUST_VALUES: dict[str, Value] = {
    "wind_speed": 2.1,
    "wind_force": 1,
    "wind_sector": 2,
    "wind_direction": 110,
    "humidity": 55.0,
    "temperature": -1.0,
    "noise": 58.3,
    "pm2_5": 61,
    "pm10": 152,
    "tsp": 201,
    "pressure": 101.3,
}
"""What the registers of the manual's example mean, worked out by hand."""


def build_flags() -> list[str]:
    """Return where libmodbus is: on this machine, or where ``make setup`` unpacked it."""
    unpacked = ROOT / ".deps" / "root" / "usr"
    for prefix in (Path("/usr"), unpacked):
        libraries = sorted(prefix.glob("lib/*/libmodbus.so")) + sorted(prefix.glob("lib*/libmodbus.so"))
        if (prefix / "include" / "modbus" / "modbus.h").exists() and libraries:
            folder = libraries[0].parent
            return [f"-I{prefix}/include/modbus", f"-L{folder}", f"-Wl,-rpath,{folder}", "-lmodbus"]
    pytest.fail("libmodbus is missing: run make setup, or install it (Debian: apt install libmodbus-dev)")


@pytest.fixture(scope="session")
def slave(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the slave; the program."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.fail("gcc is missing: install it (Debian: apt install gcc libc6-dev)")
    program = tmp_path_factory.mktemp("slave") / "libmodbus_slave"
    command = [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-o", str(program), str(SOURCE)]
    done = subprocess.run(
        [*command, *build_flags()], capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False
    )
    if done.returncode:
        pytest.fail(f"gcc cannot build the slave (Debian: apt install gcc libc6-dev):\n{done.stderr}")
    return program


@contextmanager
def running(program: Path, *words: str) -> Iterator[str]:
    """Run a slave; the first line it prints."""
    command = [str(program), str(SLAVE_SECONDS_MAX), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline().strip()
            assert said, "the slave said nothing"
            yield said
        finally:
            process.kill()


@contextmanager
def stranger(program: Path, kind: str, unit_id: int) -> Iterator[Callable[[], Line]]:
    """Run a slave that has this unit; what makes a line to it (under a running loop)."""
    if kind == "rtu":
        with running(program, "rtu", str(unit_id)) as port:
            yield lambda: SerialLine("bus", SerialSettings(port, 9600), Timing.of(9600, "N", 1))
    else:
        with running(program, "tcp") as port:
            yield lambda: TcpLine("tcp", "127.0.0.1", int(port))


def meet(
    program: Path, kind: str, unit_id: int, profile: Profile, play: Callable[[ModbusDevice], Awaitable[None]]
) -> None:
    """Let a driver with a profile meet a unit of the slave."""

    async def main(make: Callable[[], Line]) -> None:
        line = make()
        names = tuple(point.name for point in profile.points)
        await play(ModbusDevice(Device("stranger", unit_id, profile, names, TIMEOUT_S), line))
        await line.close()

    with stranger(program, kind, unit_id) as make:
        asyncio.run(main(make))


kinds = pytest.mark.parametrize("kind", ["rtu", "tcp"])


@kinds
def test_the_dust_station_reads_as_its_manual_says(slave: Path, kind: str) -> None:
    """All eleven values in one request."""

    async def play(device: ModbusDevice) -> None:
        (block,) = device.plan
        values, error, _ = await device.read_block(block)
        assert error == ""
        readings = device.readings(values, {})
        assert {name: reading.value for name, reading in readings.items()} == DUST_VALUES
        assert {reading.quality for reading in readings.values()} == {Quality.GOOD}

    meet(slave, kind, DUST, PROFILES["renke_dust"], play)


@kinds
def test_the_transmitter_tells_its_own_unit_and_decimals(slave: Path, kind: str) -> None:
    """-125 with two decimals in kPa; as a level it is not readable, because its unit is no length."""

    async def play(device: ModbusDevice) -> None:
        readings = await device.read_points(["pressure", "level"])
        assert readings["pressure"].value == -1.25
        assert (readings["level"].value, readings["level"].error) == (None, "unit_code_unknown")

    meet(slave, kind, QDY30A, PROFILES["qdy30a"], play)


@kinds
def test_a_relay_is_switched_and_read_back(slave: Path, kind: str) -> None:
    """Relay 3 was on; relay 5 is switched on, then relay 3 off."""
    profile = PROFILES["waveshare_relay_8"]

    async def relays_on(device: ModbusDevice) -> set[str]:
        readings = await device.read_points(device.device.points)
        return {name for name, reading in readings.items() if reading.value is True}

    async def play(device: ModbusDevice) -> None:
        assert await relays_on(device) == {"relay_3"}
        assert await device.write("relay_5", True) == ""
        assert await relays_on(device) == {"relay_3", "relay_5"}
        assert await device.write("relay_3", False) == ""
        assert await relays_on(device) == {"relay_5"}
        # libmodbus knows no vendor's timer: its refusal has the standard's name.
        assert await device.write("relay_1", True, self_off_s=5) in (
            "illegal_data_address",
            "illegal_data_value",
        )

    meet(slave, kind, RELAYS, profile, play)


def writable() -> Profile:
    """Return a profile of the transmitter's writable registers, and of a value of two words beside them."""

    def point(name: str, address: int, kind: str, **more: object) -> dict[str, object]:
        title = {"en": name, "zh": name}
        table = "holding_register"
        return dict(name=name, title=title, table=table, address=address, type=kind, writable=True, **more)

    return Profile.model_validate(
        {
            "schema": 1,
            "id": "writable",
            "title": {"en": "registers", "zh": "registers"},
            "vendor": "none",
            "models": ["none"],
            "document": "registers for a test",
            "points": [
                point("zero", 5, "i16", scale=0.1),
                point("total", 8, "u32", word_order="little"),
                point("ratio", 10, "f32"),
            ],
        }
    )


@kinds
def test_registers_are_written_and_read_back(slave: Path, kind: str) -> None:
    """One word by function 6, two by function 16; nothing beside them changes."""
    wanted: dict[str, Value] = {"zero": -12.5, "total": 305_419_896, "ratio": 0.15625}

    async def play(device: ModbusDevice) -> None:
        for name, value in wanted.items():
            assert await device.write(name, value) == ""
        readings = await device.read_points(list(wanted))
        assert {name: reading.value for name, reading in readings.items()} == wanted

    meet(slave, kind, QDY30A, writable(), play)


@kinds
def test_an_address_that_is_not_there_is_refused(slave: Path, kind: str) -> None:
    """The twelfth register of the dust station: an exception, and the line is sound after it."""

    async def main(make: Callable[[], Line]) -> None:
        line = make()
        outcome = await line.transact(read_request(DUST, 0x01F4, 12, timeout_s=TIMEOUT_S))
        assert outcome.pdu == b"\x83\x02"
        outcome = await line.transact(read_request(DUST, 0x01F4, 1, timeout_s=TIMEOUT_S))
        assert outcome.pdu == b"\x03\x02\x00\x15"
        await line.close()

    with stranger(slave, kind, DUST) as make:
        asyncio.run(main(make))


@kinds
def test_another_unit_is_silent(slave: Path, kind: str) -> None:
    """Unit 77 is nobody; unit 1 answers after that as if nothing had been."""

    async def main(make: Callable[[], Line]) -> None:
        line = make()
        assert (await line.transact(read_request(77, 0, 1, timeout_s=0.3))).error is LineError.TIMEOUT
        outcome = await line.transact(read_request(DUST, 0x01F4, 1, timeout_s=TIMEOUT_S))
        assert outcome.pdu == b"\x03\x02\x00\x15"
        await line.close()

    with stranger(slave, kind, DUST) as make:
        asyncio.run(main(make))
