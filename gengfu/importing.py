"""Imports of what runs long: nothing of it becomes garbage, so none is looked for."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Import a room without collecting garbage; what it has made is left out of later collections.

    Of the centre's start that is a quarter, of the gateway's an eighth.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
