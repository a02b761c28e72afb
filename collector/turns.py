"""Who connects when after a loss that befell all: each gateway has a turn of its own in a round. Pure.

Turns follow the order of names, one about every 1/``connections_per_s_max`` seconds; a gateway is told its
turn in the answer to a hello, and again with any acknowledgement once it has changed.
"""

from collections.abc import Iterable

from contract.limits import ROUND_S_MAX
from contract.messages import Turn

SPARE = 1.05
"""Turns are so much further apart than they need to be, because gateways come a little late."""


class TurnBook:
    """The turns of all gateways, and which of them they know."""

    def __init__(self, connections_per_s_max: float) -> None:
        """Nobody is known yet."""
        self._apart_s = SPARE / connections_per_s_max
        self._places: dict[str, int] = {}
        self._told: dict[str, Turn] = {}

    def add(self, gateways: Iterable[str]) -> None:
        """Give a turn to these too."""
        self._places = {name: place for place, name in enumerate(sorted({*self._places, *gateways}))}

    def to_tell(self, gateway: str, *, greeted: bool) -> Turn | None:
        """Return its turn if it said hello, or does not know it yet; count it as told."""
        place = self._places.get(gateway)
        if place is None:
            return None
        round_s = len(self._places) * self._apart_s
        turn = Turn(min(place * self._apart_s, ROUND_S_MAX), min(round_s, ROUND_S_MAX))
        if turn == self._told.get(gateway) and not greeted:
            return None
        self._told[gateway] = turn
        return turn
