"""A city platform that takes cases, and misbehaves on demand: for trials of whoever sends to it."""

import asyncio
import json
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Self

import uvicorn
from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from simulators.city_callbacks import Progress, Telling
from simulators.errors import SimulatorError

HOST = "127.0.0.1"
BODY_BYTES_MAX = 64 * 1024
KEY_CHARACTERS_MAX = 200
CASES_MAX = 100_000
RETRY_AFTER_S = 1
HANG_S = 30.0
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Faults:
    """How likely each misbehaviour is, for every POST; together at most 1. ValueError if not."""

    timeout: float = 0
    """Keeps the case, then answers only after ``hang_s`` with 504: the sender cannot know."""
    timeout_lost: float = 0
    """The same, and has kept nothing."""
    error_500: float = 0
    """Answers 500 and keeps nothing."""
    error_429: float = 0
    """Answers 429 with Retry-After and keeps nothing."""
    garbage: float = 0
    """Keeps the case and answers 200 with what is no JSON."""
    error_500_kept: float = 0
    """Keeps the case and answers 500."""
    error_429_bare: float = 0
    """Answers 429 without Retry-After and keeps nothing."""
    half_body: float = 0
    """Keeps the case and breaks off in the middle of the answer."""
    drip: float = 0
    """Keeps the case and sends the answer a byte now and then, for ``hang_s``."""
    redirect: float = 0
    """Answers 302, to a page that wants a sign-in, and keeps nothing."""
    conflict: float = 0
    """Says of a key that it has had that it is in use; of a new key it says nothing."""

    def __post_init__(self) -> None:
        """Check them."""
        chances = [getattr(self, field.name) for field in fields(self)]
        if min(chances) < 0 or sum(chances) > 1:
            raise ValueError("each fault's probability lies within 0 and 1, and all together at most 1")

    def draw(self, generator: random.Random) -> str:
        """Return the name of the fault that strikes this time, or nothing."""
        number = generator.random()
        for field in fields(self):
            number -= getattr(self, field.name)
            if number < 0:
                return field.name
        return ""


@dataclass(frozen=True)
class Abilities:
    """What the platform can. Without ``key`` every POST is another case."""

    key: bool = True
    look_up: bool = False


class CasePlatform:
    """The cases, and how they were received. Used from one event loop."""

    def __init__(
        self,
        faults: Faults,
        *,
        seed: int,
        now_ms: Callable[[], int],
        hang_s: float = HANG_S,
        abilities: Abilities | None = None,
        telling: Telling | None = None,
    ) -> None:
        """Begin empty; equal seeds make the faults strike the same requests of a sequence.

        ``telling``: how it tells of its cases by itself, if it does.
        """
        self.cases: dict[str, dict[str, Any]] = {}
        """By key, or by number where it has none."""
        self.unclear: set[str] = set()
        """What its senders call the cases of which an answer did not say whether they were taken."""
        self.received = self.created = self.repeated = 0
        self.abilities = abilities or Abilities()
        self.progress = Progress(telling, seed=seed, now_ms=now_ms) if telling else None
        self.faults, self.hang_s = faults, hang_s
        """How it misbehaves from now on."""
        self._random = random.Random(seed)  # noqa: S311 - faults, no secret
        self._now_ms = now_ms

    async def receive(self, key: str, case: dict[str, Any]) -> Response:
        """Take a case under its idempotency key, or misbehave."""
        self.received += 1
        fault = self.faults.draw(self._random)
        if fault not in ("", "error_429", "error_429_bare", "conflict"):
            self.unclear.add(str(case.get("id", "")))
        if fault == "timeout_lost":
            return await self._hang()
        if refused := self._refused(fault, known=key in self.cases):
            return refused
        if key not in self.cases and len(self.cases) >= CASES_MAX:
            return JSONResponse({"error": f"{CASES_MAX} cases are all this platform keeps"}, 507)
        if not self.abilities.key:
            key = f"SIM-{self.created + 1:06}"
        status = self._keep(key, case)
        kept = self.cases[key]
        return await self._answer(fault, status, {"number": kept["number"], "stage": kept["stage"]})

    async def _answer(self, fault: str, status: int, told: dict[str, str]) -> Response:
        """Answer for a case that is kept, more or less well."""
        match fault:
            case "timeout":
                return await self._hang()
            case "garbage":
                return Response("<html><body>系统维护中", 200, media_type="text/html")
            case "error_500_kept":
                return JSONResponse({"error": "internal error"}, 500)
            case "half_body" | "drip":
                body = json.dumps(told).encode()
                wait_s = self.hang_s / len(body) if fault == "drip" else None
                headers = {"Content-Length": str(len(body))}
                return StreamingResponse(_slowly(body, wait_s), status, headers, "application/json")
        return JSONResponse(told, status)

    async def _hang(self) -> Response:
        await asyncio.sleep(self.hang_s)
        return JSONResponse({"error": "gateway timeout"}, 504)

    def find(self, reference: str) -> list[dict[str, Any]]:
        """Return the cases that were sent under a key, or whose sender calls them by it."""
        if self.abilities.key:
            return [self.cases[reference]] if reference in self.cases else []
        return [each for each in self.cases.values() if each["key"] == reference]

    def _refused(self, fault: str, *, known: bool) -> Response | None:
        match fault:
            case "error_500":
                return JSONResponse({"error": "internal error"}, 500)
            case "error_429":
                return JSONResponse({"error": "too many requests"}, 429, {"Retry-After": str(RETRY_AFTER_S)})
            case "error_429_bare":
                return JSONResponse({"error": "too many requests"}, 429)
            case "redirect":
                return Response(status_code=302, headers={"Location": "/login"})
            case "conflict" if known:
                return JSONResponse({"error": "this key is in use"}, 409)
        return None

    def _keep(self, key: str, case: dict[str, Any]) -> int:
        if key in self.cases:
            self.repeated += 1
            return 200
        self.created += 1
        self.cases[key] = {
            "number": f"SIM-{self.created:06}",
            "stage": "collected",
            "key": key if self.abilities.key else str(case.get("key") or case.get("id", "")),
            "received_ms": self._now_ms(),
            "case": case,
        }
        if self.progress:
            self.progress.took(self.cases[key])
        return 201


