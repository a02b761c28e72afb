"""The interface keeps its own description: no 5xx, no undocumented answer, no change without a note."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from collector.people.roles import Role
from collector.tables import audit
from contract.topics import Lane
from tests.collector.making import given, happened, projected, raised, telemetry, tombstone, up
from tests.collector.openapi_asking import OWN_TOKEN, Asking, Report
from tests.collector.people.making import OTHER_PASSWORD, House, house

SEED = 20_261_127
EXAMPLES = 8
"""Of each operation and mode; the longer form is ``python -m bench.openapi``."""
ENDLESS_MAX = 3
VALUES = {
    "password": OTHER_PASSWORD,
    "documents": {"gw-1": '{"overrides":[]}'},
    "expires_ms": None,
    "start_ms": None,
    "for_s": 60,
}


@contextmanager
def filled(folder: Path) -> Iterator[tuple[House, str]]:
    """Put a centre together that has something of everything, and a token of an administrator's program."""
    with house(folder) as centre:
        group = [
            up(telemetry(1)),
            up(tombstone(2, 3)),
            up(happened(1, *[raised(number) for number in range(5)]), lane=Lane.EVENTS),
        ]
        given(centre.collector, group)
        asyncio.run(projected(centre.collector))
        centre.collector.link.connected = True
        centre.people(*[role for role in Role if role is not Role.ADMINISTRATOR])
        yield centre, centre.token(OWN_TOKEN, Role.ADMINISTRATOR)


def asked(centre: House, app: FastAPI, token: str, examples: int = EXAMPLES, seed: int = SEED) -> Report:
    """Ask an application everything."""

    def notes() -> int:
        query = select(func.count()).select_from(audit)
        return centre.collector.state.read_now(lambda db: db.execute(query).scalar_one())

    return Asking(app, token, notes, seed_number=seed, examples=examples, values=VALUES).run()


@pytest.mark.timeout(900)  # half a minute of work, on a machine that may have others to do
def test_the_interface_keeps_its_description(tmp_path: Path) -> None:
    """Whatever routes there are; and most of them were reached, with good answers too."""
    with filled(tmp_path) as (centre, token):
        report = asked(centre, centre.collector.app, token)
        assert not report.findings, report.text()
        assert len(report.endless) <= ENDLESS_MAX
        assert report.good("GET") >= 40
        assert sum(report.good(method) for method in ("POST", "PUT", "PATCH", "DELETE")) >= 8
        assert centre.ask("GET", "/api/v1/session", token=token).status_code == 200


def test_what_breaks_the_description_is_found(tmp_path: Path) -> None:
    """A 500, an undocumented status, an answer of another form, a change that nobody noted."""
    with filled(tmp_path) as (centre, token):
        app = FastAPI()
        _plant(app)
        report = asked(centre, app, token)
        assert sorted(report.findings) == [
            ("GET /broken/{number}", "ServerError"),
            ("GET /broken/{number}", "UndefinedStatusCode"),
            ("GET /other", "JsonSchemaError"),
            ("GET /undocumented", "UndefinedStatusCode"),
            ("POST /silent", "NotNoted"),
        ]


def _plant(app: FastAPI) -> None:
    @app.get("/broken/{number}")
    async def get_broken(number: int) -> int:
        """Fail for some numbers only."""
        return 1 // (number % 2)

    @app.get("/undocumented")
    async def get_undocumented() -> int:
        """Answer what is not documented."""
        from fastapi import HTTPException

        raise HTTPException(418)

    @app.get("/other", response_model=None, responses={200: {"model": int}})
    async def get_other() -> Any:
        """Answer a text for a number."""
        return "text"

    @app.post("/silent")
    async def post_silent() -> None:
        """Change something, and note nothing."""
