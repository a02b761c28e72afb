"""What is known of an alarm that others may share with it: its labels, and where it stands."""

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from collector.alarms.happening import Alarm
from collector.incidents.correlating import Place
from collector.parts.model import Part
from collector.tables import devices
from contract.samples import ClockState

CENTRE = "centre"
"""Stands for the gateway in alarms of the centre's own that are no gateway's."""
PARTS_MAX = 20
"""Of a gateway: the area of so many of its parts says its own."""
FindPart = Callable[[Connection, str], Part | None]


_DEVICE = select(devices.c.line, devices.c.part, devices.c.title).where(
    devices.c.gateway == bindparam("gateway"), devices.c.device == bindparam("device")
)


class Seen(NamedTuple):
    """An alarm with what correlation looks at; raised ``at_ms``, by the best clock there is."""

    alarm: Alarm
    labels: dict[str, str]
    place: Place | None
    source: str
    at_ms: int
    title: str


class Labeller:
    """Knows devices and parts."""

    def __init__(self, find_part: FindPart, *, area_digits: int) -> None:
        """``area_digits`` of a grid's code say the area: 9 are the street, 12 the community."""
        self._find_part, self._area_digits = find_part, area_digits

    def seen(self, connection: Connection, alarm: Alarm) -> Seen:
        """Look an alarm up. One of the centre's own names a line or an area where others name a device."""
        asked = {"gateway": alarm.gateway, "device": alarm.device}
        known = connection.execute(_DEVICE, asked).first() if alarm.point else None
        code = alarm.part or (known.part if known else "")
        part = self._find_part(connection, code) if code else None
        labels = {
            "problem": alarm.problem,
            "priority": str(alarm.priority),
            "rule": alarm.rule,
            "condition": alarm.condition,
            "gateway": alarm.gateway,
            "line": known.line if known else (alarm.device if alarm.condition == "line" else ""),
            "device": alarm.device,
            "point": alarm.point,
            "part": code,
            "area": part.grid[: self._area_digits] if part else self._area(connection, alarm),
        }
        place = Place(part.lon, part.lat) if part else None
        return Seen(alarm, labels, place, source_of(alarm), _at_ms(alarm), known.title if known else "")

    def _area(self, connection: Connection, alarm: Alarm) -> str:
        """Return the area of what has no part: that in which most parts of its gateway are."""
        if alarm.condition == "area":
            return alarm.device
        return self.area_of_gateway(connection, alarm.gateway) if not alarm.point else ""

    def area_of_part(self, connection: Connection, code: str) -> str:
        """Return the area of a part by its code; empty where it is not known."""
        part = self._find_part(connection, code)
        return part.grid[: self._area_digits] if part else ""

    def area_of_gateway(self, connection: Connection, gateway: str) -> str:
        """Return the area in which most of a gateway's first parts are; empty where none is known."""
        query = select(devices.c.part).where(devices.c.gateway == gateway, devices.c.part != "")
        codes = connection.scalars(query.distinct().limit(PARTS_MAX)).all()
        areas = Counter(area for code in codes if (area := self.area_of_part(connection, code)))
        return min(areas, key=lambda area: (-areas[area], area)) if areas else ""


def source_of(alarm: Alarm) -> str:
    """Return the digest of what an alarm is an occurrence of."""
    return blake2b("\0".join(alarm.source).encode(), digest_size=16).hexdigest()


def _at_ms(alarm: Alarm) -> int:
    """Return when it was raised; a clock that is not set, or ahead of ours, is not believed."""
    if alarm.clock is ClockState.UNSET:
        return alarm.received_ms
    return min(alarm.raised_ms, alarm.received_ms)
