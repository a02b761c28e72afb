"""Relay boards without coils: each relay is a holding register that takes orders.

Defect: relay n is holding register n, from 1. FC06 writes an order into it, 0x0100 for on and 0x0200 for off
(others toggle or time it), and FC03 reads 1 or 0. FC01 and FC05 are not known to the board.

Evidence: the library Erriez/R421A08-rs485-8ch-relay-board, written for and tested with boards of the type
R421A08: function codes 03 and 06 only, ``01 06 00 01 01 00 D9 9A`` switches relay 1 on and
``01 06 00 01 02 00 D9 6A`` off, the state is the low byte of the register. Sming's IOControl documentation
says the same of addresses: the channel number, from 1.

Firmware: none is named. The range is open at both ends; where the firmware is not known the shim applies,
because a board that knows no coils answers nothing without it.
"""

from device_profiles.schema import Profile
from firmware_shims.base import Shim

FIRST_REGISTER = 0x0001
ON_ORDER = 0x0100
OFF_ORDER = 0x0200


def _change(profile: Profile) -> Profile:
    order = {"table": "holding_register", "on_value": ON_ORDER, "off_value": OFF_ORDER}
    return profile.with_points(
        point.model_copy(update={**order, "address": FIRST_REGISTER + index})
        for index, point in enumerate(profile.points)
    )


SHIM = Shim(
    id="relay_registers",
    profile="relay_board_8",
    defect="Relays are holding registers 1 to 8 that take orders by FC06; there are no coils.",
    evidence="Erriez/R421A08-rs485-8ch-relay-board, a library for and tested with the R421A08.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When the R421A08 gets a profile of its own.",
    change=_change,
)
