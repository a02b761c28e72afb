"""What the centre is told of commands: each outcome at once, refusals and repetitions in counts."""

import logging
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, replace

from contract.commands import CommandRefusal
from contract.events import CommandOutcome, CommandResult
from contract.limits import TEXT_CHARACTERS_MAX
from contract.samples import Value
from edge.clock import Clock
from edge.remote.memory import Ended
from edge.rules.effects import Ids
from edge.tally import Tally

_log = logging.getLogger(__name__)

NAMED_MAX = 256
"""So many commands are counted each by its name; of more, nobody hears which they were."""


@dataclass(frozen=True, slots=True)
class Counted:
    """So many answers of one sort; id and digest where they name a command."""

    outcome: CommandOutcome
    refusal: CommandRefusal | None
    reason: str
    command_id: str = ""
    digest: str = ""
    value: Value = None
    count: int = 1

    @property
    def sort(self) -> Hashable:
        """See Countable."""
        return self.outcome, self.refusal, self.command_id, self.digest

    def after(self, before: "Counted") -> "Counted":
        """See Countable."""
        return replace(self, count=before.count + self.count)


class Answers:
    """Makes the results."""

    def __init__(
        self,
        interval_s: float,
        clock: Clock,
        ids: Ids,
        report: Callable[[CommandResult], Awaitable[bool]],
    ) -> None:
        """``report`` takes them, and says whether they are on disk."""
        self._clock, self._ids, self._report = clock, ids, report
        self._tally = Tally[Counted](interval_s)

    def refuse(self, refusal: CommandRefusal, reason: str, *, command_id: str = "", digest: str = "") -> None:
        """Count a refusal."""
        self._count(Counted(CommandOutcome.REFUSED, refusal, reason, command_id, digest))

    def again(self, ended: Ended, digest: str) -> None:
        """Count a repetition of the answer to a command that came again."""
        refusal = ended.refusal or CommandRefusal.REPLAYED
        self._count(Counted(ended.outcome, refusal, ended.reason, ended.id, digest, ended.value))

    def _count(self, counted: Counted) -> None:
        if len(self._tally) >= NAMED_MAX:
            counted = replace(counted, command_id="", digest="")
        self._tally.add(counted)

    def idle_s(self, now_s: float) -> float:
        """Return how long nothing is to be told."""
        return self._tally.idle_s(now_s)

    async def tell(self, *, everything: bool = False) -> None:
        """Tell what is due of what was counted."""
        for each in self._tally.take(self._clock.now().s, everything=everything):
            _log.warning("%d commands %s: %s", each.count, each.refusal, each.reason)
            await self._tell(each)

    async def outcome(self, ended: Ended, digest: str) -> bool:
        """Tell at once how a command ended; say whether that is on disk."""
        _log.info("command %s: %s%s", ended.id, ended.outcome, ended.reason and f": {ended.reason}")
        told = Counted(ended.outcome, ended.refusal, ended.reason, ended.id, digest, ended.value)
        return await self._tell(told)

    async def _tell(self, told: Counted) -> bool:
        now = self._clock.now()
        result = CommandResult(
            self._ids(),
            now.wall_ms,
            told.command_id,
            told.outcome,
            told.reason[:TEXT_CHARACTERS_MAX],
            told.value,
            now.clock,
            told.refusal,
            told.digest,
            told.count,
        )
        return await self._report(result)
