"""Records of lamps' nights for tests, and the noons of a zone."""

from datetime import date, timedelta, timezone
from typing import Any

import msgspec

from collector.intake import Received
from contract.events import LampNight
from contract.topics import Lane
from lighting import nights
from tests.collector.making import happened, up

ZONE = timezone(timedelta(hours=8))
HOUR_MS = 3_600_000


def noon_ms(day: str) -> int:
    """Return when the night begins."""
    return nights.begins_ms(date.fromisoformat(day), ZONE)


def night(number: int, lamp: str, day: str, **told: Any) -> LampNight:
    """Return the record of a whole night with ten hours of light, all of them seen lit."""
    made = LampNight(
        f"{number:032x}", noon_ms(day) + 24 * HOUR_MS, lamp, "ctl-1", day, 3, [], [], [],
        should_s=36_000, lit_s=36_000, dark_s=0, astray_s=0, unpowered_s=0, corrected=0,
        energy_wh=700.0, baseline_wh=1000.0, part="5001032132000007",
    )  # fmt: skip
    return msgspec.structs.replace(made, **told)


def nightly(sequence: int, *records: LampNight, gateway: str = "gw-1", at_ms: int = 0) -> Received:
    """Return a batch of records as it comes from the broker."""
    data = happened(sequence, *records, gateway=gateway)
    return up(data, lane=Lane.EVENTS, gateway=gateway, at_ms=at_ms or records[-1].time_ms)
