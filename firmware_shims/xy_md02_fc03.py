"""Temperature and humidity transmitters like the XY-MD02 that are read by FC03.

Defect: the values are holding registers (FC03); the XY-MD02's manual has them as input registers (FC04) and
keeps only settings in holding registers.

Evidence: community report, Home Assistant forum, thread 866825: the paper of a nameless SHT30 transmitter
reads both values with ``01 03 00 00 00 02 C4 0B`` and names no other function for it. KinCony's table for
its SHT30 transmitter has the values in both tables, so that this shim is right for that one, too.

Firmware: none is named. The range is open at both ends; where the firmware is not known the shim applies,
because a device that knows no FC04 tells nothing without it.
"""

from device_profiles.schema import Profile
from firmware_shims.base import Shim


def _change(profile: Profile) -> Profile:
    return profile.with_points(
        point.model_copy(update={"table": "holding_register"}) for point in profile.points
    )


SHIM = Shim(
    id="xy_md02_fc03",
    profile="xy_md02",
    defect="The values are holding registers (FC03) instead of input registers (FC04).",
    evidence="Home Assistant forum, thread 866825; KinCony's table of its SHT30 transmitter.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When the SHT30 transmitters get a profile of their own.",
    change=_change,
)
