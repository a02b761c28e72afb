"""What a device's refusals taught: plain data, kept across restarts, bound to what was asked."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from device_profiles.schema import Profile, Table

Span = tuple[Table, int, int]
"""First and last address of what is read in one request or not at all."""

LESSONS_MAX = 256
"""A device that departs more often from its profile needs another profile."""


class Learnt(msgspec.Struct, frozen=True):
    """The lessons of one device. ``digest`` is of profile, points and unit: other ones make it void.

    ``since_ms`` is the wall clock's time of the first lesson.
    """

    digest: str = ""
    since_ms: int = 0
    holes: frozenset[Span] = frozenset()
    """Unused addresses that must not be read over."""
    apart: frozenset[Span] = frozenset()
    """What sorts before such a span is never read together with it or what follows it."""
    absent: Mapping[Span, str] = {}
    """Spans that the device does not have, with the exception's name."""
    counts_max: Mapping[Table, int] = {}
    """So many registers or bits in a request, where the device takes fewer than its profile says."""

    @property
    def count(self) -> int:
        """How many lessons there are."""
        return len(self.holes) + len(self.apart) + len(self.absent) + len(self.counts_max)


def digest(profile: Profile, points: Iterable[str], unit_id: int) -> str:
    """Return what lessons are bound to, 16 hexadecimal digits."""
    what = [profile.model_dump(mode="json"), list(points), unit_id]
    return hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:16]


def as_data(learnt: Learnt) -> dict[str, Any]:
    """Return the lessons as plain JSON."""
    return {
        "digest": learnt.digest,
        "since_ms": learnt.since_ms,
        "holes": sorted(learnt.holes),
        "apart": sorted(learnt.apart),
        "absent": [[span, error] for span, error in sorted(learnt.absent.items())],
        "counts_max": dict(learnt.counts_max),
    }


def from_data(data: object) -> Learnt:
    """Return what ``as_data`` gave; no lessons of anything else, for they can be learnt again."""
    try:
        plain = msgspec.convert(data, _Plain)
    except msgspec.ValidationError:
        return Learnt()
    return Learnt(
        plain.digest,
        plain.since_ms,
        frozenset(plain.holes),
        frozenset(plain.apart),
        dict(plain.absent),
        plain.counts_max,
    )


class _Plain(msgspec.Struct):
    digest: str
    since_ms: int
    holes: list[Span]
    apart: list[Span]
    absent: list[tuple[Span, str]]
    counts_max: dict[Table, int]
