"""The wiring of whoever asks something of a running gateway: the centre, and people at the cabinet."""

from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from contract.events import CommandResult
from edge.buffer.keeper import OnThread
from edge.by_hand import ByHand
from edge.clock import Clock
from edge.gateway import Gateway
from edge.local.answering import Answering
from edge.local.commissioning import Commissioning
from edge.local.points import Points
from edge.local.server import LocalServer
from edge.local.watching import Watching
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
        commissioning: Commissioning | None = None,
        points: Points | None = None,
        watching: Watching | None = None,
    ) -> None:
        """Listen to people at the cabinet; BufferUnusableError where another gateway does in this folder.

        ``recorder`` is asked for once something is to be told.
        """
        self._recorder = recorder
        self._keeper = OnThread("commands")  # a command does not wait for a document
        rules = gateway.engine
        self.by_hand = ByHand(settings, rules, clock, gateway.do, lambda: gateway.stopping)
        self.desk = remote.desk(settings, state, self._keeper, clock, ids, self._told, self.by_hand.command)
        gateway.on_answer = self.desk.answered
        answering = Answering(settings.gateway, self.by_hand, clock, commissioning, points, watching)
        self._local = LocalServer(state, answering)
        self._local.open()

    def loops(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield what runs until it is cancelled."""
        yield self.desk.run()
        yield self._local.run()

    async def close(self) -> None:
        """Let go of socket and thread; nothing runs any more."""
        self._local.close()
        await self._keeper.close()

    async def _told(self, result: CommandResult) -> bool:
        recorder = self._recorder()
        recorder.event(result)
        return await recorder.flush(everything=False)
