"""What tests of commands share: signed commands, a clock, lives of a gateway's desk on virtual time."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract import commands
from contract.commands import Command, CommandKind
from contract.events import CommandOutcome, CommandResult
from contract.limits import COMMAND_BYTES_MAX
from contract.signing import COMMAND_TYPE, KeyRing, SigningKey
from edge.buffer.keeper import Inline
from edge.remote.desk import Desk
from edge.remote.judging import Verifier
from edge.remote.ledger import FILE_NAME, Ledger
from edge.remote.memory import Memory, Since
from edge.rules.effects import Answer
from simulators.virtual_loop import run_virtually
from tests.edge.desired.making import NOW_MS, Clock

KEY, STRANGER = SigningKey.make(), SigningKey.make()
VERIFIER = Verifier(KeyRing([KEY.public.line], COMMAND_TYPE, bytes_max=COMMAND_BYTES_MAX), "north", "gw-1")
INTERVAL_S = 60.0


def command(number: int, **changes: Any) -> Command:
    """Return a command that switches an output on, issued now and valid for a minute."""
    told: dict[str, Any] = {
        "version": 1,
        "district": "north",
        "gateway": "gw-1",
        "id": f"{number:032x}",
        "sequence": number,
        "issued_ms": NOW_MS + number,
        "expires_ms": NOW_MS + number + 60_000,
        "kind": CommandKind.SWITCH,
        "target": "relays/relay_1",
        "who": "li",
        "value": True,
        "until_ms": NOW_MS + 3_600_000,
    }
    if changes.get("kind", CommandKind.SWITCH) is not CommandKind.SWITCH:
        told |= {"value": None, "until_ms": None}
    return Command(**told | changes)


def signed(number: int, key: SigningKey = KEY, **changes: Any) -> tuple[str, bytes]:
    """Return its topic's last level, and it as it travels."""
    made = command(number, **changes)
    return made.id, key.sign(commands.encode(made), COMMAND_TYPE)


@dataclass
class End:
    """Lives of one gateway's desk: what each told, and what all executed."""

    folder: Path
    verifier: Verifier = VERIFIER
    clock: Clock = field(default_factory=Clock)
    ledger: Ledger | None = None
    told: list[CommandResult] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    """Ids, over all lives."""
    refuses: Callable[[Command], str] = lambda _command: ""
    """What rules say of a command at once."""
    answers: CommandOutcome | None = CommandOutcome.DONE
    """How a command ends, None where it does not."""
    buffered: bool = True
    """Whether the buffer takes what is told."""
    new: bool = False
    """Whether nothing was ever noted here; else what is issued from NOW_MS on is remembered."""
    desk_of: type[Desk] = Desk
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        """Begin the memory before the first life."""
        if not self.new:
            Ledger(self.folder / FILE_NAME).add([Since(0, NOW_MS)], Memory())

    def live(self, story: "Callable[[Desk], Coroutine[Any, Any, None]]") -> "End":
        """Run the desk while the story lasts."""
        self.told.clear()

        desk: Desk

        async def report(result: CommandResult) -> bool:
            self.told.append(result)
            return self.buffered

        def execute(command: Command) -> str:
            if refused := self.refuses(command):
                return refused
            self.executed.append(command.id)
            if self.answers:
                desk.answered(Answer(command.id, self.answers, "", command.value))
            return ""

        async def life() -> None:
            nonlocal desk
            desk = self.desk_of(
                self.ledger or Ledger(self.folder / FILE_NAME),
                self.verifier,
                Inline(),
                self.clock,
                lambda: f"{next(self._ids):032x}",
                report_interval_s=INTERVAL_S,
                report=report,
                execute=execute,
            )
            running = asyncio.create_task(desk.run())
            await asyncio.sleep(0.001)
            await story(desk)
            if running.done():
                running.result()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        run_virtually(life())
        return self

    def given(self, *messages: tuple[str, bytes], after_s: float = 0.0) -> "End":
        """Live while these arrive, and for so long after."""

        async def story(desk: Desk) -> None:
            await asyncio.sleep(1)
            for name, message in messages:
                desk.offer(name, message)
                await asyncio.sleep(0.01)
            await asyncio.sleep(after_s)

        return self.live(story)

    @property
    def outcomes(self) -> list[tuple[int, str, str]]:
        """What was told: the command's number, outcome, refusal."""
        return [
            (int(each.command_id or "0", 16), str(each.outcome), str(each.refusal or ""))
            for each in self.told
        ]
