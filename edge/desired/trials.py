"""What the keeping of documents asks of a kind that is tried before it is in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contract.desired import Outcome
from edge.desired.held import Document, Held


@dataclass(frozen=True, slots=True)
class Waits:
    """Nothing is to be done yet."""


@dataclass(frozen=True, slots=True)
class Begin:
    """The trial may begin: it is to be noted first."""


@dataclass(frozen=True, slots=True)
class Proved:
    """The document is executed, and has shown that it can stay."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The document is to give way to the former."""

    reason: str


Standing = Waits | Begin | Proved | Failed


class Trials(Protocol):
    """Whoever tries documents of one kind."""

    @property
    def executing(self) -> Document | None:
        """What is in force, and not on trial."""

    @property
    def on_trial(self) -> Document | None:
        """What runs here and is neither proved nor given up; whatever else comes or waits."""

    @property
    def ended(self) -> Sequence[tuple[Document, Outcome, str, bool]]:
        """What became of documents before this life began, why, and whether that lasts longer than it."""

    @property
    def damaged(self) -> Sequence[str]:
        """What was found damaged on disk then, in sentences."""

    def found(self, held: Held) -> None:
        """Take note of what the disk holds, now that it can be read, and of what is known beside it."""

    def judged(self, now_s: float) -> Waits | Proved | Failed:
        """Say how the one on trial stands, by the monotonic clock alone; there is one."""

    def standing(self, document: Document, now_s: float) -> Standing:
        """Say what is to be done about a document whose time has come, and that does not run here."""

    def prepare(self, document: Document) -> None:
        """Note on disk what the trial needs; OSError where the disk refuses. It blocks."""

    def begin(self, document: Document) -> None:
        """Begin; that it is begun is on disk."""

    def proved(self, document: Document) -> None:
        """It stays; that is on disk."""

    def failed(self, document: Document, unkept: str = "") -> None:
        """It gives way, if it runs here; ``unkept`` is why, where the disk has not taken that."""
