"""Temperature and humidity transmitters like the XY-MD02 that count hundredths.

Defect: temperature and humidity have two decimals; the XY-MD02's manual gives one. Without the shim every
value is ten times too large, and most are told as out of range.

Evidence: community reports only. Stack Overflow, number 74286017: an MD02, sold by the XY-MD02's register
table, whose values had to be divided by 100 (and whose line ran at 8E1 or 8O1, which is a setting of the
gateway's line). Home Assistant forum, thread 866825: an SHT30 transmitter whose temperature is the register
divided by 100.

Firmware: none is named. The range is open at both ends; where the firmware is not known the shim applies,
because whoever names it has a thermometer.
"""

from device_profiles.schema import Profile
from firmware_shims.base import Shim

SCALE = 0.01


def _change(profile: Profile) -> Profile:
    return profile.with_points(point.model_copy(update={"scale": SCALE}) for point in profile.points)


SHIM = Shim(
    id="xy_md02_hundredths",
    profile="xy_md02",
    defect="Temperature and humidity count hundredths instead of tenths.",
    evidence="Community reports: Stack Overflow, number 74286017; Home Assistant forum, thread 866825.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When the transmitters that count hundredths get a profile of their own.",
    change=_change,
)
