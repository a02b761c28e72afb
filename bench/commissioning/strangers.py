"""Devices that no profile was written for: random maps, and maps of known devices that were changed."""

from collections.abc import Mapping
from random import Random

from pymodbus.constants import ExcCodes

from bench.commissioning.cabinet import NAMES
from contract.samples import Value
from device_profiles.schema import BIT_TABLES, Profile, Table
from simulators.devices import Device, RefusedError
from simulators.identity import Identity
from simulators.signed_devices import SignedDevice

TABLES: tuple[Table, ...] = ("coil", "discrete_input", "holding_register", "input_register")
OTHER: dict[Table, Table] = {"holding_register": "input_register", "input_register": "holding_register"}
Cell = tuple[Table, int]


class Stranger(Device):
    """Holds some registers; the rest is refused, or said nothing to, or reads as 0."""

    def __init__(self, cells: Mapping[Cell, int], *, identity: Identity | None, otherwise: str) -> None:
        """``otherwise``: refused, silent or zero."""
        super().__init__("stranger")
        self._cells = dict(cells)
        self.identity = identity
        self.refuses_in_silence = otherwise == "silent"
        self._zero = otherwise == "zero"

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:  # noqa: ARG002
        """Return the registers."""
        cells = [(table, address + index) for index in range(count)]
        if not self._zero and not self._cells.keys() >= set(cells):
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        return [self._cells.get(cell, 0) for cell in cells]

    def write(self, table: Table, address: int, values: object, now_ns: int) -> None:  # noqa: ARG002
        """Take nothing."""
        raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)


def random_map(random: Random) -> Stranger:
    """Return a device with a few runs of registers, at addresses that devices like to have them at."""
    cells: dict[Cell, int] = {}
    for _ in range(random.randint(1, 5)):
        table = random.choice(TABLES)
        start = random.choice((0, 1, 2, 4, 0x3D, 0x64, 0x1F4, 0x5000, 0xF001, 2013, random.randrange(0xFF00)))
        for index in range(random.choice((1, 2, 3, 8, 11, 16, 40))):
            word = random.choice((0, 1, random.randrange(1000), random.randrange(0x10000)))
            cells[table, start + index] = word & 1 if table in BIT_TABLES else word
    return Stranger(
        cells, identity=_other_name(random), otherwise=random.choice(("refused", "silent", "zero"))
    )


def mutated(random: Random, profile: Profile, values: Mapping[str, Value]) -> tuple[Device, bool]:
    """Return a device whose map is a known one, changed; and whether it still names itself as that one.

    One that keeps the name lacks at least one register that the document gives it.
    """
    original = SignedDevice("x", profile, values, unit_id=7, baud=9600)
    cells: dict[Cell, int] = original._bank | original._signature
    documented = set(original._bank)
    shift = random.choice((1, -1, 2, 16, 100))
    change = random.choice(("shift", "drop", "table", "values"))
    keeps_name = change != "values" and random.random() < 0.5
    if change == "shift":
        cells = {(table, max(0, address + shift)): word for (table, address), word in cells.items()}
    elif change == "table":
        cells = {
            (OTHER.get(table, "discrete_input"), address): word for (table, address), word in cells.items()
        }
    elif change == "values":
        cells = {cell: random.randrange(2 if cell[0] in BIT_TABLES else 0x10000) for cell in cells}
    if documented <= set(cells) and change != "values":
        for cell in random.sample(sorted(documented), random.randint(1, len(documented))):
            cells.pop(cell, None)
    identity = NAMES.get(profile.id) if keeps_name else _other_name(random)
    return Stranger(cells, identity=identity, otherwise=random.choice(("refused", "silent"))), keeps_name


def _other_name(random: Random) -> Identity | None:
    if random.random() < 0.6:
        return None
    vendor, product = random.choice((("Acme", "TH-7"), ("", "SDM"), ("Eastron", "SDM72"), ("XY", "XY-KP08")))
    return Identity({0: vendor.encode(), 1: product.encode(), 2: b"1.0"})
