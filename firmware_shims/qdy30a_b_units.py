"""QDY30A-B: a level transmitter whose unit register has other codes.

Defect: 0x10, 0x11 and 0x12 are m, cm and mm, and 1 is kPa; the register table that users of the QDY30A
publish has 0x11, 0x12, 0x13 and 0x14 for cm, m, kPa and bar. At 0x12 the level is a thousand times too large.

Evidence: community report, the notes of a rain-water project about four QDY30A-B on a Waveshare ESP32 board,
taken from the register sheet (MODBUS.pdf) that came with them: unit codes 16 m, 17 cm, 18 mm, 1 kPa; decimals
and value where the QDY30A has them. Bar is not in those notes and is left out.

Firmware: none is named; it is another model with the same name. The range is open at both ends. Where the
firmware is not known the shim applies, because the letter B stands on the device.
"""

from device_profiles.schema import Profile
from firmware_shims.base import Shim, with_unit_codes

UNIT_CODES = {
    "level": {0x10: 1.0, 0x11: 0.01, 0x12: 0.001},  # m, cm, mm
    "pressure": {0x01: 1.0},  # kPa
}


def _change(profile: Profile) -> Profile:
    return with_unit_codes(profile, UNIT_CODES)


SHIM = Shim(
    id="qdy30a_b_units",
    profile="qdy30a",
    defect="Unit codes 0x10, 0x11, 0x12 are m, cm, mm, and 1 is kPa.",
    evidence="Notes of a rain-water project from the register sheet of its QDY30A-B transmitters.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When the QDY30A-B gets a profile of its own.",
    change=_change,
)
