"""A batch as it comes to be kept, and as it leaves."""

from dataclasses import dataclass

from contract.batches import Content
from contract.topics import Lane


@dataclass(frozen=True, slots=True)
class Append:
    """What is to be kept: a payload, and what its header and a possible tombstone need to know."""

    lane: Lane
    content: Content
    payload: bytes
    created_ms: int
    first_ms: int
    last_ms: int
    count: int
    live: bool = False
    """Whether it leaves as soon as it is committed: then it is no backfill, and nothing about it is open."""
    unset: bool = False
    """Whether any of it was stamped before the clock was ever set."""
    held_ms: int | None = None
    """The earliest time of telemetry that is measured and still to come, if that may lie before this."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch as it will be sent, if it is ``settled``; else its header may still be completed."""

    lane: Lane
    sequence: int
    message: bytes
    settled: bool = True
