"""TriOS RAMSES G2: asleep after a rest, and then the first request is lost.

Defect: the sensor goes into deep sleep when nobody has asked for the time in its register 2; the request that
wakes it is not answered. Read as others are, it times out at every slow poll and counts as dead.

Evidence: community, the driver of the so-rad project (monocle-h2020/so-rad, pytrios2) for three of these
sensors: it asks twice on purpose before each measurement in case the first is not answered, and on connecting
it repeats the question for the deep-sleep time each second until one is answered. It does not say in words
that sleep is why. node-modbus/stream, issue 66, says so of another device: a fan that sleeps within a minute,
and whose first request wakes it and is not answered.

Firmware: none is named. The range is open at both ends; where the firmware is not known the shim applies: a
sensor that was awake merely answers one question more.
"""

from device_profiles.schema import Profile
from firmware_shims.base import Shim

WAKE_AFTER_S = 5.0
"""Ours: shorter than any sleep time of use, because each sensor has its own in register 2."""


def _change(profile: Profile) -> Profile:
    return profile.with_modbus(wake_after_s=WAKE_AFTER_S)


SHIM = Shim(
    id="ramses_g2_sleeps",
    profile="ramses_g2",
    defect="After a rest the first request only wakes the sensor and is not answered.",
    evidence="Driver pytrios2 of monocle-h2020/so-rad asks twice before each measurement.",
    firmware_from=None,
    firmware_before=None,
    unknown_firmware="apply",
    retires="When the gateway can write 0 to the sensor's deep-sleep time.",
    change=_change,
)
