"""Messages that wait to be judged; bounded, and what does not fit is for its caller to count. Pure."""

from collections import deque
from dataclasses import dataclass

MESSAGES_MAX = 1_000
BYTES_MAX = 4 * 1024 * 1024
_MESSAGE_BYTES = 200
"""What a message takes beside its payload."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message by the last level of its topic; ``retained`` ones may have been here before."""

    name: str
    message: bytes
    retained: bool


class Inbox:
    """First in, first out."""

    def __init__(self, messages_max: int = MESSAGES_MAX, bytes_max: int = BYTES_MAX) -> None:
        """Empty."""
        self._waiting: deque[Arrived] = deque()
        self._messages_max, self._bytes_max = messages_max, bytes_max
        self._bytes = 0

    def put(self, arrived: Arrived) -> bool:
        """Take a message; False where there is no room for it."""
        size = len(arrived.message) + _MESSAGE_BYTES
        if len(self._waiting) >= self._messages_max or self._bytes + size > self._bytes_max:
            return False
        self._waiting.append(arrived)
        self._bytes += size
        return True

    def take(self) -> Arrived | None:
        """Return the oldest, if any."""
        if not self._waiting:
            return None
        arrived = self._waiting.popleft()
        self._bytes -= len(arrived.message) + _MESSAGE_BYTES
        return arrived
