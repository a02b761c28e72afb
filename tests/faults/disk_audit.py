"""What came out of a story of a failing disk, held against what went into it. Pure.

Whatever was measured is at the centre, or counted: by a tombstone, by a gap with a count, or it lies in the
time of a gap of unknown count, as the end of a process that was killed does. Counts are held against what is
missing exactly; where the end is unknown they must lie between what is missing outside of it and all of it.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from contract import batches
from contract.batches import Batch, Tombstone
from contract.events import UNSET, AlarmCleared, AlarmRaised, ControlChanged, Event, Gap
from contract.samples import Sample
from contract.topics import Lane
from edge.buffer.losses import (
    EVENTS_LET_GO,
    EVENTS_UNSTORED,
    GAPS_LET_GO,
    SAMPLES_LET_GO,
    SAMPLES_UNSTORED,
    UNCLEAN_END,
)
from edge.buffer.retention import ROW_BYTES, TOMBSTONE_BYTES

COUNTED = frozenset(each + end for each in (SAMPLES_LET_GO, SAMPLES_UNSTORED) for end in ("", UNSET))
EVENTS_GONE = frozenset(
    each + end for each in (EVENTS_LET_GO, EVENTS_UNSTORED, GAPS_LET_GO) for end in ("", UNSET)
)
SPARED_OCTETS = TOMBSTONE_BYTES
"""What takes no more than a tombstone does stays."""


@dataclass(slots=True)
class Verdict:
    """Figures; they add up."""

    stories: int = 0
    samples: int = 0
    unaccounted: int = 0
    doubled: int = 0
    dropped: int = 0
    """Samples that are missing, and counted."""
    unknown: int = 0
    """Samples that are missing in the time of a gap of unknown count."""
    alarms: int = 0
    alarms_dropped: int = 0
    controls: int = 0
    controls_missed: int = 0
    policy_broken: int = 0
    kills: int = 0
    hurt: list[str] = field(default_factory=list)
    """Which stories have something that must not be, and what."""

    def __iadd__(self, other: "Verdict") -> "Verdict":
        """Add another's."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self

    @property
    def faults(self) -> dict[str, int]:
        """What must be 0 and is not."""
        names = ("unaccounted", "doubled", "alarms_dropped", "controls_missed", "policy_broken")
        return {name: getattr(self, name) for name in names if getattr(self, name)}


@dataclass(slots=True)
class Arrived:
    """What the centre's journal holds of one gateway."""

    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    tombstones: list[Tombstone] = field(default_factory=list)
    event_tombstones: int = 0
    sequences: list[tuple[str, int, int]] = field(default_factory=list)
    """Epoch, sequence and count of each batch of telemetry, as it was or as a tombstone."""
    let_go: list[tuple[str, int, int]] = field(default_factory=list)
    """Epoch, first and last sequence of what was told to be let go."""
    told: list[str] = field(default_factory=list)
    """Each gap and each tombstone of telemetry as it came, in words."""

    @property
    def let_go_and_there(self) -> int:
        """How many samples were told to be let go, and are there, or are told by a tombstone that is."""
        return sum(
            count
            for epoch, sequence, count in self.sequences
            if any(epoch == gone and first <= sequence <= last for gone, first, last in self.let_go)
        )

    @property
    def samples_twice(self) -> int:
        """How many samples are there once more than they should be."""
        return len(self.samples) - len({(each.device, each.point, each.time_ms) for each in self.samples})

    @property
    def gaps(self) -> list[Gap]:
        """The gaps that were told."""
        return [event for event in self.events if isinstance(event, Gap)]

    @property
    def counted(self) -> int:
        """How many samples were told to be missing."""
        told = sum(gap.count or 0 for gap in self.gaps if gap.reason in COUNTED)
        return told + sum(tombstone.count for tombstone in self.tombstones)

    @property
    def counted_ms(self) -> list[tuple[int, int]]:
        """The times of what was told with a count."""
        told = [(gap.from_ms, gap.to_ms) for gap in self.gaps if gap.reason in COUNTED]
        return told + [(tombstone.first_ms, tombstone.last_ms) for tombstone in self.tombstones]

    @property
    def unknown_ms(self) -> list[tuple[int, int]]:
        """Since when, and until when, nobody knows how much is missing."""
        return [(gap.from_ms, gap.to_ms) for gap in self.gaps if gap.reason == UNCLEAN_END]

    @property
    def events_told_gone(self) -> int:
        """How many events were told to be missing."""
        told = sum(gap.count or 1 for gap in self.gaps if gap.reason in EVENTS_GONE)
        return told + self.event_tombstones

    @property
    def happened(self) -> Counter[str]:
        """How often each alarm's and each control's event is there."""
        kinds = (AlarmRaised, AlarmCleared, ControlChanged)
        return Counter(f"{type(each).__name__} {each.id}" for each in self.events if isinstance(each, kinds))


