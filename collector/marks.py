"""What becomes of a batch, and of a hello: pure decisions about one lane of one epoch.

A mark says up to which sequence everything is in the journal. It only ever moves forward, by one batch at a
time, or over a gap that a hello declares.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

from contract.messages import CONTESTED
from contract.stretches import Stretch, continued, grown, last_common

Key = TypeVar("Key")


class Decision(StrEnum):
    """What to do with a batch that has arrived."""

    TAKE = "taken"  # it continues the mark: journal it, advance, acknowledge
    HAVE = "duplicate"  # it is in the journal: repeat the acknowledgement
    HOLE = "hole"  # something before it is missing: repeat the acknowledgement at once
    CONTESTED = "contested"  # two buffers number alike: nothing more of this epoch is taken
    UNKNOWN = "unknown"  # no mark, and not the first: answer 0, and the gateway says hello


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything up to ``upto`` is here; ``digest`` is that batch's, empty where it was passed over.

    ``stretches`` say which boots numbered it.
    """

    upto: int
    digest: str = ""
    stretches: tuple[Stretch, ...] = ()

    @property
    def is_contested(self) -> bool:
        """Whether two batches came under one number, so that nobody can say whose the next one is."""
        return self.digest == CONTESTED


@dataclass(frozen=True, slots=True)
class Jump:
    """Sequences ``first`` to ``last`` will never arrive.

    ``parted``: what is here under some of these numbers is another buffer's.
    """

    first: int
    last: int
    parted: bool = False


def decide(mark: Mark | None, sequence: int) -> Decision:
    """Say what to do with batch ``sequence``."""
    if mark is None:
        return Decision.TAKE if sequence == 1 else Decision.UNKNOWN
    if mark.is_contested:
        return Decision.CONTESTED
    if sequence == mark.upto + 1:
        return Decision.TAKE
    return Decision.HAVE if sequence <= mark.upto else Decision.HOLE


def advanced(mark: Mark | None, sequence: int, digest: str, boot_id: str) -> Mark:
    """Return the mark after the batch that continues it."""
    return Mark(sequence, digest, grown(mark.stretches if mark else (), boot_id, sequence))


def contested(mark: Mark) -> Mark:
    """Return the mark after it was seen that two buffers number alike."""
    return replace(mark, digest=CONTESTED)


def reconcile(mark: Mark | None, first: int, stretches: Sequence[Stretch] = ()) -> tuple[Mark, Jump | None]:
    """Return the mark after a hello that holds batches from ``first`` on, and what is lost for good.

    A lane without a mark begins where the gateway begins; what it had delivered before is not known here. A
    hello may be old, so a mark never moves back. ``stretches`` say who numbered what was delivered: where
    another did so of what is here, it was delivered to another centre, or to what this one was before it was
    restored.
    """
    known, delivered = mark or Mark(0), first - 1
    common = last_common(known.stretches, stretches, min(known.upto, delivered))
    if common is not None:
        return contested(known), Jump(common + 1, delivered, parted=True)
    if delivered <= known.upto:
        return known, None
    digest = CONTESTED if known.is_contested else ""
    moved = Mark(delivered, digest, continued(known.stretches, known.upto, stretches))
    return moved, Jump(known.upto + 1, delivered)


class RepeatLimiter(Generic[Key]):
    """Lets a repetition pass at most once an interval for each key; remembers so many keys."""

    def __init__(self, interval_s: float, keys_max: int) -> None:
        """``interval_s`` 0 lets everything pass."""
        self._interval_s, self._keys_max = interval_s, keys_max
        self._passed_s: OrderedDict[Key, float] = OrderedDict()

    def passes(self, key: Key, now_s: float) -> bool:
        """Say whether a repetition for ``key`` may go out now, and count it as gone."""
        if now_s - self._passed_s.get(key, float("-inf")) < self._interval_s:
            return False
        self._passed_s[key] = now_s
        self._passed_s.move_to_end(key)
        if len(self._passed_s) > self._keys_max:
            self._passed_s.popitem(last=False)
        return True
