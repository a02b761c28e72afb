"""Our master meets libmodbus: a slave in C, filled from the devices' manuals, on a pty and on TCP.

A new profile needs a stranger: a row of the table in ``libmodbus_slave.c``, and an entry in ``STRANGERS``.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contract.samples import Quality, Value
from device_profiles.catalogue import load_all
from device_profiles.codec import Reading
from device_profiles.schema import Profile
from edge.drivers.identification import identify
from edge.drivers.modbus import Device, ModbusDevice
from edge.drivers.modbus_writes import broadcast
from edge.lines.line import Line, LineError
from edge.lines.port import SerialSettings
from edge.lines.serial_port import SerialLine
from edge.lines.tcp import TcpLine
from edge.lines.timing import Timing
from firmware_shims.catalogue import applied
from tests.edge.support import read_all, read_request

ROOT = Path(__file__).parents[3]
SOURCE = Path(__file__).with_name("libmodbus_slave.c")
SLAVE_SECONDS_MAX = 100
COMPILE_TIMEOUT_S = 60
TIMEOUT_S = 5.0
SILENT_TIMEOUT_S = 1.5
PROFILES = load_all()


@dataclass(frozen=True)
class Stranger:
    """What the registers of a stranger mean, worked out by hand from its document."""

    values: Mapping[str, Value]
    errors: Mapping[str, str] = field(default_factory=dict)
    profile: str = ""
    """Where it is not the stranger's name."""
    shims: tuple[str, ...] = ()

    def read_as(self, name: str) -> Profile:
        """Return the profile that reads the stranger of this name."""
        return applied(PROFILES[self.profile or name], self.shims)


