"""What a gateway holds of one kind: the document in force, the former, and one that waits. Pure."""

from dataclasses import dataclass, replace

import msgspec

from contract.desired import Desired, Outcome
from contract.names import Digest, Sequence, TimeMs
from contract.signing import signer_of


class Highest(msgspec.Struct, frozen=True):
    """The highest sequence that was ever taken; ``outcome`` None where its document is lost since."""

    sequence: Sequence
    digest: Digest
    issued_ms: TimeMs
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Document:
    """A document, and the JWS and its digest by which it came."""

    desired: Desired
    digest: str
    message: bytes

    @property
    def signer(self) -> str:
        """The kid of the key that has signed it."""
        return signer_of(self.message)

    def is_due(self, now_ms: int) -> bool:
        """Say whether its time has come."""
        return self.desired.effective_ms <= now_ms

    def is_over(self, now_ms: int) -> bool:
        """Say whether its time is over; where the clock is unset, ``now_ms`` is a time that has passed."""
        return self.desired.expires_ms is not None and self.desired.expires_ms <= now_ms


@dataclass(frozen=True, slots=True)
class Held:
    """One kind. ``tries`` counts how often the waiting one was begun and has come to no end."""

    highest: Highest | None = None
    current: Document | None = None
    former: Document | None = None
    waiting: Document | None = None
    tries: int = 0

    @property
    def documents(self) -> list[Document]:
        """All that are held."""
        return [each for each in (self.current, self.former, self.waiting) if each is not None]

    def taken(self, document: Document) -> "Held":
        """Let a new document wait, in place of any that did."""
        desired = document.desired
        highest = Highest(desired.sequence, document.digest, desired.issued_ms, Outcome.STORED)
        return replace(self, highest=highest, waiting=document, tries=0)

    def with_trial(self, document: Document) -> "Held":
        """Let a document that runs on trial be the one that was begun, whatever the disk has lost of that."""
        if self.tries and self.waiting is not None and self.waiting.digest == document.digest:
            return self
        is_newest = self.highest is None or self.highest.sequence < document.desired.sequence
        known = self.taken(document) if is_newest else self.told(document, Outcome.STORED)
        return replace(known, waiting=document, tries=1)

    def begun(self) -> "Held":
        """Count that the waiting one is put in force now."""
        return replace(self, tries=self.tries + 1)

    def done(self) -> "Held":
        """Let the waiting one be in force."""
        return replace(
            self._ended(Outcome.IN_FORCE), current=self.waiting, former=self.current or self.former
        )

    def gone(self, outcome: Outcome) -> "Held":
        """Let the waiting one go, for this end."""
        return self._ended(outcome)

    def over(self) -> "Held":
        """Let nothing be in force any more: the time of what was is over."""
        told = self.told(self.current, Outcome.EXPIRED)
        return replace(told, current=None, former=None)

    def back(self) -> "Held":
        """Put the former in the place of the current one, which cannot be executed."""
        told = self.told(self.current, Outcome.ROLLED_BACK)
        return replace(told, current=self.former, former=None)

    def overridden(self) -> "Held":
        """Let nothing be in force, nor wait: a hand at the gateway has said otherwise."""
        told = self.told(self.current, Outcome.OVERRIDDEN).told(self.waiting, Outcome.OVERRIDDEN)
        return replace(told, current=None, former=None, waiting=None, tries=0)

    def without(self, document: Document, outcome: Outcome) -> "Held":
        """Let a document go for this end, which was decided before and may not be on disk."""
        if self.waiting is not None and self.waiting.digest == document.digest:
            return self.gone(outcome)
        if self.current is None or self.current.digest != document.digest:
            return self
        if outcome is Outcome.OVERRIDDEN:
            return replace(self.told(document, outcome), current=None, former=None)
        return self.back()

    def told(self, document: Document | None, outcome: Outcome) -> "Held":
        """Note what became of the document, if it is the highest; nothing else changes."""
        if self.highest is None or document is None or document.digest != self.highest.digest:
            return self
        return replace(self, highest=msgspec.structs.replace(self.highest, outcome=outcome))

    def _ended(self, outcome: Outcome) -> "Held":
        return replace(self.told(self.waiting, outcome), waiting=None, tries=0)
