"""Tables of names as they travel: each in full, but empty where it only counts on from the one before."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated

import msgspec

from contract.errors import ContractError
from contract.limits import NAME_CHARACTERS_MAX, SAMPLES_PER_BATCH_MAX
from contract.names import NAME_PATTERN

_Told = Annotated[str, msgspec.Meta(pattern=rf"\A\Z|{NAME_PATTERN}", max_length=NAME_CHARACTERS_MAX)]
Told = Annotated[list[_Told], msgspec.Meta(max_length=SAMPLES_PER_BATCH_MAX)]
"""A table: names, and nothing where a name is the one before with its last number one higher."""


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names, the shorter first: so lamp-10 follows lamp-9."""
    return sorted(sorted(names), key=len)


@lru_cache(maxsize=256)
def told(names: tuple[str, ...]) -> list[str]:
    """Return the table of these names."""
    before = ("", *names)
    return ["" if name == _following(last) else name for last, name in zip(before, names, strict=False)]


def names(table: list[str]) -> list[str]:
    """Return the names of a table; ContractError where one counts on from nothing."""
    found: list[str] = []
    for each in table:
        name = each or _following(found[-1] if found else "")
        if not 0 < len(name) <= NAME_CHARACTERS_MAX:
            raise ContractError(f"a name after {found[-1:]} that does not follow from it")
        found.append(name)
    return found


def _following(name: str) -> str:
    """Return the name with its last number one higher, as wide as it was; nothing without a number."""
    stem = name.rstrip("0123456789")
    digits = name[len(stem) :]
    return stem + str(int(digits) + 1).zfill(len(digits)) if digits else ""
