"""A life of desired documents, to be recorded and cut: ``folder seed steps weaken``.

The real documents of a gateway live on virtual time: plans come, wait, are swapped in, cannot be executed and
give way, are over; the gateway is started again. The record is told what each write keeps and when it is
done, and what is acted upon. Weakened, nothing is synced ("unsynced"), or a document is acted upon before it
is kept ("acts_first").
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from contract.desired import DesiredKind
from edge.desired.documents import Documents
from edge.desired.held import Document, Held
from edge.desired.shelf import Shelf
from tests.edge.desired.making import NOW_MS, PLAN, End, signed
from tests.faults.recording import Marker

BAD = '{"bad": true}'


def told(held: Held) -> dict[str, Any]:
    """Return what is held, in brief."""

    def sequence(document: Document | None) -> int | None:
        return document.desired.sequence if document else None

    highest = held.highest
    return {
        "highest": [highest.sequence, highest.outcome] if highest else None,
        "current": sequence(held.current),
        "former": sequence(held.former),
        "waiting": sequence(held.waiting),
        "tries": held.tries,
    }


class MarkedShelf(Shelf):
    """Tells the record of each write."""

    def __init__(self, folder: Path, marker: Marker) -> None:
        """See Shelf."""
        super().__init__(folder)
        self._marker = marker

    def write(self, kind: DesiredKind, held: Held) -> None:
        """See Shelf."""
        self._marker.note({"begun": told(held)})
        super().write(kind, held)
        self._marker.end(told(held))


def main() -> None:
    """Live."""
    folder, seed, steps, weaken = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    random, marker = Random(seed), Marker()
    if weaken == "unsynced":
        os.fsync = lambda fd: None
    sequence = 0

    def refuses(body: str | None) -> Sequence[str]:
        marker.note({"acted": json.loads(body).get("plan") if body else None})
        return ["bad"] if body and "bad" in body else []

    async def story(end: End, documents: Documents) -> None:
        nonlocal sequence
        for _ in range(steps // 3):
            sequence += random.randrange(1, 3)
            effective_ms = end.clock.now().wall_ms + random.choice([0, 0, 5_000])
            expires_ms = random.choice([None, None, effective_ms + 20_000])
            body = json.dumps({"plan": sequence, "filled": "x" * random.choice([0, 2_000])})
            if random.random() < 0.2:
                body = json.dumps({"plan": sequence, "bad": True})
            message = signed(sequence, effective_ms=effective_ms, expires_ms=expires_ms, body=body)
            if weaken == "acts_first":
                refuses(body)
            documents.offer(PLAN, message, retained=False)
            await asyncio.sleep(random.choice([0.1, 10, 40]))

    end = End(folder, refuses=refuses)
    for life in range(3):
        end.clock.ahead_ms = life * 1_000_000
        end.shelf = MarkedShelf(folder / "desired", marker)
        end.live(story)


if __name__ == "__main__":
    assert NOW_MS
    main()
