"""Relay boards whose relays go on with 0x0100 where Modbus has 0xFF00.

Defect: FC05 switches a relay on with the value 0x0100; 0xFF00, the only "on" that Modbus knows, is not what
the board's document gives. Off is 0x0000, as in Modbus.

Evidence: the command sheet of the four-channel "Relay Board-4" (STM8 processor, "MODBUS RTU 4CH RELAY") has
``01 05 00 01 01 00 9D 9A`` for relay 1 on and ``01 05 00 01 00 00 9C 0A`` for off. Community report:
sourceperl/pyModbusTCP, pull request 8 (2017), whose author patched the library because a board without a name
wants 0x01 in the high byte instead of 0xFF. Whether such boards take 0xFF00 as well is told nowhere.

Firmware: neither names one. The range is open at both ends; where the firmware is not known the shim applies,
because whoever names it has seen that the board stays off without.
"""

from device_profiles.schema import Profile
from firmware_shims.base import Shim

ON_VALUE = 0x0100


def _change(profile: Profile) -> Profile:
    return profile.with_points(point.model_copy(update={"on_value": ON_VALUE}) for point in profile.points)


SHIM = Shim(
    id="relay_on_0100",
    profile="relay_board_8",
    defect="A relay goes on with the FC05 value 0x0100 instead of 0xFF00.",
    evidence="Command sheet of the Relay Board-4; pull request 8 of sourceperl/pyModbusTCP.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When no board that wants 0x0100 is in any cabinet; such boards cannot be updated.",
    change=_change,
)
