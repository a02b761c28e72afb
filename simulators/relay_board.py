"""Waveshare Modbus RTU Relay with 8 channels, written from the vendor's development protocol (V2).

Relays 1 to 8 are coils 0 to 7: FC01 reads them, FC05 writes one, 0F several. FC05 to 0x00FF switches all at
once. FC05 to 0x0200 + n with a value N is "flash on": relay n goes on and, after N x 100 ms, off by itself.
Every FC05 is echoed as it came.
"""

from collections.abc import Sequence

from pymodbus.constants import ExcCodes

from device_profiles.schema import Table
from simulators.devices import COIL_OFF, COIL_ON, Device, RefusedError

RELAYS = 8
NAMES = {f"relay_{index + 1}": index for index in range(RELAYS)}
ALL_RELAYS = 0x00FF
FLASH_ON = 0x0200
FLASH_STEP_NS = 100_000_000
FLASH_STEPS_MAX = 0x7FFF


class RelayBoard(Device):
    """Eight relays, all off at first. A plain write to a relay ends its flash."""

    functions = frozenset({1, 5, 15})

    def __init__(self, name: str) -> None:
        """Give it its name."""
        super().__init__(name)
        self._on = [False] * RELAYS
        self._off_at_ns: dict[int, int] = {}

    @property
    def next_off_ns(self) -> int | None:
        """When the next relay goes off by itself."""
        return min(self._off_at_ns.values(), default=None)

    def relays(self, now_ns: int) -> list[bool]:
        """Return the eight relays as they stand now."""
        self._flashed(now_ns)
        return list(self._on)

    def _flashed(self, now_ns: int) -> None:
        """End the flashes whose time is over."""
        if not self._off_at_ns:
            return
        for index, off_at_ns in list(self._off_at_ns.items()):
            if off_at_ns <= now_ns:
                self._on[index] = False
                del self._off_at_ns[index]

    def outputs(self, now_ns: int) -> dict[str, bool]:
        """Return the relays by name, ``relay_1`` to ``relay_8``."""
        return dict(zip(NAMES, self.relays(now_ns), strict=True))

    def closed(self, name: str, now_ns: int) -> bool:
        """Return whether one relay is closed, by its name."""
        self._flashed(now_ns)
        return self._on[NAMES[name]]

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:  # noqa: ARG002
        """Return coils; only 0 to 7 can be read."""
        if address + count > RELAYS:
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        return [int(on) for on in self.relays(now_ns)[address : address + count]]

    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:  # noqa: ARG002
        """Switch relays (FC05 and 0F)."""
        if address + len(values) > RELAYS:
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        self.relays(now_ns)
        for index, value in enumerate(values, start=address):
            self._on[index] = bool(value)
            self._off_at_ns.pop(index, None)

    def write_coil(self, address: int, value: int, now_ns: int) -> None:
        """Switch one relay, all relays, or flash one on."""
        if address == ALL_RELAYS:
            if value not in (COIL_ON, COIL_OFF):
                raise RefusedError(ExcCodes.ILLEGAL_VALUE)
            self.write("coil", 0, [int(value == COIL_ON)] * RELAYS, now_ns)
        elif FLASH_ON <= address < FLASH_ON + RELAYS:
            if value > FLASH_STEPS_MAX:
                raise RefusedError(ExcCodes.ILLEGAL_VALUE)
            self.write("coil", address - FLASH_ON, [1], now_ns)
            self._off_at_ns[address - FLASH_ON] = now_ns + value * FLASH_STEP_NS
        else:
            super().write_coil(address, value, now_ns)
