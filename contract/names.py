"""Names and texts as they travel: short, lower-case ASCII names; texts of bounded length."""

import re
from typing import Annotated

import msgspec

from contract.errors import ContractError
from contract.limits import NAME_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, TIME_MS_MAX

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]*\Z"
"""Lower-case letters, digits, - and _; safe in topics, file names, series keys and URLs."""

Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN, max_length=NAME_CHARACTERS_MAX)]
NameOrNone = Annotated[
    str, msgspec.Meta(pattern=r"^([a-z0-9][a-z0-9_-]*)?\Z", max_length=NAME_CHARACTERS_MAX)
]
NO_CONTROLS_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]*\Z"
"""No control characters: what people are called stands on terminals, and in lines of logs."""
Text = Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS_MAX)]
TimeMs = Annotated[int, msgspec.Meta(ge=0, le=TIME_MS_MAX)]
"""UTC, milliseconds since 1970-01-01T00:00:00Z."""
OffsetMs = Annotated[int, msgspec.Meta(ge=-TIME_MS_MAX, le=TIME_MS_MAX)]
"""Milliseconds to be added to a time."""

Sequence = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
Mark = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""A sequence number, or 0 where there is none yet."""

Epoch = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
"""Random id of one life of a gateway's buffer."""

Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
"""128 random bits, in hexadecimal."""

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
"""BLAKE2b-128 of a batch message, in hexadecimal."""

_NAME = re.compile(NAME_PATTERN)


def checked_name(text: str, what: str) -> str:
    """Return ``text`` if it is a name of the contract; ContractError says ``what`` it was to be."""
    if len(text) > NAME_CHARACTERS_MAX or not _NAME.match(text):
        raise ContractError(
            f"{what} {text[:80]!r}: 1 to {NAME_CHARACTERS_MAX} characters of a-z, 0-9, - and _, "
            "beginning with a letter or digit"
        )
    return text
