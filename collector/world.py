"""What a centre takes from its machine: time, ids and randomness; all of it is given to what decides."""

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class World:
    """Time, ids and randomness."""

    now_ms: Callable[[], int]
    monotonic_s: Callable[[], float]
    new_id: Callable[[], str]
    random: random.Random

    @classmethod
    def real(cls) -> "World":
        """Return this machine's."""
        return cls(
            now_ms=lambda: time.time_ns() // 1_000_000,
            monotonic_s=time.monotonic,
            new_id=lambda: uuid.uuid4().hex,
            random=random.SystemRandom(),
        )
