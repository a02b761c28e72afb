"""All platforms of a centre together: which case goes where, and everything that runs for each."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from collector.patience import repeated
from collector.platforms import queue, routing
from collector.platforms.callbacks import CallbackDesk
from collector.platforms.desk import DeskConnector
from collector.platforms.outbox import POLL_INTERVAL_S, Outbox, Tools
from collector.platforms.protocol import Connector
from collector.platforms.reconcile import Reconciler
from collector.platforms.rest import RestConnector
from collector.platforms.settings import DESK, LoadedPlatform

MakeConnector = Callable[[LoadedPlatform], Connector]


class Platforms:
    """Routes messages to platforms, and runs what each needs."""

    def __init__(
        self, loaded: Sequence[LoadedPlatform], tools: Tools, make: MakeConnector | None = None, *,
        new_id: Callable[[], str],
    ) -> None:  # fmt: skip
        """What none of ``loaded`` takes is the built-in desk's."""
        self._tools, self._new_id = tools, new_id
        self.loaded = {each.settings.name: each for each in with_desk(loaded)}
        make = make or self._connector
        self.outboxes = {
            name: Outbox(name, each.settings, make(each), tools, settle_s=_settle_s(each))
            for name, each in self.loaded.items()
        }
        self.callbacks = {
            name: CallbackDesk(name, each.mapping, each.callback_secret, self.outboxes[name].hearing, tools)
            for name, each in self.loaded.items()
            if each.mapping and each.mapping.callbacks
        }

    @property
    def troubles(self) -> dict[str, str]:
        """What platforms said last that have taken nothing for a while, by name."""
        return {name: each.trouble for name, each in self.outboxes.items() if each.trouble}

    def choose(self, payload: Mapping[str, Any]) -> str:
        """Return which platform a case goes to."""
        return routing.choose([each.settings for each in self.loaded.values()], payload)

    async def run(self) -> None:
        """Work until cancelled."""
        outboxes = list(self.outboxes.values())
        try:
            await outboxes[0].insisted(lambda connection: queue.adopt(connection, self.outboxes))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._repeated(self._route, POLL_INTERVAL_S, "route"))
                for outbox in outboxes:
                    tasks.create_task(outbox.run())
                    self._ask(tasks, outbox)
        finally:
            for outbox in outboxes:
                await outbox.connector.close()

    def _ask(self, tasks: asyncio.TaskGroup, outbox: Outbox) -> None:
        """Begin what finds out by asking."""
        each = self.loaded[outbox.name]
        reconciler = Reconciler(outbox, cases_max=each.settings.reconcile_cases_max)
        abilities = outbox.connector.capabilities
        if abilities.can_poll and each.mapping and each.mapping.poll:
            interval_s = each.mapping.poll.interval_s
            tasks.create_task(self._repeated(reconciler.poll, interval_s, f"poll {outbox.name}"))
        if abilities.can_look_up and each.settings.kind != "desk":
            interval_s = each.settings.reconcile_interval_s
            tasks.create_task(self._repeated(reconciler.look_up_some, interval_s, f"look up {outbox.name}"))

    async def _route(self) -> bool:
        if not await self._tools.database.read(queue.unrouted):
            return False
        routed = await self._tools.database.write(lambda connection: queue.route(connection, self.choose))
        return routed == queue.ROUTED_AT_ONCE_MAX

    async def _repeated(self, work: Callable[[], Awaitable[bool]], interval_s: float, what: str) -> None:
        await repeated(work, interval_s, self._tools.metrics.patiences.of(f"platforms: {what}"))

    def _connector(self, each: LoadedPlatform) -> Connector:
        if each.mapping is None:
            return DeskConnector()
        return RestConnector(
            each.settings.url or "",
            each.mapping,
            secret=each.secret,
            timeout_s=each.settings.timeout_s,
            now_ms=self._tools.now_ms,
            new_id=self._new_id,
        )


def with_desk(loaded: Sequence[LoadedPlatform]) -> list[LoadedPlatform]:
    """Return them with the built-in desk at the end, unless one of them takes every case."""
    takes_all = any(not each.settings.cases for each in loaded)
    return list(loaded) if takes_all else [*loaded, DESK]


def _settle_s(each: LoadedPlatform) -> float:
    return each.mapping.look_up.settle_s if each.mapping and each.mapping.look_up else 0
