"""Answers about documents, to be counted. Pure.

The document with the highest sequence that a key vouches for stays named: it is the one that its centre waits
to hear of.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace

from contract.desired import Outcome, Refusal
from edge.tally import Tally


@dataclass(frozen=True, slots=True)
class Counted:
    """So many answers of one sort, and the message that is named; sequence 0 where nobody vouches for any."""

    kind: str
    outcome: Outcome
    refusal: Refusal
    reason: str
    count: int = 1
    sequence: int = 0
    digest: str = ""

    @property
    def sort(self) -> Hashable:
        """See Countable."""
        return self.kind, self.outcome, self.refusal

    def after(self, before: "Counted") -> "Counted":
        """See Countable."""
        named = self if self.sequence >= before.sequence else before
        return replace(named, count=before.count + self.count)


Refusals = Tally[Counted]
"""Counts by kind, outcome and reason."""