STRANGERS = {
    "renke_dust": Stranger(
        {
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
    ),
    "sen0658": Stranger(
        {
            "wind_speed": 0.14,
            "wind_force": 1,
            "wind_sector": 2,
            "wind_direction": 110,
            "humidity": 45.1,
            "temperature": 24.6,
            "noise": 51.8,
            "pm2_5": 5,
            "pm10": 15,
            "pressure": 101.9,
            "illuminance": 50,
        },
        profile="renke_dust",
        shims=("sen0658_map",),
    ),
    "qdy30a": Stranger({"pressure": -1.25}, {"level": "unit_code_unknown"}),
    "waveshare_relay_8": Stranger({f"relay_{number}": number == 3 for number in range(1, 9)}),
    "water_gauge": Stranger({"level": 31}),
    "wt901c485": Stranger({"roll": 45.0, "pitch": -22.5, "yaw": -180.0, "inclination": 49.211}),
    "xy_md02": Stranger({"temperature": -20.5, "humidity": 54.6}),
    "sdm630": Stranger(
        {
            "voltage_l1": 230.2,
            "voltage_l2": 231.68489,
            "voltage_l3": 228.0,
            "current_l1": 1.5,
            "current_l2": 0.0,
            "current_l3": 10.0,
            "power_l1": 345.0,
            "power_l2": 0.0,
            "power_l3": -1300.0,
            "power": 1234.5,
            "power_factor": -0.5,
            "frequency": 50.0,
            "energy_import": 8123.25,
            "energy_export": 0.5,
        }
    ),
    "solaredge_inverter": Stranger({"active_power_limit": 100, "cos_phi": 1.0}),
    "ramses_g2": Stranger({"deep_sleep_timeout": 60, "inclination": 1.25, "temperature": 21.5}),
    "relay_board_8": Stranger({f"relay_{number}": number in (1, 8) for number in range(1, 9)}),
    "street_lamp_controller": Stranger(
        {
            "target_light_command": 70,
            "default_light_state": 100,
            "actual_light_state": 70,
            "lamp_failure": True,
            "dimming_failure": False,
            "relay_failure": False,
            "cycling_failure": False,
            "leakage_detected": True,
            "supply_voltage": 230.0,
            "supply_current": 0.501,
            "active_power": 111.1,
            "power_factor": 0.96,
            "temperature": -4.0,
            "supply_loss_count": 7,
            "switch_on_counter": 100_000,
            "operating_hours": 4001.1,
            "active_energy": 1234.567,
        }
    ),
    "waveshare_io_8": Stranger(
        {f"input_{number}": number in (1, 6) for number in range(1, 9)}
        | {f"output_{number}": number == 8 for number in range(1, 9)}
    ),
    "sen0644": Stranger({"illuminance": 3425.5}),
}
"""By the names of the table in C."""
TABLES = "tables"
"""The stranger that is no device."""


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


def line_to(kind: str, port: str) -> Line:
    """Return our line to a port's path, or to a port of 127.0.0.1."""
    if kind == "rtu":
        return SerialLine("bus", SerialSettings(port, 9600), Timing.of(9600, "N", 1))
    return TcpLine("tcp", "127.0.0.1", int(port))


@contextmanager
def stranger(program: Path, kind: str, name: str, unit_id: int = 1) -> Iterator[Callable[[], Line]]:
    """Run a stranger at this unit; what makes a line to it (under a running loop)."""
    with running(program, kind, name, str(unit_id)) as port:
        yield lambda: line_to(kind, port)


def meet(
    program: Path,
    kind: str,
    name: str,
    play: Callable[[ModbusDevice], Awaitable[None]],
    profile: Profile | None = None,
) -> None:
    """Let the driver meet a stranger at its factory's unit id, with its own profile or another."""
    held = profile or STRANGERS[name].read_as(name)
    unit_id = held.serial.unit_id if held.serial else 1

    async def main(make: Callable[[], Line]) -> None:
        line = make()
        await play(ModbusDevice(Device("stranger", unit_id, held, tuple(held.names), TIMEOUT_S), line))
        await line.close()

    with stranger(program, kind, name, unit_id) as make:
        asyncio.run(main(make))


kinds = pytest.mark.parametrize("kind", ["rtu", "tcp"])


def test_every_profile_has_a_stranger(slave: Path) -> None:
    """What is shipped has met somebody else's slave, filled from the document and not from the profile."""
    listed = subprocess.run([slave, "1", "list"], capture_output=True, text=True, check=True).stdout.split()
    met = {entry.profile or name for name, entry in STRANGERS.items()}
    assert met >= set(PROFILES), (
        f"no stranger for {set(PROFILES) - met}: add it to STRANGERS and to {SOURCE.name}"
    )
    assert set(listed) == {*STRANGERS, TABLES}, (
        f"STRANGERS and the table of {SOURCE.name} have the same names"
    )
    assert len(listed) == len(set(listed))


@kinds
@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_reads_as_its_document_says(slave: Path, kind: str, name: str) -> None:
    """All values that are known of it; what it cannot tell has its reason."""
    expected = STRANGERS[name]

    async def play(device: ModbusDevice) -> None:
        readings = await read_all(device)
        good = {name: reading.value for name, reading in readings.items() if reading.quality is Quality.GOOD}
        errors = {name: reading.error for name, reading in readings.items() if reading.error}
        assert good == expected.values
        assert errors == expected.errors

    meet(slave, kind, name, play)


@kinds
def test_a_relay_is_switched_and_read_back(slave: Path, kind: str) -> None:
    """Relay 3 was on; relay 5 is switched on, then relay 3 off."""

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

    meet(slave, kind, "waveshare_relay_8", play)


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

    meet(slave, kind, "qdy30a", play, writable())


@kinds
def test_an_address_that_is_not_there_is_refused(slave: Path, kind: str) -> None:
    """The twelfth register of the dust station: an exception, and the line is sound after it."""

    async def main(make: Callable[[], Line]) -> None:
        line = make()
        outcome = await line.transact(read_request(1, 0x01F4, 12, timeout_s=TIMEOUT_S))
        assert outcome.pdu == b"\x83\x02"
        outcome = await line.transact(read_request(1, 0x01F4, 1, timeout_s=TIMEOUT_S))
        assert outcome.pdu == b"\x03\x02\x00\x15"
        await line.close()

    with stranger(slave, kind, "renke_dust") as make:
        asyncio.run(main(make))


@kinds
def test_another_unit_is_silent(slave: Path, kind: str) -> None:
    """Unit 77 is nobody; unit 1 answers after that as if nothing had been."""

    async def main(make: Callable[[], Line]) -> None:
        line = make()
        assert (await line.transact(read_request(77, 0, 1, timeout_s=0.3))).error is LineError.TIMEOUT
        outcome = await line.transact(read_request(1, 0x01F4, 1, timeout_s=TIMEOUT_S))
        assert outcome.pdu == b"\x03\x02\x00\x15"
        await line.close()

    with stranger(slave, kind, "renke_dust") as make:
        asyncio.run(main(make))


def tables() -> Profile:
    """Return a profile of the stranger that is no device: outputs in a row, bits of a register."""

    def point(name: str, **more: object) -> dict[str, object]:
        return {"name": name, "title": {"en": name, "zh": name}, "table": "holding_register"} | more

    return Profile.model_validate(
        {
            "schema": 1,
            "id": "tables",
            "title": {"en": "tables", "zh": "tables"},
            "vendor": "none",
            "models": ["none"],
            "document": "all tables for a test",
            "modbus": {"mask_write": True, "read_write": True},
            "points": [
                point("coil_{n}", table="coil", address=0, type="bool", writable=True, repeat={"count": 12}),
                point("contact_{n}", table="discrete_input", address=8, type="bool", repeat={"count": 3}),
                point("negative", table="input_register", address=4, type="i16"),
                point("positive", table="input_register", address=5, type="i16"),
                point("sign", table="input_register", address=4, type="bool", bit=15),
                point("status", address=0x10),
                point("bit_0", address=0x10, type="bool", bit=0, writable=True),
                point("bit_1", address=0x10, type="bool", bit=1, writable=True),
                point("bit_4", address=0x10, type="bool", bit=4),
                point("register_{n}", address=0x11, writable=True, repeat={"count": 7}),
            ],
        }
    )


@kinds
def test_all_four_tables_are_read(slave: Path, kind: str) -> None:
    """Coils, contacts, both kinds of registers, bits of registers."""

    async def play(device: ModbusDevice) -> None:
        values = {name: reading.value for name, reading in (await read_all(device)).items()}
        assert [values[f"coil_{number}"] for number in range(1, 13)] == [False, True] * 3 + [False, True] * 3
        assert [values[f"contact_{number}"] for number in (1, 2, 3)] == [True, True, False]
        assert (values["negative"], values["positive"], values["sign"]) == (-0x7FFF, 0x7FFF, True)
        assert (values["status"], values["bit_0"], values["bit_1"], values["bit_4"]) == (
            0x12,
            False,
            True,
            True,
        )
        assert [values[f"register_{number}"] for number in range(1, 8)] == list(range(1, 8))

    meet(slave, kind, TABLES, play, tables())


@kinds
def test_outputs_are_written_together(slave: Path, kind: str) -> None:
    """Ten coils by function 15, bits by 22, registers by 23; libmodbus holds them and nothing more."""
    wanted: dict[str, Value] = {f"coil_{number}": number % 3 == 0 for number in range(2, 12)}
    wanted |= {"bit_0": True, "bit_1": False}
    wanted |= {f"register_{number}": 0xFFFF - number for number in (1, 2, 3, 6)}

    async def play(device: ModbusDevice) -> None:
        before = {name: reading.value for name, reading in (await read_all(device)).items()}
        assert (await device.write_and_read(wanted)).errors == dict.fromkeys(wanted, "")
        after = {name: reading.value for name, reading in (await read_all(device)).items()}
        assert after == before | wanted | {"status": 0x11}

    meet(slave, kind, TABLES, play, tables())


@kinds
def test_registers_are_written_together(slave: Path, kind: str) -> None:
    """By function 16, where the profile knows nothing of 23."""
    plain = tables().model_dump(by_alias=True) | {"modbus": {"mask_write": True}}

    async def play(device: ModbusDevice) -> None:
        wanted: dict[str, Value] = {f"register_{number}": number * 1000 for number in range(1, 6)}
        assert (await device.write_and_read(wanted)).errors == dict.fromkeys(wanted, "")

    meet(slave, kind, TABLES, play, Profile.model_validate(plain))


@kinds
def test_a_broadcast_reaches_libmodbus(slave: Path, kind: str) -> None:
    """A level for all lamps: on a serial line nobody answers, over TCP it may; then each is read."""
    lamp = PROFILES["street_lamp_controller"]

    async def play(device: ModbusDevice) -> None:
        for level in (0, 35):
            assert await device.broadcast(broadcast(lamp, "target_light_command", level, [lamp])) == ""
            found = await device.read_points(["target_light_command", "default_light_state"])
            assert [reading.value for reading in found.values()] == [level, 100]
        written = await device.write_and_read({"target_light_command": 60, "default_light_state": 40})
        assert written.errors == {"target_light_command": "", "default_light_state": ""}

    meet(slave, kind, "street_lamp_controller", play)


@kinds
def test_libmodbus_tells_what_it_is(slave: Path, kind: str) -> None:
    """A server id of unknown length by function 17; it knows neither 43 nor 8, and on RTU is silent then."""
    with running(slave, kind, TABLES, "7") as port:

        async def main() -> None:
            line = line_to(kind, port)
            found = await identify(line, 7, SILENT_TIMEOUT_S)
            assert found.running == Reading(True)
            said = bytes.fromhex(str(found.server_id.value))
            assert (said[:2], said[2:5]) == (b"\xb4\xff", b"LMB")
            refusal = "timeout" if kind == "rtu" else "illegal_function"
            assert (found.vendor.error, found.echo.error) == (refusal, refusal)
            await line.close()

        asyncio.run(main())
