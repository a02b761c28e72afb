"""Whether a message is a document that may be taken. Pure; time, keys and what is held are arguments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contract import batches, desired
from contract.desired import Desired, DesiredKind, Refusal
from contract.errors import ContractError
from contract.signing import KeyRing, SignatureError
from edge.clock import Moment
from edge.desired.held import Document, Highest

Validator = Callable[[Document], Sequence[str]]
"""Takes a document that a key of ours has signed; returns what is wrong with its body, in sentences."""

PROBLEMS_TOLD_MAX = 5


@dataclass(frozen=True, slots=True)
class Accepted:
    """A new document."""

    document: Document


@dataclass(frozen=True, slots=True)
class Again:
    """The document with the highest sequence, byte for byte: it is answered again, and nothing is done."""

    document: Document


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is not taken; ``sequence`` is 0 where no key of ours vouches for one."""

    refusal: Refusal
    reason: str
    digest: str = ""
    sequence: int = 0


Verdict = Accepted | Again | Refused


class _Refusal(Exception):  # noqa: N818 - no error of ours: a message that is turned away
    def __init__(self, refusal: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.refusal = refusal


@dataclass(frozen=True)
class Verifier:
    """What a gateway holds messages against; ``validators`` are by kind, and every kind has one."""

    keys: KeyRing
    district: str
    gateway: str
    validators: Mapping[DesiredKind, Validator]

    def judge(self, message: bytes, kind: DesiredKind, highest: Highest | None, now: Moment) -> Verdict:
        """Say what a message on the topic of ``kind`` is; ``highest`` is what was taken of this kind."""
        digest, sequence = batches.digest(message), 0
        try:
            document = Document(self.opened(message), digest, message)
            sequence = document.desired.sequence
            self.check_place(document.desired, kind)
            if highest and highest.outcome and self.is_known(document, highest):
                return Again(document)
            self.check_sequence(document, highest)
            self.check_expiry(document, now)
            self.check_body(document)
        except _Refusal as refused:
            return Refused(refused.refusal, str(refused), digest, sequence)
        return Accepted(document)

    def opened(self, message: bytes) -> Desired:
        """Return the document, if a key of ours has signed it."""
        try:
            payload = self.keys.opened(message)
        except SignatureError as error:
            raise _Refusal(error.refusal, str(error)) from error
        try:
            return desired.decode(payload)
        except ContractError as error:
            raise _Refusal(Refusal.MALFORMED, str(error)) from error

    def check_place(self, document: Desired, kind: DesiredKind) -> None:
        """Refuse what was signed for another gateway, or came on another kind's topic."""
        if (document.district, document.gateway) != (self.district, self.gateway):
            told = f"it is for gateway {document.gateway} of district {document.district}"
            raise _Refusal(Refusal.WRONG_GATEWAY, told)
        if document.kind is not kind:
            raise _Refusal(Refusal.WRONG_KIND, f"it is a {document.kind} on the topic of {kind}")

    def is_known(self, document: Document, highest: Highest) -> bool:
        """Say whether it is the very document that was taken last."""
        return (document.desired.sequence, document.digest) == (highest.sequence, highest.digest)

    def check_sequence(self, document: Document, highest: Highest | None) -> None:
        """Refuse a sequence that was used, or is lower than one that was."""
        if highest is None or self.is_known(document, highest):
            return
        sequence = document.desired.sequence
        if sequence == highest.sequence:
            raise _Refusal(Refusal.REPLAYED, f"sequence {sequence} was another document's before")
        if sequence < highest.sequence:
            told = f"sequence {sequence} comes after {highest.sequence}, which was taken before"
            raise _Refusal(Refusal.ROLLED_BACK, told)

    def check_expiry(self, document: Document, now: Moment) -> None:
        """Refuse what is over; while the clock is unset, only what is over by the latest time known."""
        if document.is_over(now.wall_ms):
            told = f"it expired at {document.desired.expires_ms} ms, and it is {now.wall_ms} ms ({now.clock})"
            raise _Refusal(Refusal.EXPIRED, told)

    def check_body(self, document: Document) -> None:
        """Refuse a body that could not be executed; a validator that fails must not stop the gateway."""
        told_of = document.desired
        if told_of.kind is DesiredKind.CONFIGURATION and told_of.expires_ms is not None:
            raise _Refusal(Refusal.INVALID, "a configuration holds until the next one; it may not expire")
        try:
            problems = list(self.validators[told_of.kind](document))
        except Exception as error:
            problems = [f"it cannot be checked: {type(error).__name__}: {error}"]
        if problems:
            raise _Refusal(Refusal.INVALID, told(problems))


def of_body(problems: Callable[[str], Sequence[str]]) -> Validator:
    """Return a validator that looks at the body alone."""
    return lambda document: problems(document.desired.body)


def told(problems: Sequence[str]) -> str:
    """Return the first few problems in one text."""
    more = len(problems) - PROBLEMS_TOLD_MAX
    return "; ".join(problems[:PROBLEMS_TOLD_MAX]) + (f"; and {more} more" if more > 0 else "")
