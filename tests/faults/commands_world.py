"""A gateway's desk for commands on virtual time, life after life, and an account of what each life must do.

The desk, its ledger and the signatures are the real ones; what is switched is a list. The account is kept by
whoever sends: it knows of every message what it is, and follows none of the desk's own reasoning.
"""

import asyncio
import errno
import itertools
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from contract.commands import Command
from contract.events import CommandOutcome, CommandResult
from contract.limits import COMMAND_BYTES_MAX
from contract.samples import ClockState
from contract.signing import COMMAND_TYPE, KeyRing, SigningKey
from edge.buffer.keeper import Inline
from edge.clock import Moment
from edge.remote.desk import Desk
from edge.remote.judging import Verdict, Verifier
from edge.remote.ledger import FILE_NAME, Ledger
from edge.remote.memory import APART_MS_MAX, Begun, Ended, Memory, Note
from edge.rules.effects import Answer

DISTRICT, OURS, NEIGHBOUR = "forged", "gw-1", "gw-2"
NOW_MS = 1_800_000_000_000
INTERVAL_S = 1.0


class Cut(StrEnum):
    """Where in the next command's way the power fails."""

    NONE = ""
    BEFORE_NOTE = "before_note"
    TORN = "torn"  # some bytes of the note are in the file
    AFTER_NOTE = "after_note"
    AFTER_ACT = "after_act"
    AFTER_END = "after_end"


class Loss(StrEnum):
    """What becomes of the file of the commands while nobody runs."""

    REMOVED = "removed"  # a new card
    EMPTIED = "emptied"
    GARBLED = "garbled"
    ONE_NOTE = "one_note"  # the line that says that the command was begun


class PowerError(RuntimeError):
    """The power has failed."""


