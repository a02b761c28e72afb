"""When the sun sets and rises: its upper limb on a level horizon, with a refraction of 34 minutes of arc."""

import datetime as dt
from functools import lru_cache
from typing import Any

import ephem

HORIZON = "-0:34"
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - ephem speaks UTC without saying so


class NoSunEventError(ValueError):
    """The sun does not set, or does not rise, within the day after the moment asked for."""


@lru_cache(maxsize=4096)
def sun_after(latitude_deg: float, longitude_deg: float, moment_ms: int) -> tuple[int, int]:
    """Return the first sunset after the moment and the first sunrise after that; UTC ms, whole seconds.

    NoSunEventError near the poles.
    """
    observer: Any = ephem.Observer()
    observer.lat, observer.lon = str(latitude_deg), str(longitude_deg)
    observer.pressure, observer.horizon = 0, HORIZON
    start = _EPOCH + dt.timedelta(milliseconds=moment_ms)
    try:
        sunset = observer.next_setting(ephem.Sun(), start=start)
        sunrise = observer.next_rising(ephem.Sun(), start=sunset)
    except ephem.CircumpolarError as error:
        raise NoSunEventError(
            f"no sunset or sunrise at {latitude_deg:g} degrees around {start:%Y-%m-%d}"
        ) from error
    return _ms(sunset), _ms(sunrise)


def _ms(moment: Any) -> int:
    since: dt.timedelta = moment.datetime() - _EPOCH
    return round(since.total_seconds()) * 1000
