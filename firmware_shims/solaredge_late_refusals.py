"""SolarEdge inverters that refuse an address only after seconds.

Defect: values come soon, but the exception for an address that the inverter does not have comes more than
three seconds after the request. RTU answers carry no number: the next request to the inverter takes the late
exception for its own.

Evidence: community reports, WillCodeForCats/solaredge-modbus-multi, issue 394 and pull request 398 (2023):
some inverters needed longer than the 3 s timeout for requests to addresses of meters and batteries that are
not installed. They do not say how much longer, and they speak of Modbus TCP, where a number tells the late
answer; that the same firmware is as slow on RS485 is our conclusion.

Firmware: the reports name none that all of them share. The range is open at both ends; where the firmware is
not known the shim applies: it costs a wait after a failure and nothing else.
"""

from device_profiles.schema import Profile
from firmware_shims.base import Shim

LATE_ANSWER_S = 5.0
"""Ours: after the timeout, so that with the least timeout five seconds are covered."""


def _change(profile: Profile) -> Profile:
    return profile.with_modbus(late_answer_s=LATE_ANSWER_S)


SHIM = Shim(
    id="solaredge_late_refusals",
    profile="solaredge_inverter",
    defect="Exceptions come more than three seconds after the request, long after values would.",
    evidence="WillCodeForCats/solaredge-modbus-multi, issue 394 and pull request 398.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When a firmware is known that refuses in time.",
    change=_change,
)
