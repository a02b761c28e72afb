"""What will never arrive: counted by reason, with first and last time, until the centre is told."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from contract.events import UNSET, Gap
from edge.clock import Moment

SAMPLES_UNSTORED = "samples dropped: the disk did not take them in time"
EVENTS_UNSTORED = "events dropped: the disk did not take them in time"
SAMPLES_LET_GO = "samples dropped: the buffer was full"
EVENTS_LET_GO = "events dropped: the buffer was full"
UNCLEAN_END = "the gateway ended without being stopped: what was not on disk yet is lost"
UNREADABLE = "the buffer was corrupt and is set aside: what could not be read is lost"
GAPS_LET_GO = "gaps dropped: the buffer was full"

_EITHER = frozenset({SAMPLES_UNSTORED, EVENTS_UNSTORED, SAMPLES_LET_GO, EVENTS_LET_GO})
"""Told apart from the same ``by_unset``, so that no range joins times of two clocks."""
LET_GO = frozenset(
    {SAMPLES_LET_GO, EVENTS_LET_GO, GAPS_LET_GO, SAMPLES_LET_GO + UNSET, EVENTS_LET_GO + UNSET}
)
"""Told when the centre has been heard: until then they add up in one place, so that they fill nothing."""
_KNOWN = LET_GO | _EITHER | {each + UNSET for each in _EITHER} | {UNCLEAN_END, UNREADABLE}


@dataclass(frozen=True, slots=True)
class Loss:
    """What is lost for one reason; ``count`` is None where nobody can know it, sequences 0 where none."""

    reason: str
    from_ms: int
    to_ms: int
    count: int | None
    first_sequence: int = 0
    last_sequence: int = 0

    def __add__(self, other: "Loss") -> "Loss":
        """Return both as one; what nobody knows stays unknown."""
        firsts = [each for each in (self.first_sequence, other.first_sequence) if each]
        known = self.count is not None and other.count is not None
        return Loss(
            self.reason,
            min(self.from_ms, other.from_ms),
            max(self.to_ms, other.to_ms),
            (self.count or 0) + (other.count or 0) if known else None,
            min(firsts, default=0),
            max(self.last_sequence, other.last_sequence),
        )

    def told(self, event_id: str, now: Moment) -> Gap:
        """Return the event that tells it."""
        return Gap(
            event_id,
            now.wall_ms,
            "gateway",
            self.reason,
            self.from_ms,
            self.to_ms,
            self.first_sequence,
            self.last_sequence,
            self.count,
            now.clock,
        )


def of_gap(gap: Gap) -> Loss:
    """Return what a gap stood for that is itself dropped; sequences mean nothing any more."""
    reason = gap.reason if gap.reason in _KNOWN else GAPS_LET_GO
    return Loss(reason, gap.from_ms, gap.to_ms, gap.count)


class Ledger:
    """Losses by reason; as many entries as there are reasons, however much is lost."""

    def __init__(self, losses: Iterable[Loss] = ()) -> None:
        """Begin with these."""
        self._of: dict[str, Loss] = {}
        for loss in losses:
            self.add(loss)

    def __bool__(self) -> bool:
        """Say whether anything is lost."""
        return bool(self._of)

    def __iter__(self) -> Iterator[Loss]:
        """Yield them."""
        return iter(self._of.values())

    def add(self, loss: Loss) -> Loss:
        """Count it in; return all that is lost for its reason."""
        known = self._of.get(loss.reason)
        whole = known + loss if known else loss
        self._of[loss.reason] = whole
        return whole

    def take(self) -> list[Loss]:
        """Return them, and begin anew."""
        losses, self._of = list(self._of.values()), {}
        return losses

    def without_sequences(self) -> "Ledger":
        """Return the same for a buffer that was numbered anew."""
        return Ledger(replace(loss, first_sequence=0, last_sequence=0) for loss in self._of.values())