class FailingLedger(Ledger):
    """A ledger whose disk may refuse, and whose power may fail."""

    def __init__(self, path: Path) -> None:
        """Sound, until it is told otherwise."""
        super().__init__(path)
        self._file = path
        self.cut, self.refuses = Cut.NONE, False

    def add(self, notes: Sequence[Note], memory: Memory, *, anew: bool = False) -> None:
        """See Ledger."""
        if self.refuses:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        begins, ends = (any(isinstance(note, kind) for note in notes) for kind in (Begun, Ended))
        if begins and self.cut in (Cut.BEFORE_NOTE, Cut.TORN):
            before = self._file.read_bytes() if self._file.exists() else b""
            if self.cut is Cut.TORN and before:
                super().add(notes, memory, anew=anew)
                whole = self._file.read_bytes()
                if whole.startswith(before):
                    self._file.write_bytes(whole[: (len(before) + len(whole)) // 2])
            raise PowerError
        if ends and self.cut is Cut.AFTER_ACT:
            raise PowerError
        super().add(notes, memory, anew=anew)
        if (begins and self.cut is Cut.AFTER_NOTE) or (ends and self.cut is Cut.AFTER_END):
            raise PowerError


class ActsFirst(Desk):
    """Executes before the command is on disk."""

    async def _accepted(self, command: Command, digest: str) -> None:
        begin, self._execute = self._execute, lambda _command: ""
        begin(command)
        try:
            await super()._accepted(command, digest)
        finally:
            self._execute = begin


class Retries(Desk):
    """Executes again what a former life had begun."""

    known: dict[str, Command] = {}  # noqa: RUF012 - of all lives

    async def _accepted(self, command: Command, digest: str) -> None:
        self.known[command.id] = command
        await super()._accepted(command, digest)

    async def _catch_up(self) -> None:
        if self._memory is None:
            memory, _ = await self._keeper.run(self._ledger.read)
            for begun in memory.running:
                self._execute(self.known[begun.id])
        await super()._catch_up()


class NeverLate(Desk):
    """Does not look at the clock again before it executes."""

    def _is_late(self, command: Command) -> bool:
        return False


class Timeless(Verifier):
    """Takes commands however late."""

    def check_time(self, command: Command, now: Moment) -> None:
        """Nothing."""


class Forgetful(Verifier):
    """Remembers no id, and no order."""

    def judge(self, message: bytes, name: str, memory: Memory, now: Moment) -> Verdict:
        """See Verifier."""
        return super().judge(message, name, Memory(since=memory.since), now)


class Homeless(Verifier):
    """Takes what was signed for others."""

    def check_place(self, command: Command, name: str) -> None:
        """Nothing."""


class TrustsClocks(Desk):
    """Takes the centre's clock for its own where its memory was lost."""

    def _began_ms(self, now: Moment) -> int:
        return super()._began_ms(now) - APART_MS_MAX


WEAKENED: dict[str, tuple[type[Desk], type[Verifier]]] = {
    "": (Desk, Verifier),
    "acts_first": (ActsFirst, Verifier),
    "no_expiry": (NeverLate, Timeless),
    "no_id_memory": (Desk, Forgetful),
    "no_place": (Desk, Homeless),
    "retries": (Retries, Verifier),
    "trusts_clocks": (TrustsClocks, Verifier),
}
"""Gateways that leave something out; the first leaves out nothing."""


@dataclass
class Account:
    """What was executed and told, in all lives, beside what had to be."""

    must: list[str] = field(default_factory=list)
    """Ids that had to be executed, each once."""
    may: set[str] = field(default_factory=set)
    """Ids of which the power failed between their note and their execution."""
    refused: Counter[str] = field(default_factory=Counter)
    """How many messages had to be refused, or answered again, by reason."""
    indeterminate: set[str] = field(default_factory=set)
    executed: list[str] = field(default_factory=list)
    told: list[CommandResult] = field(default_factory=list)
    lives: int = 0

    def figures(self) -> dict[str, int]:
        """Return what is wrong, all 0 where nothing is."""
        done = Counter(self.executed)
        told = Counter[str]()
        for each in self.told:
            if each.refusal:
                told[str(each.refusal)] += each.count
        owed = self.refused
        answered = {each.command_id for each in self.told if each.outcome is CommandOutcome.INDETERMINATE}
        return {
            "missing": len(set(self.must) - set(done)),
            "wrongly_executed": sum(n for it, n in done.items() if it not in {*self.must, *self.may}),
            "executed_twice": sum(n - 1 for n in done.values()),
            "unrecorded": sum(abs(told[it] - owed[it]) for it in {*told, *owed}),
            "indeterminate_astray": len(answered ^ self.indeterminate),
            "unanswered": len(set(done) - {each.command_id for each in self.told}),
        }


class Life:
    """One life of the desk: messages are offered one by one."""

    def __init__(self, world: "World", desk: Desk, ledger: FailingLedger) -> None:
        """Made by ``World.life``."""
        self.world, self.desk, self.ledger = world, desk, ledger

    async def deliver(self, name: str, message: bytes) -> None:
        """Let a message arrive, and let it be dealt with."""
        self.desk.offer(name, message)
        await asyncio.sleep(0.01)

    async def cut(self, cut: Cut, name: str, message: bytes) -> None:
        """Let the power fail on the way of this command; everything before it is told by then."""
        await asyncio.sleep(2 * INTERVAL_S)
        self.ledger.cut = cut
        await self.deliver(name, message)


class World:
    """One gateway."""

    def __init__(self, folder: Path, weakened: str = "") -> None:
        """No life yet."""
        self._folder = folder
        self._desk_of, self._verifier_of = WEAKENED[weakened]
        self.key, self.account = SigningKey.make(), Account()
        self.ahead_ms = 0
        """How much more time has passed than the loop knows of."""
        self.clock = ClockState.SYNCHRONISED
        self._ids = itertools.count(1)

    def now_ms(self) -> int:
        """Return the time."""
        return NOW_MS + self.ahead_ms + round(asyncio.get_running_loop().time() * 1000)

    def now(self) -> Moment:
        """See edge.clock.Clock."""
        return Moment(round(asyncio.get_running_loop().time() * 1e9), self.now_ms(), self.clock)

    def s(self) -> float:
        """See edge.clock.Clock."""
        return asyncio.get_running_loop().time()

    def lose(self, loss: Loss, name: str) -> None:
        """Let the memory be lost, at least of the command of this id; nobody runs."""
        file = self._folder / FILE_NAME
        match loss:
            case Loss.REMOVED:
                file.unlink()
            case Loss.EMPTIED:
                file.write_bytes(b"")
            case Loss.GARBLED:
                file.write_bytes(os.urandom(1_000) + b"\n")
            case Loss.ONE_NOTE:
                lines = file.read_bytes().split(b"\n")
                begun = [b'"begun"' in line and name.encode() in line for line in lines]
                file.write_bytes(
                    b"\n".join(line[:-2] if bad else line for line, bad in zip(lines, begun, strict=True))
                )

    async def life(self, story: Any) -> None:
        """Run a desk while the story lasts, or until the power fails."""
        ledger = FailingLedger(self._folder / FILE_NAME)
        keys = KeyRing([self.key.public.line], COMMAND_TYPE, bytes_max=COMMAND_BYTES_MAX)
        desk = self._desk_of(
            ledger,
            self._verifier_of(keys, DISTRICT, OURS),
            Inline(),
            self,
            lambda: f"{next(self._ids):032x}",
            report_interval_s=INTERVAL_S,
            report=self._report,
            execute=lambda command: self._execute(desk, command),
        )
        self.account.lives += 1
        running = asyncio.create_task(desk.run())
        await asyncio.sleep(0.01)
        await story(Life(self, desk, ledger))
        await asyncio.sleep(0.01)
        if not running.done():
            await asyncio.sleep(2 * INTERVAL_S)
            await desk.tell_all()
            running.cancel()
        [end] = await asyncio.gather(running, return_exceptions=True)
        if isinstance(end, Exception) and not isinstance(end, PowerError):
            raise end

    async def _report(self, result: CommandResult) -> bool:
        self.account.told.append(result)
        return True

    def _execute(self, desk: Desk, command: Command) -> str:
        self.account.executed.append(command.id)
        desk.answered(Answer(command.id, CommandOutcome.DONE, "", command.value))
        return ""
