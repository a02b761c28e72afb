"""Nights in local time and as moments: noon to noon, through the gaps and overlaps of summer time."""

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

NOON = dt.time(12)
DAY = dt.timedelta(days=1)
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - moments here are UTC, and bear no zone


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Return the time zone; ZoneInfoNotFoundError or ValueError where there is none of this name."""
    return ZoneInfo(name)


def moment_of(local: dt.datetime, where: dt.tzinfo) -> dt.datetime:
    """Return the first UTC moment (no zone on it) at which clocks there show ``local`` or later.

    A time that clocks show twice is the first of the two; one they skip is when they skip it.
    """
    first = _utc(local.replace(tzinfo=where, fold=0))
    if _local(first, where) == local:
        return first
    early, late = _utc(local.replace(tzinfo=where, fold=1)), first
    while late - early > dt.timedelta(seconds=1):
        between = early + dt.timedelta(seconds=(late - early) // dt.timedelta(seconds=2))
        if _local(between, where) < local:
            early = between
        else:
            late = between
    return late


def night_of(moment_ms: int, where: dt.tzinfo) -> dt.date:
    """Return the date of the night that the moment belongs to."""
    local = _local(_EPOCH + dt.timedelta(milliseconds=moment_ms), where)
    return (local - dt.timedelta(hours=12)).date()


def begins_ms(night: dt.date, where: dt.tzinfo) -> int:
    """Return when the night begins: its noon."""
    return at_ms(night, NOON, where)


def at_ms(night: dt.date, time: dt.time, where: dt.tzinfo) -> int:
    """Return when clocks show ``time`` within the night."""
    local = dt.datetime.combine(night if time >= NOON else night + DAY, time)
    return (moment_of(local, where) - _EPOCH) // dt.timedelta(milliseconds=1)


def since_noon(time: dt.time) -> tuple[bool, dt.time]:
    """Order times as a night runs: from noon on."""
    return time < NOON, time


def _utc(aware: dt.datetime) -> dt.datetime:
    return aware.astimezone(dt.UTC).replace(tzinfo=None)


def _local(moment: dt.datetime, where: dt.tzinfo) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC).astimezone(where).replace(tzinfo=None, fold=0)
