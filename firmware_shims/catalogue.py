"""All shims, in one list that a person can read; nothing registers itself."""

import difflib
from collections.abc import Iterable

from device_profiles.schema import Profile
from firmware_shims import (
    qdy30a_b_units,
    qdy30a_units_from_1,
    ramses_g2_sleeps,
    relay_coils_from_1,
    relay_on_0100,
    relay_registers,
    sdm630_low_word_first,
    sen0658_map,
    solaredge_late_refusals,
    xy_md02_fc03,
    xy_md02_from_0,
    xy_md02_hundredths,
)
from firmware_shims.base import Shim, ShimError

SHIMS: tuple[Shim, ...] = (
    sen0658_map.SHIM,
    qdy30a_b_units.SHIM,
    qdy30a_units_from_1.SHIM,
    ramses_g2_sleeps.SHIM,
    relay_coils_from_1.SHIM,
    relay_on_0100.SHIM,
    relay_registers.SHIM,
    sdm630_low_word_first.SHIM,
    solaredge_late_refusals.SHIM,
    xy_md02_fc03.SHIM,
    xy_md02_from_0.SHIM,
    xy_md02_hundredths.SHIM,
)


def shim(shim_id: str) -> Shim:
    """Return the shim of that id; ShimError suggests a close one."""
    ids = [entry.id for entry in SHIMS]
    if shim_id in ids:
        return SHIMS[ids.index(shim_id)]
    close = difflib.get_close_matches(shim_id, ids, n=1)
    remedy = f"did you mean {close[0]}?" if close else f"known are {', '.join(ids)}"
    raise ShimError(f"no shim is called {shim_id[:80]!r}; {remedy}")


def applied(profile: Profile, shim_ids: Iterable[str], firmware: str | None = None) -> Profile:
    """Return the profile with these shims, in their order; ``firmware`` is the device's, None if unknown.

    ShimError for an unknown id, one given twice, a shim for another profile, or firmware outside its range.
    """
    ids = list(shim_ids)
    for shim_id in ids:
        entry = shim(shim_id)
        if ids.count(shim_id) > 1:
            raise ShimError(f"shim {shim_id} is given twice; keep one")
        entry.check_firmware(firmware)
        profile = entry.apply(profile)
    return profile
