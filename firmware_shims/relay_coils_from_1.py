"""Relay boards that count their coils from 1.

Defect: relay 1 is coil 1 on the wire, relay 2 coil 2, and coil 0 is nobody's; the common document has relay 1
at coil 0. Without the shim every command moves the neighbour of the relay that was meant, and none the last.

Evidence: the command sheet of the four-channel "Relay Board-4" switches relay 1 with ``01 05 00 01 ...`` and
reads the state of all four from coil 1: ``01 01 00 01 00 04 6C 09``. That it is the same board whose "on" is
0x0100 is no rule, so that is a shim of its own (relay_on_0100).

Firmware: the sheet names none (the board tells a date of its software on request). The range is open at both
ends; where the firmware is not known the shim applies, because whoever names it has seen relay 2 move.
"""

from device_profiles.schema import Profile
from firmware_shims.base import Shim

COILS_BEGIN_AT = 1


def _change(profile: Profile) -> Profile:
    return profile.with_points(
        point.model_copy(update={"address": point.address + COILS_BEGIN_AT}) for point in profile.points
    )


SHIM = Shim(
    id="relay_coils_from_1",
    profile="relay_board_8",
    defect="Coils are counted from 1: relay 1 is coil 1 on the wire.",
    evidence="Command sheet of the Relay Board-4: FC05 on coil 1 for relay 1, FC01 from coil 1.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When no board that counts from 1 is in any cabinet; such boards cannot be updated.",
    change=_change,
)
