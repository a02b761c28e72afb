"""The commands of the centre at a running gateway: taken, noted, executed at most once, answered for.

What was noted and has no end at the next start is answered "indeterminate", and never tried again.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable

from contract import batches
from contract.commands import Command, CommandKind, CommandRefusal
from contract.events import CommandOutcome, CommandResult
from contract.limits import COMMAND_BYTES_MAX, TEXT_CHARACTERS_MAX
from contract.samples import ClockState
from edge.buffer.keeper import Keeper
from edge.clock import Clock, Moment
from edge.inbox import Arrived, Inbox
from edge.remote.answers import Answers
from edge.remote.judging import Accepted, Again, Refused, Verifier
from edge.remote.ledger import Ledger
from edge.remote.memory import Begun, Ended, Memory, Note, Since, Told
from edge.rules.effects import Answer, Ids
from edge.telling import Told as ToldOnce
from edge.waiting import Wake

_log = logging.getLogger(__name__)

Execute = Callable[[Command], str]
"""Begins it; returns "" or why it is refused, in words. How a switch or a release ends is told later.

An error of ours in it ends the process, and the next start answers for the command.
"""

RUNNING_MAX = 200
MESSAGES_MAX = 200
BYTES_MAX = 256 * 1024
AT_ONCE_MAX = 50
"""So many messages are judged before it is looked again at what else is to be done."""
LOOK_S = 60.0
RETRY_S = 10.0
ENDED_AT_ONCE = frozenset((CommandKind.RESET_ALARM,))
"""Kinds that are done once they are begun."""
ANSWER_S_MAX = 600.0
"""A command of which rules have told no end by then is told as indeterminate, where no proof takes longer."""
NOTHING_FORGOTTEN = Since(0, 0)
UNANSWERED = "nobody has told how it ended; look at the output"
INTERRUPTED = "the gateway was interrupted between noting the command and knowing its end; look at the output"


class Desk:
    """``run`` works; ``offer`` takes what the link has received, ``answered`` what rules say of a command."""

    def __init__(
        self,
        ledger: Ledger,
        verifier: Verifier,
        keeper: Keeper,
        clock: Clock,
        ids: Ids,
        *,
        report_interval_s: float,
        report: Callable[[CommandResult], Awaitable[bool]],
        execute: Execute,
        answer_s_max: float = ANSWER_S_MAX,
    ) -> None:
        """``report`` takes what the centre is to know, and says whether it is on disk.

        ``answer_s_max`` is how long rules may take to tell how a command ended.
        """
        self._answer_s_max = answer_s_max
        self._ledger, self._verifier, self._keeper, self._clock = ledger, verifier, keeper, clock
        self._execute = execute
        self._answers = Answers(report_interval_s, clock, ids, report)
        self._inbox, self._wake = Inbox(MESSAGES_MAX, BYTES_MAX), Wake()
        self._memory: Memory | None = None
        """None while nobody knows what was taken before: nothing is executed until it is read."""
        self._answered: deque[Answer] = deque()
        self._begun_s = clock.now().s
        self._owes = False
        """Whether something stands in memory that the disk has not taken yet."""
        self._begun_at_s: dict[str, float] = {}
        """Of the commands that wait for their end, by id."""
        self._lock = asyncio.Lock()
        self._retry_s = -math.inf
        self._disk = ToldOnce("the disk of the commands")

    def offer(self, name: str, message: bytes) -> None:
        """Take a message of the link, by the last level of its topic; what does not fit is counted."""
        if not message:
            return  # somebody removed what the broker retained
        if len(message) > COMMAND_BYTES_MAX:
            reason = f"it takes {len(message)} bytes, {COMMAND_BYTES_MAX} at most"
            self._answers.refuse(CommandRefusal.TOO_LARGE, reason)
        elif not self._inbox.put(Arrived(name, message, retained=False)):
            reason, digest = "more came at once than waits here", batches.digest(message)
            self._answers.refuse(CommandRefusal.OVERLOADED, reason, digest=digest)
        self._wake.set()

    def answered(self, answer: Answer) -> None:
        """Take what became of a command that was begun."""
        self._answered.append(answer)
        self._wake.set()

    async def run(self) -> None:
        """Answer for what a former run has left, then take what comes, until cancelled."""
        while True:
            async with self._lock:
                idle = await self._turn()
            if idle:
                await self._wake.wait(self._idle_s())

    async def tell_all(self) -> None:
        """Tell how commands have ended, and what is counted; before the process ends."""
        async with self._lock:
            await self._settle()
            await self._answers.tell(everything=True)

    async def _turn(self) -> bool:
        """Do what is to be done; say whether nothing waits any more."""
        if self._clock.now().s >= self._retry_s:
            await self._catch_up()
        await self._known(self._clock.now())
        await self._settle()
        for _ in range(AT_ONCE_MAX):
            if (arrived := self._inbox.take()) is None:
                await self._answers.tell()
                return True
            await self._one(arrived)
            await self._settle()
        return False

    async def _catch_up(self) -> None:
        """Read what could not be read yet, write what could not be written."""
        self._retry_s = math.inf
        if self._memory is not None:
            if self._owes:
                await self._noted(self._memory)
            return
        try:
            memory, damage = await self._keeper.run(self._ledger.read)
        except OSError as error:
            self._disk.failed(error.strerror or str(error))
            self._retry_s = self._clock.now().s + RETRY_S
            return
        if damage:
            _log.error("%s; commands that were issued before this start are refused", damage)
        self._memory = memory
        for ended in memory.untold:
            await self._tell(memory, ended)
        for begun in memory.running:
            await self._end(Ended(begun.id, CommandOutcome.INDETERMINATE, INTERRUPTED))

    async def _known(self, now: Moment) -> Memory:
        """Return what is remembered; from when on is noted as soon as the time is known.

        While the disk does not tell, nothing counts as forgotten: whatever is in time is refused for that.
        """
        if (memory := self._memory) is None:
            return Memory(since=NOTHING_FORGOTTEN)
        if now.clock is not ClockState.UNSET and memory.date(self._began_ms(now), now.wall_ms):
            await self._noted(memory, memory.since)
        return memory

    def _began_ms(self, now: Moment) -> int:
        return now.wall_ms - round((now.s - self._begun_s) * 1000)

    async def _one(self, arrived: Arrived) -> None:
        now = self._clock.now()
        memory = await self._known(now)
        verdict = await self._keeper.run(self._verifier.judge, arrived.message, arrived.name, memory, now)
        match verdict:
            case Accepted(command, digest):
                await self._accepted(command, digest)
            case Again(entry) if entry.ended:
                self._answers.again(entry.ended, entry.begun.digest)
            case Again():
                pass  # its answer is still to come
            case Refused(refusal, reason, command_id, digest):
                self._answers.refuse(refusal, reason, command_id=command_id, digest=digest)
        await self._answers.tell()

    async def _accepted(self, command: Command, digest: str) -> None:
        """Note the command, then execute it, unless it is too late by then."""
        begun = Begun(command.id, digest, command.sequence, command.issued_ms, command.target)
        if refused := await self._begun(begun):
            self._answers.refuse(
                CommandRefusal.STORAGE_UNAVAILABLE, refused, command_id=command.id, digest=digest
            )
            return
        if self._is_late(command):  # a disk may take its time
            reason = "its time was over when the disk had taken it"
            await self._end(Ended(command.id, CommandOutcome.REFUSED, reason, None, CommandRefusal.EXPIRED))
        elif refused := self._execute(command):
            reason = refused[:TEXT_CHARACTERS_MAX]
            await self._end(
                Ended(command.id, CommandOutcome.REFUSED, reason, None, CommandRefusal.NOT_ALLOWED)
            )
        elif command.kind in ENDED_AT_ONCE:
            await self._end(Ended(command.id, CommandOutcome.DONE))

    def _is_late(self, command: Command) -> bool:
        now = self._clock.now()
        return command.is_over(now.wall_ms) or now.clock is ClockState.UNSET

    async def _begun(self, begun: Begun) -> str:
        """Let it be on disk that this is executed; return why it cannot be."""
        memory = self._memory
        if memory is None:
            return "what was taken before is not known yet: the disk does not tell"
        if len(memory.running) >= RUNNING_MAX:
            return f"{RUNNING_MAX} commands have come to no end yet"
        since = [memory.since] if memory.forget(self._clock.now().wall_ms) else []
        if error := await self._noted(memory, *since, begun):
            return f"the disk refuses: {error}"
        memory.take(begun)
        self._begun_at_s[begun.id] = self._clock.now().s
        return ""

    async def _settle(self) -> None:
        """Take what rules say of commands that were begun."""
        while self._answered:
            answer = self._answered.popleft()
            entry = self._memory.entries.get(answer.command_id) if self._memory else None
            if entry is None or entry.ended:
                continue  # a refusal was told when it was begun
            reason = answer.reason[:TEXT_CHARACTERS_MAX]
            await self._end(Ended(answer.command_id, answer.outcome, reason, answer.value))
        long_ago_s = self._clock.now().s - self._answer_s_max
        for id_ in [id_ for id_, begun_s in self._begun_at_s.items() if begun_s <= long_ago_s]:
            await self._end(Ended(id_, CommandOutcome.INDETERMINATE, UNANSWERED))

    async def _end(self, ended: Ended) -> None:
        """Let this be the end of a command, on disk as soon as that takes it; and tell it."""
        if (memory := self._memory) is None:
            return
        memory.take(ended)
        self._begun_at_s.pop(ended.id, None)
        await self._noted(memory, ended)
        await self._tell(memory, ended)

    async def _tell(self, memory: Memory, ended: Ended) -> None:
        """Tell how a command ended; what is not on disk in the buffer is told once more by the next run."""
        if not await self._answers.outcome(ended, memory.entries[ended.id].begun.digest):
            return
        memory.take(Told(ended.id))
        await self._noted(memory, Told(ended.id))

    async def _noted(self, memory: Memory, *notes: Note) -> str:
        """Put notes on disk; return why that is refused, and then write all that is remembered later."""
        try:
            await self._keeper.run(self._ledger.add, notes, memory, anew=self._owes)
        except OSError as error:
            self._owes = True
            self._disk.failed(error.strerror or str(error))
            self._retry_s = self._clock.now().s + RETRY_S
            return error.strerror or str(error)
        self._disk.works()
        self._owes = False
        return ""

    def _idle_s(self) -> float:
        now_s = self._clock.now().s
        return max(0.0, min(LOOK_S, self._answers.idle_s(now_s), self._retry_s - now_s))
