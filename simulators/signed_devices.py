"""Devices as they stand in a cabinet before anybody knows them: what they tell of themselves, if anything."""

import struct
from collections.abc import Mapping, Sequence

from pymodbus.constants import ExcCodes

from contract.samples import Value
from device_profiles.schema import Profile, Signature, Table
from simulators.devices import ProfileDevice, RefusedError
from simulators.identity import Identity


class SignedDevice(ProfileDevice):
    """A device with the registers that its profile's ``identification`` names, filled as its document says.

    ``baud`` is how it is set. ``taciturn``: it answers what it has, and is silent to all else.
    """

    def __init__(
        self,
        name: str,
        profile: Profile,
        values: Mapping[str, Value],
        *,
        unit_id: int,
        baud: int,
        identity: Identity | None = None,
        taciturn: bool = False,
        decimals: int = 0,
    ) -> None:
        """Fill the registers."""
        super().__init__(name, profile, values, decimals=decimals)
        self.identity = identity
        self.refuses_in_silence = taciturn
        self._signature: dict[tuple[Table, int], int] = {}
        declared = profile.identification
        self.answers_unit_0 = declared is not None and declared.answers_unit_0
        for signature in declared.registers if declared else ():
            for index, word in enumerate(_words(signature, unit_id, baud)):
                self._signature[signature.table, signature.address + index] = word

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:  # noqa: ARG002
        """Return the registers of the map, the telling ones among them."""
        cells = [(table, address + index) for index in range(count)]
        known = self._bank | self._signature
        if not known.keys() >= set(cells):
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        return [known[cell] for cell in cells]


def _words(signature: Signature, unit_id: int, baud: int) -> Sequence[int]:
    match signature.says:
        case "unit_id":
            return [unit_id]
        case "baud":
            codes = {entry.baud: entry.code for entry in signature.codes}
            return [codes.get(baud, 0xFFFF) if codes else baud & 0xFFFF]
        case "value":
            return [signature.values[0]]
        case "text":
            data = signature.text.encode().ljust(2 * signature.words, b"\0")
            return struct.unpack(f">{signature.words}H", data[: 2 * signature.words])
