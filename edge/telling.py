"""Telling the log what stops working, once."""

import logging

_log = logging.getLogger(__name__)


class Told:
    """Logs when something stops working and when it works again, not each time in between."""

    def __init__(self, name: str) -> None:
        """``name`` is how the log calls it."""
        self._name = name
        self._failing = False

    def failed(self, reason: str) -> None:
        """It does not work, for this reason."""
        if not self._failing:
            _log.warning("%s does not work: %s", self._name, reason)
        self._failing = True

    def works(self) -> None:
        """It works."""
        if self._failing:
            _log.warning("%s works again", self._name)
        self._failing = False


def first_of(group: BaseExceptionGroup[BaseException]) -> str:
    """Return what the first plain exception of nested groups says."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
