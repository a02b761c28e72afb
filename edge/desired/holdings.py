"""What is held of every kind, in memory and on disk; where the disk refuses, what is owed to it."""

import math

from contract.desired import DesiredKind
from edge.buffer.keeper import Keeper
from edge.clock import Clock
from edge.desired.held import Document, Held, Highest
from edge.desired.shelf import Found, Shelf
from edge.telling import Told

RETRY_S = 10.0


class Holdings:
    """One ``Held`` a kind."""

    def __init__(self, shelf: Shelf, keeper: Keeper, clock: Clock) -> None:
        """Nothing is read yet."""
        self._shelf, self._keeper, self._clock = shelf, keeper, clock
        self.of = {kind: Held() for kind in DesiredKind}
        self.executing: dict[DesiredKind, Document] = {}
        """What was put in force, and is executed."""
        self.unread = set(DesiredKind)
        """What could not be read yet: nothing is taken of these, for nobody knows what was taken before."""
        self.owed: set[DesiredKind] = set()
        """What stands in memory and the disk has not taken yet."""
        self.retry_s = -math.inf
        """When the disk is to be tried again, monotonic; never is infinity."""
        self._disk = Told("the disk of the desired documents")

    def highest(self, kind: str) -> Highest | None:
        """Return what was taken last of a kind."""
        return self.of[DesiredKind(kind)].highest if kind in list(DesiredKind) else None

    async def read(self, kind: DesiredKind) -> Found | None:
        """Return what the disk holds of a kind that could not be read yet; None where it cannot be still."""
        try:
            found = await self._keeper.run(self._shelf.read, kind)
        except OSError as error:
            self.refused(error)
            return None
        self.unread.discard(kind)
        return found

    async def write(self, kind: DesiredKind, held: Held) -> None:
        """Let this stand once it is on disk; OSError, and what stood stands, where that refuses."""
        await self._keeper.run(self._shelf.write, kind, held)
        self._disk.works()
        self.of[kind] = held
        self.owed.discard(kind)

    async def keep(self, kind: DesiredKind, held: Held) -> None:
        """Let this stand, on disk too as soon as that takes it."""
        self.of[kind] = held
        self.owed.add(kind)
        await self.pay(kind)

    async def pay(self, kind: DesiredKind) -> None:
        """Write what is owed, if the disk takes it."""
        try:
            await self.write(kind, self.of[kind])
        except OSError as error:
            self.refused(error)

    def refused(self, error: OSError) -> None:
        """Tell that the disk has refused; it is tried again in a while."""
        self._disk.failed(error.strerror or str(error))
        self.retry_s = self._clock.now().s + RETRY_S
