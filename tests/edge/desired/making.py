"""What tests of desired documents share: signed documents, a clock, a gateway's end on virtual time."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract import desired
from contract.desired import Desired, DesiredKind, object_problems
from contract.events import DesiredReport
from contract.samples import ClockState
from contract.signing import KeyRing, SigningKey
from edge.buffer.keeper import Inline
from edge.clock import Moment
from edge.desired.documents import Documents
from edge.desired.judging import Verifier, of_body
from edge.desired.shelf import Shelf
from simulators.virtual_loop import run_virtually

KEY, STRANGER = SigningKey.make(), SigningKey.make()
NOW_MS = 1_800_000_000_000
PLAN = DesiredKind.LAMP_PLAN
VERIFIER = Verifier(
    KeyRing([KEY.public.line]), "north", "gw-1", dict.fromkeys(DesiredKind, of_body(object_problems))
)
INTERVAL_S = 60.0


def document(sequence: int, **changes: Any) -> Desired:
    """Return a plan for gw-1 that is effective at once and never expires."""
    told: dict[str, Any] = {
        "version": 1,
        "district": "north",
        "gateway": "gw-1",
        "kind": PLAN,
        "sequence": sequence,
        "issued_ms": NOW_MS + sequence,
        "effective_ms": NOW_MS,
        "expires_ms": None,
        "body": f'{{"plan": {sequence}}}',
    }
    return Desired(**told | changes)


def signed(sequence: int, key: SigningKey = KEY, **changes: Any) -> bytes:
    """Return it as it travels."""
    return key.sign(desired.encode(document(sequence, **changes)))


def harmed(message: bytes) -> bytes:
    """Return a message whose signature is another's."""
    head, _, signature = message.rpartition(b".")
    return head + b"." + (b"B" if signature.startswith(b"A") else b"A") + signature[1:]


@dataclass
class Clock:
    """Follows the running loop; what it is worth, and how far off it is, are given."""

    state: ClockState = ClockState.SYNCHRONISED
    ahead_ms: int = 0

    def now(self) -> Moment:
        """See edge.clock.Clock."""
        now_s = asyncio.get_running_loop().time()
        return Moment(round(now_s * 1e9), NOW_MS + self.ahead_ms + round(now_s * 1000), self.state)

    def s(self) -> float:
        """See edge.clock.Clock."""
        return asyncio.get_running_loop().time()


@dataclass
class End:
    """One life of a gateway's documents, what it told and what it executed."""

    folder: Path
    verifier: Verifier = VERIFIER
    clock: Clock = field(default_factory=Clock)
    shelf: Shelf | None = None
    told: list[DesiredReport] = field(default_factory=list)
    executed: list[str | None] = field(default_factory=list)
    refuses: Callable[[str | None], Sequence[str]] = lambda _body: []
    """What the executor says of a body."""

    def live(self, story: "Callable[[End, Documents], Coroutine[Any, Any, None]]") -> "End":
        """Run the documents while the story lasts."""
        self.told.clear()
        self.executed.clear()
        ids = itertools.count(1)

        def execute(_kind: DesiredKind, body: str | None) -> Sequence[str]:
            self.executed.append(body)
            return self.refuses(body)

        async def life() -> None:
            documents = Documents(
                self.shelf or Shelf(self.folder / "desired"),
                self.verifier,
                Inline(),
                self.clock,
                lambda: f"{next(ids):032x}",
                report_interval_s=INTERVAL_S,
                report=self.told.append,
                on_in_force=execute,
            )
            running = asyncio.create_task(documents.run())
            await asyncio.sleep(0.1)
            await story(self, documents)
            if running.done():
                running.result()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            documents.tell_all()

        run_virtually(life())
        return self

    def given(self, *messages: bytes, kind: str = PLAN, after_s: float = 0.0) -> "End":
        """Live while these arrive, and for so long after."""

        async def story(_end: End, documents: Documents) -> None:
            for message in messages:
                documents.offer(kind, message, retained=False)
                await asyncio.sleep(0.01)
            await asyncio.sleep(after_s)
            self.in_force = documents.in_force.get(kind)

        return self.live(story)

    in_force: int | None = None

    @property
    def outcomes(self) -> list[tuple[str, int, str]]:
        """What was told: outcome, sequence, reason in one word."""
        return [(str(each.outcome), each.sequence, str(each.refusal or "")) for each in self.told]
