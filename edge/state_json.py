"""Reading the JSON of files in the state folder, which a worn card or a hand may have changed."""

from typing import TypeVar

import msgspec

T = TypeVar("T")


class UndecodableError(Exception):
    """It is no such JSON; the text says why."""


def decoded(data: bytes, kind: type[T]) -> T:
    """Return what stands there as ``kind``; UndecodableError whatever is wrong with it."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UndecodableError(str(error)) from error
