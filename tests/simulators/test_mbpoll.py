"""Our simulators answer somebody else's master: the real mbpoll, over a paced pty and over TCP."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from contract.samples import Value
from device_profiles import catalogue
from device_profiles.schema import Profile
from simulators.bus import Bus
from simulators.devices import ProfileDevice
from simulators.identity import Identity
from simulators.pty_line import PtyLine
from simulators.relay_board import RelayBoard
from simulators.tcp_line import TcpLine
from simulators.wire import SimulatedWire
from tests.simulators.mbpoll import Said, mbpoll

BAUD = 19_200
PROFILES = catalogue.load_all()
TABLES_UNIT, DUST_UNIT, RELAY_UNIT = 1, 2, 3
COILS, CONTACTS, HOLDING, INPUT = "0", "1", "4", "3"
"""How mbpoll calls the four tables."""

Poll = Callable[..., Said]


def tables() -> Profile:
    """Return a profile with all four tables and every type."""

    def point(name: str, address: int, **more: Any) -> dict[str, Any]:
        title = {"en": name, "zh": name}
        return {"name": name, "title": title, "table": "holding_register", "address": address, **more}

    return Profile.model_validate(
        {
            "schema": 1,
            "id": "tables",
            "title": {"en": "tables", "zh": "tables"},
            "vendor": "none",
            "models": ["none"],
            "document": "all tables for a test",
            "points": [
                point("coil_{n}", 0, table="coil", type="bool", writable=True, repeat={"count": 10}),
                point("contact_{n}", 4, table="discrete_input", type="bool", repeat={"count": 3}),
                point("level", 100, writable=True),
                point("tilt", 101, type="i16", scale=0.1, writable=True),
                point("energy", 102, type="u32", writable=True),
                point("power", 104, type="f32", writable=True),
                point("swapped", 106, type="f32", word_order="little", writable=True),
                point("lamp", 108, type="bool", bit=3),
                point("door", 108, type="bool", bit=15),
                point("rain", 7, table="input_register"),
                point("frost", 8, table="input_register", type="i16", scale=0.1),
                point("flow", 9, table="input_register", type="f32"),
            ],
        }
    )


VALUES: dict[str, Value] = {
    **{f"coil_{number}": number in (1, 4, 10) for number in range(1, 11)},
    **{f"contact_{number}": number == 2 for number in range(1, 4)},
    "level": 54_321,
    "tilt": -12.3,
    "energy": 305_419_896,
    "power": 1.5,
    "swapped": -0.15625,
    "lamp": True,
    "door": True,
    "rain": 40_000,
    "frost": -1.0,
    "flow": 273.15,
}
DUST: dict[str, Value] = {"wind_speed": 2.1, "temperature": -1.0, "pm10": 152, "pressure": 101.3}


class Block:
    """A bus with three devices that stay reachable beside the line."""

    def __init__(self) -> None:
        """Seat them."""
        self.tables = ProfileDevice("tables", tables(), VALUES)
        self.tables.identity = Identity({0: b"Gengfu"}, b"\x2a", running=True)
        self.relays = RelayBoard("relays")
        self.bus = Bus()
        self.bus.add(self.tables, TABLES_UNIT)
        self.bus.add(ProfileDevice("dust", PROFILES["renke_dust"], DUST), DUST_UNIT)
        self.bus.add(self.relays, RELAY_UNIT)

    def held(self, name: str) -> Value:
        """Return what the simulated device now holds."""
        return self.tables.readings()[name].value


@contextmanager
def served(kind: str, bus: Bus, folder: Path) -> Iterator[Poll]:
    """Serve a bus; what polls it."""
    if kind == "tcp":
        tcp = TcpLine(bus)
        tcp.start()
        where = ["-m", "tcp", "-p", str(tcp.port), "127.0.0.1"]
        stop = tcp.stop
    else:
        pty = PtyLine(SimulatedWire(bus, BAUD), folder / "port")
        pty.start()
        where = ["-m", "rtu", "-b", str(BAUD), "-P", "none", str(pty.path)]
        stop = pty.stop
    try:
        yield lambda *words, **more: mbpoll(where, *words, **more)
    finally:
        stop()


kinds = pytest.mark.parametrize("kind", ["rtu", "tcp"])


def registers(said: Said) -> list[int]:
    """Return registers in the order of their addresses."""
    assert said.complaint == ""
    return [int(said.values[address]) for address in sorted(said.values)]


@kinds
def test_bits_are_read(kind: str, tmp_path: Path) -> None:
    """Coils over a byte's end, and discrete inputs that do not begin at 0."""
    with served(kind, Block().bus, tmp_path) as poll:
        coils = registers(poll(TABLES_UNIT, "-t", COILS, "-r", "0", "-c", "10"))
        assert coils == [1, 0, 0, 1, 0, 0, 0, 0, 0, 1]
        assert poll(TABLES_UNIT, "-t", CONTACTS, "-r", "4", "-c", "3").values == {4: "0", 5: "1", 6: "0"}


