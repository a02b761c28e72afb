"""Asks an interface all that its own description allows, and what it does not; judges what it answers.

Requests come from schemathesis, by a seed; half of them with names that the interface itself has told, so
that they reach what is behind them. Nothing listens: the application is called in this process.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import requests
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode, openapi
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

Operation = APIOperation[Any, Any, Any, Any]
BASE = "http://127.0.0.1:8780"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
READING = ("GET", "HEAD", "OPTIONS")
OWN_TOKEN = "asking"
NAMES_TOLD_MAX = 30
URL_CHARACTERS_MAX = 60_000
"""Longer ones reach no application: neither httpx nor h11 takes 64 KiB."""


@dataclass
class Report:
    """What came of it: findings by operation and kind, answers by operation and status."""

    findings: dict[tuple[str, str], str] = field(default_factory=dict)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    endless: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many were sent."""
        return sum(self.answers.values())

    def good(self, method: str) -> int:
        """How many operations of a method had at least one good answer."""
        return len({name for name, status in self.answers if status < 300 and name.startswith(method)})

    def text(self) -> str:
        """Return the findings for people."""
        return "\n".join(f"{name}: {kind}: {told}" for (name, kind), told in sorted(self.findings.items()))


class Asking:
    """One run: an application, a token of an administrator's, a seed."""

    def __init__(
        self,
        app: FastAPI,
        token: str,
        notes: Callable[[], int],
        *,
        seed_number: int,
        examples: int,
        values: Mapping[str, Any],
    ) -> None:
        """``notes`` counts the audit trail; ``examples`` of each operation and each of the two modes.

        ``values`` are such as no generator finds, by the key of a body: a password that is not refused.
        """
        self._app, self._notes, self._seed, self._examples = app, notes, seed_number, examples
        self._values = values
        self._random = Random(seed_number)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._known: dict[str, list[str]] = {}
        self._items: dict[str, list[dict[str, Any]]] = {}
        self.report = Report()

    def run(self) -> Report:
        """Ask everything."""
        load_all_checks()
        schema = openapi.from_dict(self._app.openapi())
        with asyncio.Runner() as runner:
            self._run = runner.run
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            self._client = httpx.AsyncClient(transport=transport, base_url=BASE)
            operations = []
            for found in schema.get_all_operations():
                if isinstance(found, Ok):
                    operations.append(found.ok())
                else:
                    self.report.findings["description", "InvalidSchema"] = str(found.err())
            for operation in sorted(
                operations, key=lambda it: (it.method.upper() != "GET", it.path.count("{"))
            ):
                if _is_endless(operation):
                    self.report.endless.append(operation.label)
                    continue
                for mode in GenerationMode:
                    self._ask(operation, mode)
            runner.run(self._client.aclose())
        return self.report

    def _ask(self, operation: Operation, mode: GenerationMode) -> None:
        @seed(self._seed)
        @settings(
            max_examples=self._examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Case[Any]) -> None:
            self._judge(case)

        try:
            ask()
        except Unsatisfiable:
            return  # as where nothing can be wrong with a request without parameters

    def _judge(self, case: Case[Any]) -> None:
        if case.path_parameters and self._random.random() < 0.6:
            case.path_parameters.update(self._told(list(case.path_parameters), case.operation.path))
        if isinstance(case.body, dict):
            self._fill(case.body)
        prepared = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
        if len(str(prepared.url)) > URL_CHARACTERS_MAX or _ends_itself(prepared):
            return
        body: Any = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body or b""
        headers = {str(key): str(value) for key, value in prepared.headers.items()} | self._headers
        request = httpx.Request(str(prepared.method), str(prepared.url), headers=headers, content=body)
        before = 0 if request.method in READING else self._notes()
        answer: httpx.Response = self._run(self._client.send(request))
        name = case.operation.label
        self.report.answers[name, answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                told = f"{failure} [{prepared.method} {prepared.url} {body[:300]!r}]".replace("\n", " ")
                self.report.findings.setdefault((name, type(failure).__name__), told[:1_500])
        if answer.is_success and request.method in READING:
            self._learn(case.operation.path, answer)
        elif answer.is_success and self._notes() == before:
            self.report.findings[name, "NotNoted"] = (
                f"{prepared.method} {prepared.url} changed without a note"
            )

    def _fill(self, body: dict[str, Any]) -> None:
        """Name in a body, every other time, what there is."""
        for key, value in body.items():
            if self._random.random() < 0.5:
                continue
            if key in self._values:
                body[key] = self._values[key]
            elif isinstance(value, str) and self._known.get(key):
                body[key] = self._random.choice(self._known[key])
            elif isinstance(value, list) and self._known.get(key.removesuffix("s")):
                body[key] = [self._random.choice(self._known[key.removesuffix("s")])]

    def _told(self, names: list[str], path: str) -> dict[str, Any]:
        """Return what one thing that a list told is asked by, or nothing where none has these names."""
        found = []
        for source, items in self._items.items():
            beside = path.startswith(source)
            for item in items:
                told = {
                    name: item.get(name, item.get("id") if beside and name.endswith("_id") else None)
                    for name in names
                }
                if all(value not in (None, "") for value in told.values()):
                    found.append(told)
        return self._random.choice(found) if found else {}

    def _learn(self, path: str, answer: httpx.Response) -> None:
        """Keep what an answer calls things by, for requests that name them."""
        try:
            told = answer.json()
        except ValueError:
            return
        items = told.get("items", []) if isinstance(told, dict) else []
        for item in [each for each in items if isinstance(each, dict)][:NAMES_TOLD_MAX]:
            kept = self._items.setdefault(path, [])
            if len(kept) < NAMES_TOLD_MAX and item not in kept:
                kept.append(item)
            for key, value in item.items():
                known = self._known.setdefault(key, [])
                if isinstance(value, str) and value and value not in known and len(known) < NAMES_TOLD_MAX:
                    known.append(value)


def _lists_first(operation: Operation) -> tuple[bool, int]:
    """They tell the names that others are asked by."""
    return operation.method.upper() != "GET", operation.path.count("{")


def _ends_itself(request: requests.PreparedRequest) -> bool:
    """Say whether it would revoke the token by which everything is asked."""
    return request.method == "DELETE" and str(request.url).endswith(f"/tokens/{OWN_TOKEN}")


def _is_endless(operation: Operation) -> bool:
    """Say whether a good answer of it never ends."""
    good = operation.definition.raw.get("responses", {}).get("200", {})
    return "text/event-stream" in good.get("content", {})
