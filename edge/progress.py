"""Whether the gateway's work goes on, for the watchdog that restarts it where it does not. Pure.

Each part that works says by when it moves again: a poller with each request, each command and each rest, the
recorder with each commit. A device that is dead, a disk that is full and a network that is away are told and
passed, so they are moves; what is late has hung. An opening of the buffer may take as long as it likes:
starting again would only begin it anew.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

LATE_S = 45.0
"""Beyond what it is waiting for, a part may be so late: the machine may be slow, but not that slow."""
TIMEOUTS_AT_ONCE = 8
"""A request or a command with its proof takes so many of its device's timeouts at most."""
COMMIT_S_MAX = 120.0
"""A commit that has not ended after this hangs; the longest pauses of a worn card are a quarter of it."""
WITHOUT_LIMIT_S = math.inf


class Part(NamedTuple):
    """One that works, and the monotonic second by which it moves again."""

    name: str
    moves_by_s: float


def stuck(parts: Iterable[Part], now_s: float) -> list[str]:
    """Return the names of the parts that should have moved by now."""
    return [part.name for part in parts if part.moves_by_s < now_s]


def request_s_max(timeouts_s: Iterable[float]) -> float:
    """Return how long a poller whose devices have these timeouts may take from one move to the next."""
    return LATE_S + TIMEOUTS_AT_ONCE * max(timeouts_s, default=0.0)


@dataclass(frozen=True)
class Standing:
    """How a running gateway is doing, for whoever watches over its process; each is cheap to ask."""

    stuck: Callable[[], Sequence[str]]
    """Its parts that should have gone on by now and have not."""
    at_work: Callable[[], bool]
    """Nothing is stuck, every line has been asked, and what is measured is kept."""
    connected: Callable[[], bool]
    """There is a connection to the centre's broker."""
