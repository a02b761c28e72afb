"""Which alarms are one happening: those that match a rule, near each other in time and place. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from collector import storable
from collector.alarms.labels import Matcher, hold
from toml_files import Title

EARTH_RADIUS_M = 6_371_000.0
GROUPING_CHARACTERS_MAX = 500


class Place(NamedTuple):
    """Where a part stands, in degrees."""

    lon: float
    lat: float


class Box(NamedTuple):
    """Where an incident's members stand, in degrees."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def around(cls, places: Sequence[Place]) -> "Box | None":
        """Return the smallest one that holds them all."""
        if not places:
            return None
        lons, lats = [place.lon for place in places], [place.lat for place in places]
        return cls(min(lons), min(lats), max(lons), max(lats))

    def with_place(self, place: Place) -> "Box":
        """Return the smallest one that holds a place too."""
        return Box(
            min(self.west, place.lon),
            min(self.south, place.lat),
            max(self.east, place.lon),
            max(self.north, place.lat),
        )

    def nearest(self, place: Place) -> Place:
        """Return what of the box is nearest to a place."""
        lon = min(max(place.lon, self.west), self.east)
        return Place(lon, min(max(place.lat, self.south), self.north))


class Candidate(NamedTuple):
    """A source in alarm that may be part of something larger; it is in an incident so far."""

    incident_id: str
    source: str
    at_ms: int
    place: Place | None


@dataclass(frozen=True, slots=True)
class Rule:
    """What belongs together; see ``settings.example.toml``."""

    name: str
    title: Title
    matchers: tuple[Matcher, ...]
    group_by: tuple[str, ...]
    within_ms: int
    members_min: int
    distance_m: float | None = None

    def common(self, labels: Mapping[str, str], place: Place | None) -> dict[str, str] | None:
        """Return the labels that an alarm has to share with others; None where the rule is not for it.

        An alarm that lacks one of them, or the place that the rule measures from, shares nothing.
        """
        if not hold(self.matchers, labels) or (self.distance_m is not None and place is None):
            return None
        found = {label: labels.get(label, "") for label in self.group_by}
        return found if all(found.values()) else None

    def grouping(self, common: Mapping[str, str]) -> str:
        """Return the rule and the labels as one text of bounded length, other for others."""
        text = storable.text("/".join([self.name, *(f"{label}={value}" for label, value in common.items())]))
        if len(text) <= GROUPING_CHARACTERS_MAX:
            return text
        return f"{self.name}/{blake2b(text.encode(), digest_size=16).hexdigest()}"

    def reaches(self, box: Box | None, place: Place | None) -> bool:
        """Say whether a place is near enough to those of an open incident."""
        if self.distance_m is None:
            return True
        if box is None or place is None:
            return False
        return distance_m(box.nearest(place), place) <= self.distance_m

    def gathered(self, fresh: Candidate, others: Sequence[Candidate]) -> list[Candidate]:
        """Return what is one happening with the fresh one, itself included; nothing where that is too few.

        In time all are near the fresh one, in place each is near another.
        """
        left = [each for each in others if abs(each.at_ms - fresh.at_ms) <= self.within_ms]
        found, at = [fresh], 0
        while at < len(found):
            apart: list[Candidate] = []
            for each in left:
                (found if self._neighbours(found[at], each) else apart).append(each)
            left = apart
            at += 1
        return found if len(found) >= self.members_min else []

    def _neighbours(self, one: Candidate, other: Candidate) -> bool:
        if self.distance_m is None:
            return True
        if one.place is None or other.place is None:
            return False
        return distance_m(one.place, other.place) <= self.distance_m


def distance_m(one: Place, other: Place) -> float:
    """Return how far two places are from each other on the ground, in metres."""
    lat, other_lat = math.radians(one.lat), math.radians(other.lat)
    lon = math.radians(other.lon - one.lon)
    half = math.sin((other_lat - lat) / 2) ** 2 + math.cos(lat) * math.cos(other_lat) * math.sin(lon / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, half)))
