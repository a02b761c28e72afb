"""What stands behind a unit id: something whose tables are read and written at a given time."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from pymodbus.constants import ExcCodes

from contract.samples import Value
from device_profiles.codec import Reading, addresses, encode, mask, readings
from device_profiles.schema import Point, Profile, Table
from simulators.identity import Identity

COIL_ON = 0xFF00
COIL_OFF = 0x0000


class RefusedError(Exception):
    """The device answers with a Modbus exception instead."""

    def __init__(self, code: ExcCodes) -> None:
        """Keep the exception code of the answer."""
        super().__init__(code.name)
        self.code = code


class Device(ABC):
    """A slave without its line. Times are nanoseconds of any clock that does not run backwards.

    ``functions`` are the function codes it knows; all others are answered with ILLEGAL FUNCTION. Those that
    ask a device about itself (8, 17, 43) it knows where it has an ``identity``.
    """

    functions = frozenset({1, 2, 3, 4, 5, 6, 15, 16})
    identity: Identity | None = None
    refusal_delay_ns = 0
    """How much later than its answers its exceptions begin."""
    refuses_in_silence = False
    """Whether it says nothing at all where others answer with an exception."""
    answers_unit_0 = False
    """Whether it answers reads of unit 0, which nobody should; its answer names its own unit."""

    def __init__(self, name: str) -> None:
        """Give it the name it has in a cabinet and in a ledger."""
        self.name = name

    def hears(self, now_ns: int) -> bool:  # noqa: ARG002
        """Take notice of a request; False if it is lost on the device."""
        return True

    @abstractmethod
    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:
        """Return ``count`` raw values (bits as 0 and 1); RefusedError where the device has none."""

    @abstractmethod
    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:
        """Take raw values; RefusedError, with nothing written, where it does not."""

    def write_coil(self, address: int, value: int, now_ns: int) -> None:
        """Take a single coil's 16-bit value (FC05); the standard knows 0xFF00 and 0x0000 only."""
        if value not in (COIL_ON, COIL_OFF):
            raise RefusedError(ExcCodes.ILLEGAL_VALUE)
        self.write("coil", address, [int(value == COIL_ON)], now_ns)

    def mask_write(self, address: int, and_mask: int, or_mask: int, now_ns: int) -> int:
        """Change bits of a holding register (FC22) and return it; RefusedError where it cannot be written."""
        [before] = self.read("holding_register", address, 1, now_ns)
        word = before & and_mask | or_mask & ~and_mask & 0xFFFF
        self.write("holding_register", address, [word], now_ns)
        return word


class ProfileDevice(Device):
    """A device as its profile documents it: exactly the profile's addresses exist, the rest is refused.

    Only writable points can be written; device-side timers (``self_off``) are not played. Functions 22 and 23
    are known where the profile says so.
    """

    def __init__(
        self,
        name: str,
        profile: Profile,
        values: Mapping[str, Value],
        *,
        decimals: int = 0,
        unit_code: int | None = None,
        measured: Sequence[str] = (),
    ) -> None:
        """Fill the registers from engineering values by point name; points not named stand at raw 0.

        ``decimals`` and ``unit_code`` are what the device's own decimals and unit registers say, where the
        profile has such; without a code, the first that the point knows which is named first in ``values``,
        then in ``measured`` (points that get their values later), then in the profile. CodecError or
        KeyError (the point's name) where a value does not fit.
        """
        super().__init__(name)
        self.profile = profile
        self._points = {point.name: point for point in profile.points}
        self._decimals = decimals
        self._unit_code = unit_code
        self._given: set[str] = set()
        self._bank: dict[tuple[Table, int], int] = {}
        self._writable: dict[tuple[Table, int], int] = {}
        """Which bits can be written."""
        known = {22: profile.modbus.mask_write, 23: profile.modbus.read_write}
        self.functions |= {function for function, knows in known.items() if knows}
        for point in profile.points:
            self._bank |= {(point.table, address): 0 for address in addresses(point)}
            if point.writable:
                for address in range(point.address, point.address + point.words):
                    cell = (point.table, address)
                    self._writable[cell] = self._writable.get(cell, 0) | mask(point)
        for point in profile.points:
            if point.decimals_at is not None:
                self._bank[point.table, point.decimals_at] = decimals
        # The last word in a unit register is that of the point named first.
        named = [self._points[name] for name in (*values, *measured)]
        for point in reversed([*named, *profile.points]):
            if point.unit_at is not None:
                code = point.unit_codes[0].code if unit_code is None else unit_code
                self._bank[point.table, point.unit_at] = code
        self.set_values(values)

    def set_values(self, values: Mapping[str, Value], *, saturate: bool = False) -> None:
        """Put engineering values into the registers.

        With ``saturate`` a number beyond the point's range or register stops at its end, as sensors do.
        """
        for name, value in values.items():
            point = self._points[name]
            factor = self._factor(point)
            fitting = self._held(point, value, factor) if saturate else value
            for index, word in enumerate(encode(point, fitting, decimals=self._shift(point), factor=factor)):
                cell = (point.table, point.address + index)
                self._bank[cell] = self._bank[cell] & ~mask(point) | word
            self._given.add(name)

    def readings(self) -> dict[str, Reading]:
        """Return what a perfect reader would now make of the registers: given points, and derived ones."""
        derived = [entry.name for entry in self.profile.derived if self._given.issuperset(entry.of)]
        return readings(self.profile, self._bank, [*sorted(self._given), *derived])

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:  # noqa: ARG002
        """Return the registers of the map; one address outside it refuses the whole request."""
        try:
            return [self._bank[table, address + index] for index in range(count)]
        except KeyError:
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS) from None

    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:  # noqa: ARG002
        """Take raw values for writable points; anything else in the request refuses it whole."""
        cells = {(table, address + index): value for index, value in enumerate(values)}
        if not self._writable.keys() >= cells.keys():
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        if any((self._bank[cell] ^ value) & ~self._writable[cell] for cell, value in cells.items()):
            raise RefusedError(ExcCodes.ILLEGAL_VALUE)  # a bit that is not to be changed
        self._bank |= cells

    def _shift(self, point: Point) -> int:
        return 0 if point.decimals_at is None else self._decimals

    def _factor(self, point: Point) -> float:
        if point.unit_at is None:
            return 1
        code = self._bank[point.table, point.unit_at]
        return next((entry.factor for entry in point.unit_codes if entry.code == code), 1)

    def _held(self, point: Point, value: Value, factor: float) -> Value:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        ends = [point.range] if point.range else []
        if point.type not in ("bool", "f32"):
            bits = 16 * point.words
            raw = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if point.type[0] == "i" else (0, 2**bits - 1)
            scaled = [(end * point.scale + point.offset) / 10 ** self._shift(point) * factor for end in raw]
            ends.append(sorted(scaled))
        for low, high in ends:
            value = max(low, min(high, value))
        return value