def arrived(messages: Iterable[bytes]) -> Arrived:
    """Return what these batches hold."""
    found = Arrived()
    for message in messages:
        batch = batches.decode(message)
        found.samples += batch.samples
        found.events += batch.events
        epoch = batch.header.epoch
        sequence = batch.header.sequence
        if batch.samples:
            found.sequences.append((epoch, sequence, len(batch.samples)))
        found.told += [_in_words(each) for each in batch.events if isinstance(each, Gap)]
        found.let_go += [
            (epoch, each.first_sequence, each.last_sequence)
            for each in batch.events
            if isinstance(each, Gap) and each.reason.startswith(SAMPLES_LET_GO) and each.first_sequence
        ]
        if batch.tombstone and batch.header.lane is Lane.TELEMETRY:
            found.tombstones.append(batch.tombstone)
            found.sequences.append((epoch, sequence, batch.tombstone.count))
            times = f"{batch.tombstone.first_ms} to {batch.tombstone.last_ms}"
            found.told.append(f"tombstone {sequence}: {batch.tombstone.count}, from {times}")
        elif batch.tombstone:
            found.event_tombstones += batch.tombstone.count
    return found


def _in_words(gap: Gap) -> str:
    sequences = f", batches {gap.first_sequence} to {gap.last_sequence}" if gap.first_sequence else ""
    return f"gap of {gap.time_ms}: {gap.count}{sequences}, from {gap.from_ms} to {gap.to_ms}: {gap.reason}"


def unkept(asked_ms: Sequence[int], kept: Iterable[Sample], points: int) -> list[int]:
    """Return the times of the samples that a device's readings should have given and that are not there.

    ``asked_ms`` is when it was read, in order; ``kept`` is what is there of it. Point by point, because what
    gives way may end within a reading. A sample is of the last reading before its stamp, or, where a command
    came between, of one before; a failed one may be of the next, to which a slow device came late.
    """
    there: list[set[str]] = [set() for _ in asked_ms]
    once = {(each.point, each.time_ms): each for each in kept}.values()
    for sample in sorted(once, key=lambda each: (each.value is None, each.time_ms)):
        last = bisect_right(asked_ms, sample.time_ms) - 1
        possible = range(last, -1, -1) if sample.value is not None else range(max(last, 0), last + 2)
        for index in possible:
            if index < len(there) and sample.point not in there[index]:
                there[index].add(sample.point)
                break
    return [at_ms for at_ms, names in zip(asked_ms, there, strict=True) for _ in range(points - len(names))]


class Judgement(NamedTuple):
    """How many samples are not accounted for, and how many nobody could count; ``why`` says what is wrong."""

    unaccounted: int
    unknown: int
    why: str


def judged(missing: list[int], found: Arrived, *, slack_ms: int = 0) -> Judgement:
    """Return what becomes of the samples that are missing.

    ``missing`` are the times of what was measured and did not arrive; ``slack_ms`` is how far the times of
    those who measured and those who kept may lie apart.
    """
    outside = _without(missing, found.unknown_ms, slack_ms)
    too_few, too_many = max(0, len(outside) - found.counted), max(0, found.counted - len(missing))
    untimed = _without(outside, found.counted_ms, slack_ms)
    why = f"{len(missing)} missing, {len(outside)} outside of unknown gaps, {found.counted} told"
    if untimed:
        why += f", {len(untimed)} in no told time, from {untimed[0]} to {untimed[-1]}"
    if too_many:
        epochs = len({epoch for epoch, _, _ in found.sequences})
        why += f"; let go, told and there all the same: {found.let_go_and_there}; {epochs} epochs"
    unaccounted = max(too_few, len(untimed)) + too_many
    return Judgement(unaccounted, len(missing) - len(outside), why)


def _without(times_ms: list[int], ranges_ms: list[tuple[int, int]], slack_ms: int) -> list[int]:
    """Return the times that lie in none of the ranges."""
    return [
        at_ms
        for at_ms in times_ms
        if not any(begin - slack_ms <= at_ms <= end + slack_ms for begin, end in ranges_ms)
    ]


def buried_alive(missing: set[int], found: Arrived) -> int:
    """Return how many samples tombstones count that did arrive, or never were, one a millisecond."""
    wrong = 0
    for tombstone in found.tombstones:
        there = sum(at_ms in missing for at_ms in range(tombstone.first_ms, tombstone.last_ms + 1))
        wrong += abs(tombstone.count - there)
    return wrong


def not_oldest_first(sent: Iterable[bytes]) -> int:
    """Return how many batches of telemetry gave way although older ones, in order of sending, did not."""
    older_alive = broken = 0
    for message in sent:
        batch = batches.decode(message)
        if batch.header.lane is not Lane.TELEMETRY:
            continue
        if batch.tombstone:
            broken += older_alive > 0
        else:
            older_alive += _octets(batch, message) > SPARED_OCTETS
    return broken


def _octets(batch: Batch, message: bytes) -> int:
    return len(message) - len(batches.message(batch.header, b"")) + ROW_BYTES
