"""What is known of an alarm that others may share with it: its labels, and where it stands."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from collector import registry
from collector.alarms.happening import Alarm
from collector.incidents.correlating import Place
from collector.parts.model import Part
from collector.tables import devices
from contract.samples import ClockState

CENTRE = "centre"
"""Stands for the gateway in alarms of the centre's own that are no gateway's."""
PARTS_MAX = 20
"""Of a gateway: the area of so many of its parts says its own."""
FindParts = Callable[[Connection, Collection[str]], Mapping[str, Part]]


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

    def __init__(self, find_parts: FindParts, *, area_digits: int) -> None:
        """``area_digits`` of a grid's code say the area: 9 are the street, 12 the community."""
        self._find_parts, self._area_digits = find_parts, area_digits

    def seen(self, connection: Connection, alarms: Sequence[Alarm]) -> list[Seen]:
        """Look alarms up. One of the centre's own names a line or an area where others name a device."""
        named = [(each.gateway, each.device) for each in alarms if each.point]
        known = registry.devices_named(connection, named)
        devices = [known.get((each.gateway, each.device)) if each.point else None for each in alarms]
        codes = [
            each.part or (device.part if device else "") for each, device in zip(alarms, devices, strict=True)
        ]
        parts = self._find_parts(connection, {code for code in codes if code})
        return [
            self._one(connection, alarm, device, code, parts.get(code))
            for alarm, device, code in zip(alarms, devices, codes, strict=True)
        ]

    def _one(
        self, connection: Connection, alarm: Alarm, device: Row[Any] | None, code: str, part: Part | None
    ) -> Seen:
        labels = {
            "problem": alarm.problem,
            "priority": str(alarm.priority),
            "rule": alarm.rule,
            "condition": alarm.condition,
            "gateway": alarm.gateway,
            "line": device.line if device else (alarm.device if alarm.condition == "line" else ""),
            "device": alarm.device,
            "point": alarm.point,
            "part": code,
            "area": part.grid[: self._area_digits] if part else self._area(connection, alarm),
        }
        place = Place(part.lon, part.lat) if part else None
        return Seen(alarm, labels, place, source_of(alarm), _at_ms(alarm), device.title if device else "")

    def _area(self, connection: Connection, alarm: Alarm) -> str:
        """Return the area of what has no part: that in which most parts of its gateway are."""
        if alarm.condition == "area":
            return alarm.device
        return self.area_of_gateway(connection, alarm.gateway) if not alarm.point else ""

    def areas_of_parts(self, connection: Connection, codes: Collection[str]) -> dict[str, str]:
        """Return the areas of parts by their codes; those that are not known are not there."""
        found = self._find_parts(connection, codes) if codes else {}
        return {code: part.grid[: self._area_digits] for code, part in found.items()}

    def area_of_part(self, connection: Connection, code: str) -> str:
        """Return the area of a part by its code; empty where it is not known."""
        return self.areas_of_parts(connection, [code]).get(code, "")

    def area_of_gateway(self, connection: Connection, gateway: str) -> str:
        """Return the area in which most of a gateway's first parts are; empty where none is known."""
        query = select(devices.c.part).where(devices.c.gateway == gateway, devices.c.part != "")
        codes = connection.scalars(query.distinct().limit(PARTS_MAX)).all()
        areas = Counter(area for area in self.areas_of_parts(connection, codes).values() if area)
        return min(areas, key=lambda area: (-areas[area], area)) if areas else ""


def source_of(alarm: Alarm) -> str:
    """Return the digest of what an alarm is an occurrence of."""
    return blake2b("\0".join(alarm.source).encode(), digest_size=16).hexdigest()


def _at_ms(alarm: Alarm) -> int:
    """Return when it was raised; a clock that is not set, or ahead of ours, is not believed."""
    if alarm.clock is ClockState.UNSET:
        return alarm.received_ms
    return min(alarm.raised_ms, alarm.received_ms)
