"""Which platform a case goes to: the first that one of its matchers fits. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from collector.platforms.settings import CityPlatform, Matcher
from collector.platforms.templates import text_at

_PLACES = {
    "class_code": "class.code",
    "problem": "problem",
    "part": "part.code",
    "grid": "place.grid",
    "gateway": "source.gateway",
}


def fits(matcher: Matcher, payload: Mapping[str, Any]) -> bool:
    """Say whether a case is one of those that are meant."""
    return all(text_at(payload, path).startswith(getattr(matcher, name)) for name, path in _PLACES.items())


def choose(platforms: Sequence[CityPlatform], payload: Mapping[str, Any]) -> str:
    """Return the platform's name, or nothing where none takes such a case; without matchers one takes all."""
    for platform in platforms:
        if not platform.cases or any(fits(matcher, payload) for matcher in platform.cases):
            return platform.name
    return ""