async def _slowly(body: bytes, wait_s: float | None) -> AsyncIterator[bytes]:
    """Yield half of it and break off, or all of it with a wait before each byte."""
    if wait_s is None:
        yield body[: len(body) // 2]
        await asyncio.sleep(0.05)
        raise BrokenOffError
    for index in range(len(body)):
        await asyncio.sleep(wait_s)
        yield body[index : index + 1]


class BrokenOffError(Exception):
    """An answer ends here."""


def application(platform: CasePlatform) -> FastAPI:
    """Return the platform's HTTP interface.

    POST /api/cases with an Idempotency-Key: 201 and {"number", "stage"}; again with the same key: 200 and the
    same answer. GET /api/cases: all cases. GET /api/lookup?ref=KEY: those of a key. GET /api/events?since=N:
    what happened. GET /api/unclear: ids of cases that were answered badly.
    GET /api/figures: {"received", "created", "repeated"}.
    """
    app = FastAPI(title="simulated city platform")

    @app.post("/api/cases")
    async def post_case(request: Request, idempotency_key: str = Header(default="")) -> Response:
        if platform.abilities.key and not 1 <= len(idempotency_key) <= KEY_CHARACTERS_MAX:
            error = f"header Idempotency-Key: 1 to {KEY_CHARACTERS_MAX} characters; send one a case"
            return JSONResponse({"error": error}, 400)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                return JSONResponse({"error": f"body: at most {BODY_BYTES_MAX} bytes"}, 413)
        try:
            case = json.loads(body)
        except ValueError:
            case = None
        if not isinstance(case, dict):
            return JSONResponse({"error": "body: no JSON object; send the case as one"}, 400)
        return await platform.receive(idempotency_key, case)

    _add_questions(app, platform)
    return app


def _add_questions(app: FastAPI, platform: CasePlatform) -> None:
    @app.get("/api/cases")
    async def get_cases() -> list[dict[str, Any]]:
        return list(platform.cases.values())

    @app.get("/api/lookup")
    async def get_lookup(ref: str) -> Response:
        if not platform.abilities.look_up:
            return JSONResponse({"error": "no such page"}, 404)
        found = [{"number": it["number"], "stage": it["stage"]} for it in platform.find(ref)]
        return JSONResponse({"found": found})

    @app.get("/api/events")
    async def get_events(since: str = "", limit: int = 100) -> Response:
        if platform.progress is None:
            return JSONResponse({"error": "no such page"}, 404)
        after = int(since) if since.isdigit() else 0
        events = platform.progress.since(after, min(max(limit, 1), 1000))
        return JSONResponse({"items": events, "next": str(events[-1]["seq"] if events else after)})

    @app.get("/api/unclear")
    async def get_unclear() -> list[str]:
        return sorted(platform.unclear)

    @app.get("/api/figures")
    async def get_figures() -> dict[str, int]:
        told = platform.progress.figures() if platform.progress else {}
        return {
            "received": platform.received,
            "created": platform.created,
            "repeated": platform.repeated,
            **told,
        }


class PlatformServer:
    """A context: the platform on a loopback port, in a thread of its own; ``url`` tells where."""

    def __init__(self, platform: CasePlatform, port: int = 0) -> None:
        """Prepare; port 0 is a free one."""
        self._port, self._progress = port, platform.progress
        configuration = uvicorn.Config(
            application(platform),
            log_level="critical",  # an answer that breaks off is an error to the server
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(configuration)
        self._socket = socket.socket()
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="city platform", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{HOST}:{self._port}"

    def __enter__(self) -> Self:
        """Listen and serve; SimulatorError if the port is taken."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((HOST, self._port))
        except OSError as error:
            self._socket.close()
            raise SimulatorError(
                f"{HOST}:{self._port}: cannot listen: {error.strerror}; choose another port, or 0 for any"
            ) from error
        self._port = self._socket.getsockname()[1]
        self._thread.start()
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline_s:
                raise SimulatorError(f"{self.url}: the platform did not start")
            time.sleep(0.01)
        if self._progress:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; requests that hang are cut off."""
        if self._progress:
            self._progress.stop()
        self._server.should_exit = True
        self._thread.join(STOP_TIMEOUT_S)
        self._socket.close()
