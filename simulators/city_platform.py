"""A city platform that takes cases, and misbehaves on demand: for trials of whoever sends to it."""

import asyncio
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Self

import uvicorn
from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse

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
    error_500: float = 0
    """Answers 500 and keeps nothing."""
    error_429: float = 0
    """Answers 429 with Retry-After and keeps nothing."""
    garbage: float = 0
    """Keeps the case and answers 200 with what is no JSON."""

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


class CasePlatform:
    """The cases, and how they were received. Used from one event loop."""

    def __init__(
        self, faults: Faults, *, seed: int, now_ms: Callable[[], int], hang_s: float = HANG_S
    ) -> None:
        """Begin empty; equal seeds make the faults strike the same requests of a sequence."""
        self.cases: dict[str, dict[str, Any]] = {}
        self.received = self.created = self.repeated = 0
        self._faults = faults
        self._random = random.Random(seed)  # noqa: S311 - faults, no secret
        self._now_ms = now_ms
        self._hang_s = hang_s

    async def receive(self, key: str, case: dict[str, Any]) -> Response:
        """Take a case under its idempotency key, or misbehave."""
        self.received += 1
        fault = self._faults.draw(self._random)
        if fault == "error_500":
            return JSONResponse({"error": "internal error"}, 500)
        if fault == "error_429":
            return JSONResponse({"error": "too many requests"}, 429, {"Retry-After": str(RETRY_AFTER_S)})
        if key not in self.cases and len(self.cases) >= CASES_MAX:
            return JSONResponse({"error": f"{CASES_MAX} cases are all this platform keeps"}, 507)
        status = self._keep(key, case)
        if fault == "timeout":
            await asyncio.sleep(self._hang_s)
            return JSONResponse({"error": "gateway timeout"}, 504)
        if fault == "garbage":
            return Response("<html><body>系统维护中", 200, media_type="text/html")
        kept = self.cases[key]
        return JSONResponse({"number": kept["number"], "stage": kept["stage"]}, status)

    def _keep(self, key: str, case: dict[str, Any]) -> int:
        if key in self.cases:
            self.repeated += 1
            return 200
        self.created += 1
        self.cases[key] = {
            "number": f"SIM-{self.created:06}",
            "stage": "collected",
            "key": key,
            "received_ms": self._now_ms(),
            "case": case,
        }
        return 201


def application(platform: CasePlatform) -> FastAPI:
    """Return the platform's HTTP interface.

    POST /api/cases with an Idempotency-Key: 201 and {"number", "stage"}; again with the same key: 200 and the
    same answer. GET /api/cases: all cases. GET /api/figures: {"received", "created", "repeated"}.
    """
    app = FastAPI(title="simulated city platform")

    @app.post("/api/cases")
    async def post_case(request: Request, idempotency_key: str = Header(default="")) -> Response:
        if not 1 <= len(idempotency_key) <= KEY_CHARACTERS_MAX:
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

    @app.get("/api/cases")
    async def get_cases() -> list[dict[str, Any]]:
        return list(platform.cases.values())

    @app.get("/api/figures")
    async def get_figures() -> dict[str, int]:
        return {
            "received": platform.received,
            "created": platform.created,
            "repeated": platform.repeated,
        }

    return app


class PlatformServer:
    """A context: the platform on a loopback port, in a thread of its own; ``url`` tells where."""

    def __init__(self, platform: CasePlatform, port: int = 0) -> None:
        """Prepare; port 0 is a free one."""
        self._port = port
        configuration = uvicorn.Config(
            application(platform),
            log_level="warning",
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
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; requests that hang are cut off."""
        self._server.should_exit = True
        self._thread.join(STOP_TIMEOUT_S)
        self._socket.close()
