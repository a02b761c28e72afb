"""DFRobot SEN0658: a Renke style weather and dust station whose registers mean other things in three places.

Defect: the wind speed counts hundredths of m/s, not tenths; 0x01FD holds the air pressure, not TSP; and
0x01FE and 0x01FF together hold the illuminance, where the document has the air pressure.

Evidence: a capture of one station with the values its own reader printed, tests/vectors/sen0658.toml.
``01 03 01 FB 00 03`` is answered ``00 05 00 0F 03 FB``: by the Renke document TSP would be 1019 ug/m3 while
PM10 is 15; as air pressure it is 101.9 kPa. 0x01FE then reads 0, which no air pressure is. That the wind
counts hundredths rests on the reader alone, which printed 0.14 m/s for 14.

Firmware: the capture names none, and no station of this model with another map is known, so the range is
open at both ends; where the firmware is not known the shim applies, because whoever names it has the model
before them.
"""

from device_profiles.schema import Point, Profile
from firmware_shims.base import Shim
from toml_files import Title

WIND_SPEED_SCALE = 0.01
PRESSURE_ADDRESS = 0x01FD
ILLUMINANCE_ADDRESS = 0x01FE
ILLUMINANCE_LUX_MAX = 200_000
"""Brighter than full sun is not credible; ours, not the document's."""

ABSENT = "tsp"
"""Its register holds the air pressure here, and no other is known to hold it."""


def _change(profile: Profile) -> Profile:
    changes: dict[str, dict[str, float]] = {
        "wind_speed": {"scale": WIND_SPEED_SCALE},
        "pressure": {"address": PRESSURE_ADDRESS},
    }
    points = [
        point.model_copy(update=changes.get(point.name)) for point in profile.points if point.name != ABSENT
    ]
    illuminance = Point(
        name="illuminance",
        title=Title(en="illuminance", zh="照度"),
        table="holding_register",
        address=ILLUMINANCE_ADDRESS,
        type="u32",
        unit="lx",
        range=[0, ILLUMINANCE_LUX_MAX],
    )
    return profile.with_points([*points, illuminance])


SHIM = Shim(
    id="sen0658_map",
    profile="renke_dust",
    defect="Wind speed counts hundredths of m/s, 0x01FD is the air pressure and 0x01FE-0x01FF illuminance.",
    evidence="A capture of one station with the values its reader printed: tests/vectors/sen0658.toml.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When the model gets a profile of its own; no firmware is known that follows the Renke document.",
    change=_change,
)
