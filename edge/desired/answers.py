"""What the centre is told of documents: each outcome at once, refusals and repetitions in counts."""

import logging
from collections.abc import Callable
from dataclasses import replace

from contract.desired import Outcome, Refusal
from contract.events import DesiredReport
from contract.limits import TEXT_CHARACTERS_MAX
from edge.clock import Clock
from edge.desired.held import Document, Highest
from edge.desired.refusals import Counted, Refusals
from edge.rules.effects import Ids

_log = logging.getLogger(__name__)

UNKNOWN_KIND = "unknown"
DAMAGED_TOLD_MAX = 5


def _as_of_now(told: Counted, highest: Highest | None) -> Counted:
    """Return what is true still: what was counted is told late, and its document may have gone on since."""
    is_highest = highest is not None and told.digest == highest.digest
    if told.outcome is Outcome.REFUSED:  # of a document that was taken at last, nobody is to hear a refusal
        return replace(told, sequence=0, digest="") if is_highest else told
    outcome = highest.outcome if highest is not None and is_highest else None
    return replace(told, outcome=outcome or Outcome.REFUSED)


class Answers:
    """Makes the reports."""

    def __init__(
        self,
        interval_s: float,
        clock: Clock,
        ids: Ids,
        report: Callable[[DesiredReport], None],
        highest: Callable[[str], Highest | None],
    ) -> None:
        """``report`` takes them; ``highest`` is what was taken of a kind."""
        self._clock, self._ids = clock, ids
        self._report, self._highest = report, highest
        self._refusals = Refusals(interval_s)

    def count(
        self,
        kind: str,
        outcome: Outcome,
        refusal: Refusal,
        reason: str,
        *,
        digest: str = "",
        sequence: int = 0,
    ) -> None:
        """Count an answer that is told once an interval; ``sequence`` where a key vouches for it."""
        self._refusals.add(Counted(kind, outcome, refusal, reason, 1, sequence, digest))

    def idle_s(self, now_s: float) -> float:
        """Return how long nothing is to be told."""
        return self._refusals.idle_s(now_s)

    def tell(self, *, everything: bool = False) -> None:
        """Tell what is due of what was counted."""
        for counted in self._refusals.take(self._clock.now().s, everything=everything):
            told = _as_of_now(counted, self._highest(counted.kind))
            _log.warning("%s: %d messages %s: %s", told.kind, told.count, told.refusal, told.reason)
            self._tell(
                told.kind, told.outcome, told.sequence, told.digest, told.reason, told.refusal, told.count
            )

    def outcome(
        self,
        kind: str,
        document: Document,
        outcome: Outcome,
        reason: str = "",
        refusal: Refusal | None = None,
    ) -> None:
        """Tell at once what became of a document."""
        sequence = document.desired.sequence
        _log.info("%s %d: %s%s", kind, sequence, outcome, reason and f": {reason}")
        self._tell(kind, outcome, sequence, document.digest, reason, refusal)

    def damaged(self, kind: str, highest: Highest | None, damaged: list[str]) -> None:
        """Tell what was found damaged; the highest is named where it is lost, so that it comes again."""
        for sentence in damaged:
            _log.error("%s", sentence)
        sequence, digest = (highest.sequence, highest.digest) if highest and not highest.outcome else (0, "")
        reason = f"at the start: {'; '.join(damaged[:DAMAGED_TOLD_MAX])}"
        self._tell(kind, Outcome.REFUSED, sequence, digest, reason, Refusal.STORAGE_UNAVAILABLE)

    def _tell(
        self,
        kind: str,
        outcome: Outcome,
        sequence: int,
        digest: str,
        reason: str,
        refusal: Refusal | None,
        count: int = 1,
    ) -> None:
        now, highest = self._clock.now(), self._highest(kind)
        self._report(
            DesiredReport(
                self._ids(),
                now.wall_ms,
                kind,
                outcome,
                sequence,
                digest,
                refusal,
                reason[:TEXT_CHARACTERS_MAX],
                count,
                highest.sequence if highest else 0,
                highest.issued_ms if highest else 0,
                now.clock,
            )
        )
