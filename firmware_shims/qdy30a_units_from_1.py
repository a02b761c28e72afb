"""QDY30A level transmitters whose unit register counts from 1.

Defect: the unit codes are 1 cm, 2 mm, 3 MPa, 4 Pa and 5 kPa; the register table that most users of the QDY30A
publish has 0x11 to 0x14 for cm, m, kPa and bar. Without the shim the unit is unknown and nothing is told.

Evidence: community reports. Home Assistant forum, thread 688694: a probe bought as QDY30A without any paper,
and the table that its owner found for it and read it by, with decimals and value where ours has them. The
driver reQDY30A of kotyara12/reSensors (2023) names the same five codes.

Firmware: none is named. The range is open at both ends; where the firmware is not known the shim applies: a
wrong choice shows at once, because the codes of the two tables have none in common.
"""

from device_profiles.schema import Profile
from firmware_shims.base import Shim, with_unit_codes

UNIT_CODES = {
    "level": {1: 0.01, 2: 0.001},  # cm, mm
    "pressure": {3: 1000.0, 4: 0.001, 5: 1.0},  # MPa, Pa, kPa
}


def _change(profile: Profile) -> Profile:
    return with_unit_codes(profile, UNIT_CODES)


SHIM = Shim(
    id="qdy30a_units_from_1",
    profile="qdy30a",
    defect="Unit codes count from 1: cm, mm, MPa, Pa, kPa.",
    evidence="Home Assistant forum, thread 688694; the driver reQDY30A of kotyara12/reSensors.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When it is known which of the two tables a QDY30A has, by a register or a mark on it.",
    change=_change,
)