@kinds
def test_registers_are_read(kind: str, tmp_path: Path) -> None:
    """Holding and input registers, negative ones as the two's complement, the bits of a status word."""
    with served(kind, Block().bus, tmp_path) as poll:
        assert registers(poll(TABLES_UNIT, "-t", HOLDING, "-r", "100", "-c", "2")) == [54_321, 0x10000 - 123]
        assert registers(poll(TABLES_UNIT, "-t", HOLDING, "-r", "108", "-c", "1")) == [0x8008]
        assert registers(poll(TABLES_UNIT, "-t", INPUT, "-r", "7", "-c", "2")) == [40_000, 0x10000 - 10]
        dust = registers(poll(DUST_UNIT, "-t", HOLDING, "-r", str(0x01F4), "-c", "11"))
        assert dust == [21, 0, 0, 0, 0, 0x10000 - 10, 0, 0, 152, 0, 1013]


@kinds
def test_numbers_of_two_words_are_read(kind: str, tmp_path: Path) -> None:
    """Floats of either word order, from either table, and an integer."""
    with served(kind, Block().bus, tmp_path) as poll:
        [energy] = poll(TABLES_UNIT, "-t", f"{HOLDING}:int", "-B", "-r", "102").values.values()
        [power] = poll(TABLES_UNIT, "-t", f"{HOLDING}:float", "-B", "-r", "104").values.values()
        [swapped] = poll(TABLES_UNIT, "-t", f"{HOLDING}:float", "-r", "106").values.values()
        [flow] = poll(TABLES_UNIT, "-t", f"{INPUT}:float", "-B", "-r", "9").values.values()
        assert (int(energy), float(power), float(swapped), float(flow)) == (
            305_419_896,
            1.5,
            -0.15625,
            273.15,
        )


@kinds
def test_what_it_writes_is_held_and_read(kind: str, tmp_path: Path) -> None:
    """One coil, several coils, one register, several registers, a float."""
    block = Block()
    with served(kind, block.bus, tmp_path) as poll:

        def write(table: str, address: int, *values: str, more: tuple[str, ...] = ()) -> None:
            said = poll(TABLES_UNIT, "-t", table, *more, "-r", str(address), write=["--", *values])
            assert said.complaint == ""
            assert f"Written {len(values)} reference" in said.text

        write(COILS, 1, "1")
        write(COILS, 0, "0")
        assert [block.held(f"coil_{number}") for number in (1, 2, 3)] == [False, True, False]
        write(COILS, 0, "1", "0", "1", "0", "1", "0", "1", "0", "1", "0")
        assert [block.held(f"coil_{number}") for number in range(1, 11)] == [True, False] * 5
        write(HOLDING, 100, "4711")
        assert block.held("level") == 4711
        write(HOLDING, 100, "7", str(0x10000 - 25))
        assert (block.held("level"), block.held("tilt")) == (7, -2.5)
        write(f"{HOLDING}:float", 104, "-273.15", more=("-B",))
        assert block.held("power") == -273.15
        assert registers(poll(TABLES_UNIT, "-t", COILS, "-r", "0", "-c", "10")) == [1, 0] * 5
        assert registers(poll(TABLES_UNIT, "-t", HOLDING, "-r", "100", "-c", "2")) == [7, 0x10000 - 25]


@kinds
def test_the_relay_board_obeys_it(kind: str, tmp_path: Path) -> None:
    """Functions 5 and 15, as the vendor's board knows them."""
    block = Block()
    with served(kind, block.bus, tmp_path) as poll:
        assert poll(RELAY_UNIT, "-t", COILS, "-r", "2", write=["1"]).complaint == ""
        assert registers(poll(RELAY_UNIT, "-t", COILS, "-r", "0", "-c", "8")) == [0, 0, 1, 0, 0, 0, 0, 0]
        assert poll(RELAY_UNIT, "-t", COILS, "-r", "4", write=["1", "1"]).complaint == ""
        assert block.relays.relays(0) == [False, False, True, False, True, True, False, False]


@kinds
def test_refusals_are_understood(kind: str, tmp_path: Path) -> None:
    """An address that is not there, a register that cannot be written, a function that the board lacks."""
    with served(kind, Block().bus, tmp_path) as poll:
        assert "Illegal data address" in poll(TABLES_UNIT, "-t", HOLDING, "-r", "99").complaint
        assert "Illegal data address" in poll(TABLES_UNIT, "-t", HOLDING, "-r", "108", write=["1"]).complaint
        assert "Illegal function" in poll(RELAY_UNIT, "-t", HOLDING, "-r", "0").complaint


def test_the_server_id_is_understood(tmp_path: Path) -> None:
    """Function 17, which mbpoll knows on serial lines: id, run indicator, and the refusal of who has none."""
    with served("rtu", Block().bus, tmp_path) as poll:
        said = poll(TABLES_UNIT, "-u")
        assert said.complaint == ""
        assert "Id    : 0x2A\nStatus: On\n" in said.text
        assert "Illegal function" in poll(RELAY_UNIT, "-u").complaint
