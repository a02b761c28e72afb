"""What is to be told of a batch that is dropped: its range, on which clock, and its own gaps. Pure."""

from dataclasses import dataclass
from functools import cached_property

from contract import batches, rebasing
from contract.batches import Content, Header
from contract.errors import ContractError
from contract.events import Event, Gap
from contract.samples import ClockState
from contract.topics import Lane
from edge.buffer.losses import Loss, of_gap


@dataclass(frozen=True, slots=True)
class Range:
    """First and last time, and what they are worth; ``moves`` says that they may yet be put right."""

    first_ms: int
    last_ms: int
    clock: ClockState = ClockState.SYNCHRONISED
    moves: bool = False


@dataclass(frozen=True)
class Dropped:
    """A row of the table that is dropped."""

    sequence: int
    content: str
    first_ms: int
    last_ms: int
    count: int
    unset: bool
    payload: bytes
    offset_ms: int | None
    """What is missing in those of its times that are unset, where that is known."""

    @cached_property
    def events(self) -> list[Event]:
        """The events that it holds; none where it holds others, or is harmed."""
        if self.content != Content.EVENTS:
            return []
        header = Header("x", "x", "0" * 32, Lane.EVENTS, 1, Content.EVENTS, "0" * 32, 0)
        try:
            return batches.decode(batches.message(header, self.payload)).events
        except ContractError:
            return []  # whatever harmed it: room is made all the same

    @property
    def gaps(self) -> list[Loss]:
        """The losses that it was to tell: they are not lost with it."""
        return [of_gap(event) for event in self.events if isinstance(event, Gap)]

    @property
    def range(self) -> Range:
        """Its range, on the right times as far as they are known; one that is of two clocks never moves."""
        if not self.unset:
            return Range(self.first_ms, self.last_ms)
        mixed = any(event.clock is not ClockState.UNSET for event in self.events)
        try:
            times = self._moved(self.offset_ms, mixed=mixed) if self.offset_ms is not None else []
        except ContractError:
            times = []
        if times:
            return Range(min(times), max(times), ClockState.HOLDOVER)
        return Range(self.first_ms, self.last_ms, ClockState.UNSET, moves=not mixed)

    def _moved(self, offset_ms: int, *, mixed: bool) -> list[int]:
        if mixed:
            return [event.time_ms for event in rebasing.events(self.events, offset_ms)]
        return [rebasing.time_ms(each, offset_ms) for each in (self.first_ms, self.last_ms)]
