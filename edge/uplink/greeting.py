"""What a gateway says of itself: that it is there or gone, and what it is and holds."""

from collections.abc import Callable

from contract import messages
from contract.limits import VERSION
from contract.messages import DeviceEntry, Hello, State
from edge.buffer.keeper import Keeper
from edge.buffer.store import Buffer
from edge.clock import Moment


class Greeting:
    """Makes the messages, encoded."""

    def __init__(
        self,
        buffer: Buffer,
        keeper: Keeper,
        software: str,
        devices: list[DeviceEntry],
        desired: Callable[[], dict[str, int]] = dict,
    ) -> None:
        """``devices`` is the inventory, ``desired`` tells which documents are in force."""
        self._buffer, self._keeper = buffer, keeper
        self._software, self._devices, self._desired = software, devices, desired

    def state(self, *, online: bool) -> bytes:
        """Return the state that the broker retains."""
        return messages.encode(State(VERSION, online=online, boot_id=self._buffer.boot_id))

    async def hello(self, now: Moment) -> bytes:
        """Return the hello, with the epochs that are and were; sqlite3.OperationalError as the buffer."""
        buffer, keeper = self._buffer, self._keeper
        hello = Hello(
            VERSION,
            buffer.district,
            buffer.gateway,
            buffer.boot_id,
            self._software,
            now.wall_ms,
            now.clock,
            await keeper.run(buffer.numbered) + await keeper.run(buffer.former),
            self._devices,
            self._desired(),
        )
        return messages.encode(hello)
