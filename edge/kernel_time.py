"""Whether the kernel takes its clock for synchronised: adjtimex(2), which needs no privilege to ask."""

import ctypes
import logging
import os

_log = logging.getLogger(__name__)

_STRUCT_BYTES = 512
"""More than ``struct timex`` takes anywhere; zeros in it change nothing."""
_TIME_ERROR = 5


def synchronised() -> bool:
    """Return what the kernel says; False where it cannot be asked.

    TIME_ERROR covers STA_UNSYNC: never set by an NTP client, set by hand since (clock_settime does that), or
    so long without one that the error may be 16 s.
    """
    state: int = _libc.adjtimex(ctypes.create_string_buffer(_STRUCT_BYTES))
    if state < 0:
        _log.debug("adjtimex: %s", os.strerror(ctypes.get_errno()))
    return 0 <= state < _TIME_ERROR


_libc = ctypes.CDLL(None, use_errno=True)
