"""The wiring of whoever asks something of a running gateway: the centre, and people at the cabinet."""

from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, cast

from contract.events import CommandResult
from edge.buffer.keeper import OnThread
from edge.by_hand import ByHand, Rules
from edge.clock import Clock
from edge.gateway import Gateway
from edge.recorder import Recorder
from edge.remote import from_settings as remote
from edge.rules.effects import Ids
from edge.settings import Settings


class Asking:
    """Makes the parts; ``loops`` run until they are cancelled, then ``close``."""

    def __init__(
        self,
        settings: Settings,
        state: Path,
        gateway: Gateway,
        clock: Clock,
        ids: Ids,
        recorder: Callable[[], Recorder],
    ) -> None:
        """``recorder`` is asked for once something is to be told."""
        self._recorder = recorder
        self._keeper = OnThread("commands")  # a command does not wait for a document
        rules = cast("Rules", gateway.engine)
        self.by_hand = ByHand(settings, rules, clock, gateway.do, lambda: gateway.stopping)
        self.desk = remote.desk(settings, state, self._keeper, clock, ids, self._told, self.by_hand.command)
        gateway.on_answer = self.desk.answered

    def loops(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield what runs until it is cancelled."""
        yield self.desk.run()

    async def close(self) -> None:
        """Let go of the thread; nothing runs any more."""
        await self._keeper.close()

    async def _told(self, result: CommandResult) -> bool:
        recorder = self._recorder()
        recorder.event(result)
        return await recorder.flush(everything=False)
