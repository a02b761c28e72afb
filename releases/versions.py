"""Versions of releases, and which of two is newer. Pure."""

import re

_VERSION = re.compile(r"(\d{1,6}(?:\.\d{1,6}){1,3})(?:(a|b|rc)(\d{1,6}))?")

Key = tuple[tuple[int, ...], int, int]


def is_version(text: str) -> bool:
    """Say whether this is a version as we write them: 1.2, 1.2.3, 1.2.3rc1."""
    return _VERSION.fullmatch(text) is not None


def key(version: str) -> Key:
    """Return what sorts versions; ValueError where it is none. A candidate comes before its release."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise ValueError(f"{version[:40]!r} is no version; one is written as 1.2.3")
    numbers = [int(number) for number in found[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    stage = {"a": 0, "b": 1, "rc": 2, None: 3}[found[2]]
    return tuple(numbers), stage, int(found[3] or 0)


def is_older(version: str, than: str) -> bool:
    """Say whether a version comes before another."""
    return key(version) < key(than)
