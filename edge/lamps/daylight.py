"""Whether it is night, or day, beyond doubt: what light sensors say is held against the sun. Pure."""

from enum import Enum, auto
from zoneinfo import ZoneInfo

from lighting import nights
from lighting.plan import Place
from lighting.sun import sun_after


class Light(Enum):
    """How light it must be outside."""

    NIGHT = auto()
    DAY = auto()
    BETWEEN = auto()


class Daylight:
    """At one place; ``margin_s`` about sunset and sunrise it is neither."""

    def __init__(self, place: Place, zone: ZoneInfo, margin_s: float) -> None:
        """Nothing is worked out yet."""
        self._place, self._zone, self._margin_ms = place, zone, round(margin_s * 1000)

    def at(self, now_ms: int) -> tuple[Light, int]:
        """Return how light it must be, and until when that holds; ``now_ms`` is right."""
        night = nights.night_of(now_ms, self._zone)
        from_ms = nights.begins_ms(night, self._zone)
        until_ms = nights.begins_ms(night + nights.DAY, self._zone)
        sunset_ms, sunrise_ms = sun_after(self._place.latitude_deg, self._place.longitude_deg, from_ms)
        margin_ms = self._margin_ms
        dusk_ms, dawn_ms = sunset_ms + margin_ms, sunrise_ms - margin_ms
        edges_ms = (sunset_ms - margin_ms, dusk_ms, dawn_ms, sunrise_ms + margin_ms, until_ms)
        light = Light.BETWEEN
        if dusk_ms <= now_ms < dawn_ms:
            light = Light.NIGHT
        elif now_ms < sunset_ms - margin_ms or now_ms >= sunrise_ms + margin_ms:
            light = Light.DAY
        return light, min(edge_ms for edge_ms in edges_ms if edge_ms > now_ms)
