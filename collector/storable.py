"""Text as both engines store it: without NUL, which PostgreSQL has none of.

What comes from outside is made so where it comes in. Else SQLite would keep what PostgreSQL replaces, and a
row that is read back would not have the key it was asked for by.
"""

from typing import TypeVar

import msgspec

NUL = "\x00"
NUL_SHOWN = "\ufffd"

S = TypeVar("S", bound=msgspec.Struct)


def text(told: str) -> str:
    """Return text with a sign in place of each NUL."""
    return told.replace(NUL, NUL_SHOWN) if NUL in told else told


def struct(told: S) -> S:
    """Return a message of the contract whose own texts are so; what is within lists is stored as JSON."""
    names = told.__struct_fields__
    held = {name: value for name in names if isinstance(value := getattr(told, name), str) and NUL in value}
    if not held:
        return told
    return msgspec.structs.replace(told, **{name: text(value) for name, value in held.items()})
