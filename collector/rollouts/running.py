"""Takes rollouts further as time goes on."""

from sqlalchemy import Connection, select

from collector.database import Database
from collector.patience import Patiences, repeated
from collector.rollouts.book import RolloutBook
from collector.rollouts.stepping import RolloutState
from collector.rollouts.tables import rollouts

LOOK_S = 2.0


class RolloutRunner:
    """Looks every LOOK_S; what fails is tried again."""

    def __init__(self, state: Database, book: RolloutBook) -> None:
        """``run`` works."""
        self._state, self._book = state, book

    async def run(self, patiences: Patiences) -> None:
        """Look, until cancelled."""
        await repeated(self._look, LOOK_S, patiences.of("rollouts"))

    async def _look(self) -> None:
        if await self._state.read(_any_runs):
            await self._state.write(self._book.further)


def _any_runs(connection: Connection) -> bool:
    running = select(rollouts.c.id).where(rollouts.c.state == RolloutState.RUNNING.value).limit(1)
    return connection.execute(running).first() is not None
