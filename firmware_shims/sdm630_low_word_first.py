"""Eastron meters that send floats with the low word first.

Defect: the two registers of every float come in the reverse order. Read by the table, 230.2 V
(0x4366 0x3334) is a tiny number that looks like no load.

Evidence: the meter's own manual (SDM630-Modbus-MID V2, B+G e-tech, page 30) has a register "Register Order":
whoever writes the number 2141.0 to it, in either order, sets the order of all floats from then on. A meter
that came from another system, or met a curious tool, may therefore be reversed for good, and nothing on its
display says so. No capture of such a meter was to hand.

Firmware: it is a setting and not a version, so the range is open at both ends; where the firmware is not
known the shim applies.
"""

from device_profiles.schema import Profile
from firmware_shims.base import Shim

FLOATS = "f32"


def _change(profile: Profile) -> Profile:
    return profile.with_points(
        point.model_copy(update={"word_order": "little"}) if point.type == FLOATS else point
        for point in profile.points
    )


SHIM = Shim(
    id="sdm630_low_word_first",
    profile="sdm630",
    defect="Floats come with the low word first, after its register order was reversed.",
    evidence="Manual of the SDM630-Modbus-MID V2, page 30: the holding register Register Order.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When the gateway can write 2141.0 to the meter's register order by itself.",
    change=_change,
)
