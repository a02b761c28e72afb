"""The turns of a gateway, kept across restarts: when power returns, a whole city starts at once."""

import logging
import sqlite3

import msgspec

from contract.messages import Turn
from edge.buffer.keeper import Keeper
from edge.buffer.store import Buffer
from edge.uplink.turns import Turns

_log = logging.getLogger(__name__)


class KeptTurns(Turns):
    """The rounds since the last loss, by the turn that the buffer keeps."""

    def __init__(self, buffer: Buffer, keeper: Keeper, now_s: float) -> None:
        """No turn is known before ``recall``."""
        super().__init__(None, now_s)
        self._buffer, self._keeper = buffer, keeper

    async def recall(self) -> None:
        """Take up the turn that a former run was given."""
        try:
            self.turn = await self._keeper.run(self._buffer.turn)
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            _log.error("the buffer %s does not tell the turn: %s", self._buffer.path, error)

    async def given(self, turn: Turn) -> None:
        """Take the turn that the centre gave, and keep it if it is new."""
        if turn == self.turn:
            return
        self.turn = turn
        try:
            await self._keeper.run(self._buffer.keep_turn, turn)
        except sqlite3.OperationalError as error:  # it holds as long as this process runs
            _log.error("the buffer %s refuses: %s", self._buffer.path, error)
