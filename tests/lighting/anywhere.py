"""Where anything stands in lists and tables that lie in each other."""

from collections.abc import Iterator
from typing import Any

Way = tuple[str | int, ...]


def ways(value: Any, at: Way = ()) -> Iterator[Way]:
    """Yield the way to everything in it."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from ways(inner, (*at, key))


def around(value: Any, way: Way) -> Any:
    """Return the list or table in which the end of the way stands."""
    for part in way[:-1]:
        value = value[part]
    return value
