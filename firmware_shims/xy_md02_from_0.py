"""Temperature and humidity transmitters like the XY-MD02 that count their registers from 0.

Defect: the temperature is at 0x0000 and the humidity at 0x0001; the XY-MD02's manual has them at 0x0001 and
0x0002. Without the shim the humidity is told as temperature.

Evidence: the register table of the RS485 SHT30 transmitter that KinCony sells in the same DIN housing: input
registers 0000H temperature and 0001H humidity, one decimal, with the examples 250 = 25 degrees, 500 = 50 %.
Below zero that table counts up from 10000; the value is then far out of range and so told as uncertain.
Community report: Home Assistant forum, thread 866825, a nameless SHT30 transmitter asked at 0x0000.

Firmware: none is named. The range is open at both ends; where the firmware is not known the shim applies,
because the devices cannot be told apart but by asking.
"""

from device_profiles.schema import Profile
from firmware_shims.base import Shim

DOCUMENT_COUNTS_FROM = 1


def _change(profile: Profile) -> Profile:
    return profile.with_points(
        point.model_copy(update={"address": point.address - DOCUMENT_COUNTS_FROM}) for point in profile.points
    )


SHIM = Shim(
    id="xy_md02_from_0",
    profile="xy_md02",
    defect="Registers count from 0 where the manual of the XY-MD02 counts from 1.",
    evidence="Register table of KinCony's SHT30 transmitter; Home Assistant forum, thread 866825.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When the SHT30 transmitters get a profile of their own.",
    change=_change,
)
