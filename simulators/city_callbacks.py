"""How a simulated city platform's cases go on, and how it tells of that: lost, repeated, out of order."""

import hashlib
import hmac
import json
import random
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

STAGES = ("filed", "dispatched", "processing", "done", "closed")
"""The platform's own words; a case has them one after the other."""
EVENTS_MAX = 1_000_000
TICK_S = 0.05
TIMEOUT_S = 5.0
AGAIN_MAX = 5
"""A callback that is not answered well is sent so often at most."""
HELD_MAX = 20
"""So many events may be held back, to come late."""


@dataclass(frozen=True)
class Telling:
    """Where callbacks go (nowhere, if ``url`` is empty), signed how, and how they go wrong.

    A case has its next stage after ``step_s``, up to ``last`` of STAGES. The probabilities are of each event.
    """

    url: str = ""
    secret: str = ""
    step_s: float = 5.0
    last: str = "closed"
    lost: float = 0
    repeated: float = 0
    reordered: float = 0


class Progress:
    """Lets cases go on, in a thread of its own; events are numbered and kept for whoever polls."""

    def __init__(self, telling: Telling, *, seed: int, now_ms: Callable[[], int]) -> None:
        """Nothing has happened."""
        self._telling, self._now_ms = telling, now_ms
        self._random = random.Random(f"{seed} callbacks")  # noqa: S311 - faults, no secret
        self._lock = threading.Lock()
        self._events: list[dict[str, Any]] = []
        self._running: list[tuple[int, dict[str, Any], int]] = []
        """When each case has its next stage, and which."""
        self._untold: deque[dict[str, Any]] = deque()
        self._held: list[dict[str, Any]] = []
        self._again: list[tuple[dict[str, Any], int]] = []
        self._counts = dict.fromkeys(("told", "lost", "repeated", "reordered", "refused"), 0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="city callbacks", daemon=True)

    def took(self, case: dict[str, Any]) -> None:
        """Let a case begin."""
        with self._lock:
            self._running.append((self._now_ms() + round(self._telling.step_s * 1000), case, 0))

    def since(self, sequence: int, limit: int) -> list[dict[str, Any]]:
        """Return events after a number, oldest first."""
        with self._lock:
            return self._events[sequence : sequence + limit]

    def figures(self) -> dict[str, int]:
        """Return how many events there are and what became of their callbacks."""
        with self._lock:
            return {"events": len(self._events), **{f"callbacks_{k}": n for k, n in self._counts.items()}}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self._thread.join(2 * TIMEOUT_S)

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            while not self._stopping.wait(0 if self._untold else TICK_S):
                self._untold.extend(self._tick())  # cases go on, however slowly callbacks are taken
                if self._untold:
                    self._tell(client, self._untold.popleft())
                    continue
                again, self._again = self._again, []
                for event, times in again:
                    self._tell(client, event, times)
                while len(self._held) > HELD_MAX or (self._held and not self._running):
                    self._tell(client, self._held.pop(self._random.randrange(len(self._held))), 1)

    def _tick(self) -> list[dict[str, Any]]:
        """Let time pass; return what happened."""
        now_ms, happened = self._now_ms(), []
        last = STAGES.index(self._telling.last)
        with self._lock:
            due = [it for it in self._running if it[0] <= now_ms]
            self._running = [it for it in self._running if it[0] > now_ms]
            for at_ms, case, index in due:
                case["stage"] = STAGES[index]
                event = {
                    "seq": len(self._events) + 1,
                    "eventId": f"{case['number']}-{index}",
                    "ref": case["key"],
                    "number": case["number"],
                    "stage": STAGES[index],
                    "timeMs": at_ms,
                }
                if len(self._events) < EVENTS_MAX:
                    self._events.append(event)
                happened.append(event)
                if index < last:
                    step_ms = round(self._telling.step_s * 1000)
                    self._running.append((at_ms + step_ms, case, index + 1))
        return happened

    def _tell(self, client: httpx.Client, event: dict[str, Any], times: int = 0) -> None:
        if not self._telling.url:
            return
        if not times:
            drawn = self._random.random()
            if drawn < self._telling.lost:
                self._count("lost")
                return
            if drawn < self._telling.lost + self._telling.reordered:
                self._count("reordered")
                self._held.append(event)
                return
            if drawn > 1 - self._telling.repeated:
                self._count("repeated")
                self._post(client, event)
        if not self._post(client, event) and times < AGAIN_MAX:
            self._again.append((event, times + 1))

    def _post(self, client: httpx.Client, event: dict[str, Any]) -> bool:
        body = json.dumps(
            {key: event[key] for key in ("eventId", "ref", "number", "stage", "timeMs")}
        ).encode()
        try:
            answer = client.post(
                self._telling.url,
                content=body,
                headers=signed(self._telling.secret, self._telling.url, body, self._now_ms()),
            )
        except httpx.HTTPError:
            return False
        self._count("told" if answer.is_success else "refused")
        return answer.is_success

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1


def signed(secret: str, url: str, body: bytes, now_ms: int) -> dict[str, str]:
    """Return headers that sign a POST: HMAC-SHA256 over method, path, timestamp, nonce and body, by lines."""
    nonce = secrets.token_hex(16)
    path = httpx.URL(url).raw_path.decode("ascii")
    text = b"\n".join((b"POST", path.encode(), str(now_ms).encode(), nonce.encode(), body))
    return {
        "Content-Type": "application/json",
        "X-Timestamp": str(now_ms),
        "X-Nonce": nonce,
        "X-Signature": hmac.new(secret.encode(), text, hashlib.sha256).hexdigest(),
    }
