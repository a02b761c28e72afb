"""What a gateway remembers of commands, so that none is executed twice. Pure.

A command stays remembered as long as one with a lower sequence could still be valid; where there are too
many, the earliest go sooner. Whatever is numbered no higher than one that was forgotten is then refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec

from contract.commands import Command, CommandRefusal, Target
from contract.events import CommandOutcome
from contract.limits import COMMAND_LIFE_MS_MAX, TIME_MS_MAX
from contract.names import Digest, Id, Mark, Sequence, TimeMs
from contract.samples import Value

REMEMBERED_MAX = 4_096
UNKNOWN_MS = TIME_MS_MAX
"""In place of a time that is still to be found out: nothing is known of any command."""
APART_MS_MAX = 5 * 60_000
"""So much later than it is here a command may have been issued: clocks of good houses differ by less."""


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """A command is about to be executed."""

    id: Id
    digest: Digest
    sequence: Sequence
    issued_ms: TimeMs
    target: Target


class Ended(msgspec.Struct, frozen=True, tag="ended", omit_defaults=True):
    """How a command ended."""

    id: Id
    outcome: CommandOutcome
    reason: str = ""
    value: Value = None
    refusal: CommandRefusal | None = None


class Told(msgspec.Struct, frozen=True, tag="told"):
    """The answer to a command is in the buffer."""

    id: Id


class Since(msgspec.Struct, frozen=True, tag="since"):
    """Nothing is known of commands up to this sequence, nor of those issued before this time."""

    sequence: Mark
    issued_ms: TimeMs


Note = Begun | Ended | Told | Since


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that was taken; ``ended`` None while it is executed."""

    begun: Begun
    ended: Ended | None = None
    told: bool = False


@dataclass
class Memory:
    """What is remembered, by id, in the order of the taking."""

    entries: dict[str, Entry] = field(default_factory=dict)
    since: Since = Since(0, UNKNOWN_MS)  # noqa: RUF009 - it is frozen
    highest_of: dict[str, int] = field(default_factory=dict)
    """The highest sequence that was taken for a target."""

    @classmethod
    def of(cls, notes: Iterable[Note]) -> "Memory":
        """Take up what was noted."""
        memory = cls()
        for note in notes:
            memory.take(note)
        return memory

    def take(self, note: Note) -> None:
        """Follow a note; of a command that is forgotten, nothing is known any more."""
        match note:
            case Begun():
                self.entries[note.id] = Entry(note)
                self.highest_of[note.target] = max(self.highest_of.get(note.target, 0), note.sequence)
            case Ended(id=id_) if id_ in self.entries:
                self.entries[id_] = replace(self.entries[id_], ended=note)
            case Told(id=id_) if id_ in self.entries:
                self.entries[id_] = replace(self.entries[id_], told=True)
            case Since():
                self.since = note

    def date(self, begun_ms: int, now_ms: int) -> bool:
        """Say since when commands are remembered, if nobody knows, or it cannot be; return whether it is new.

        ``begun_ms`` is when this process began: a former one executed what was issued up to then by the
        centre's clock, which may be ahead. A beginning more than a command's life ahead of ``now_ms``, which
        must be sure, was told by a wrong clock: it is now.
        """
        if self.since.issued_ms == UNKNOWN_MS:
            since_ms = begun_ms + APART_MS_MAX
        elif now_ms + APART_MS_MAX + COMMAND_LIFE_MS_MAX < self.since.issued_ms:
            since_ms = now_ms + APART_MS_MAX
        else:
            return False
        self.since = Since(self.since.sequence, min(max(0, since_ms), UNKNOWN_MS - 1))
        return True

    def notes(self) -> list[Note]:
        """Return the fewest notes that make this memory."""
        found: list[Note] = [self.since]
        for entry in self.entries.values():
            found.append(entry.begun)
            if entry.ended:
                found.append(entry.ended)
            if entry.told:
                found.append(Told(entry.begun.id))
        return found

    @property
    def running(self) -> list[Begun]:
        """The commands that have come to no end."""
        return [entry.begun for entry in self.entries.values() if entry.ended is None]

    @property
    def untold(self) -> list[Ended]:
        """The answers that nobody has heard for certain."""
        return [entry.ended for entry in self.entries.values() if entry.ended and not entry.told]

    def forget(self, now_ms: int) -> int:
        """Let go of what is old, or too much, and has ended; return how many went."""
        surplus = len(self.entries) - REMEMBERED_MAX
        gone = [
            entry.begun
            for index, entry in enumerate(self.entries.values())
            if entry.ended and (index < surplus or entry.begun.issued_ms + COMMAND_LIFE_MS_MAX <= now_ms)
        ]
        for begun in gone:
            del self.entries[begun.id]
            self.since = Since(max(self.since.sequence, begun.sequence), self.since.issued_ms)
        if gone:
            left = {entry.begun.target for entry in self.entries.values()}
            self.highest_of = {it: upto for it, upto in self.highest_of.items() if it in left}
        return len(gone)

    def is_overtaken(self, command: Command) -> bool:
        """Say whether a later command for the same target was taken before."""
        return command.sequence <= self.highest_of.get(command.target, 0)

    def is_forgotten(self, command: Command) -> bool:
        """Say whether nobody would know any more if this had been taken before."""
        return command.sequence <= self.since.sequence or command.issued_ms < self.since.issued_ms
