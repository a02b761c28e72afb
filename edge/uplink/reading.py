"""What is to leave next, from memory where it was just committed, else from the buffer, in stretches."""

from contract.topics import Lane
from edge.buffer.batch import Stored
from edge.buffer.keeper import Keeper
from edge.buffer.store import Buffer
from edge.clock import Clock

STRETCH_BATCHES_MAX = 32
STRETCH_BYTES_MAX = 128 * 1024
"""One batch may be more."""


class Reader:
    """Finds batches as they leave; what it has found it may give again until it is forgotten."""

    def __init__(self, buffer: Buffer, keeper: Keeper, clock: Clock) -> None:
        """Nothing was read yet."""
        self._buffer, self._keeper, self._clock = buffer, keeper, clock
        self._fresh: dict[Lane, Stored] = {}
        """What was committed last, so that it need not be read from the disk that it was just written to."""
        self._ahead: dict[tuple[Lane, int], Stored] = {}
        """What was read together with what was to be sent: a call to the buffer's thread costs much."""

    def committed(self, batch: Stored) -> None:
        """Take note of what is on disk now; a batch whose header is open is read when it leaves."""
        if batch.settled:
            self._fresh[batch.lane] = batch

    async def find(self, lane: Lane, sequence: int, last: int) -> Stored | None:
        """Return batch ``sequence``, or None if it is not held; up to ``last`` they will be asked for."""
        fresh = self._fresh.get(lane)
        if fresh is not None and fresh.sequence == sequence:
            return fresh
        if (lane, sequence) not in self._ahead:
            read = await self._keeper.run(self._stretch, lane, sequence, last)
            self._ahead = {(lane, each.sequence): each for each in read}
        return self._ahead.get((lane, sequence))

    def left(self, batch: Stored) -> None:
        """Let go of what was sent: where it has to go again, it is read again."""
        self._fresh.pop(batch.lane, None)
        self._ahead.pop((batch.lane, batch.sequence), None)

    def forget(self) -> None:
        """Let go of everything: the buffer was opened or numbered anew."""
        self._ahead.clear()
        self._fresh.clear()

    def _stretch(self, lane: Lane, first: int, last: int) -> list[Stored]:
        """Read batches that follow each other, as far as they are held and not too large together."""
        read: list[Stored] = []
        octets, now = 0, self._clock.now()
        for sequence in range(first, min(last, first + STRETCH_BATCHES_MAX - 1) + 1):
            stored = self._buffer.to_send(lane, sequence, now)
            if stored is None or ((octets := octets + len(stored.message)) > STRETCH_BYTES_MAX and read):
                break
            read.append(stored)
        return read
