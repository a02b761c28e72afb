"""How long a request may be: refused in words before it takes memory, however it is sent."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from collector.people.roles import Role
from tests.collector.people.making import House, house

HTTP = """[parts]
import_bytes_max = 100_000
"""
MOST = 4 * 1024 * 1024


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[House]:
    """Yield a centre with an administrator."""
    with house(tmp_path, tables=HTTP) as found:
        found.people(Role.READ_ONLY)
        yield found


async def _pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 65_536


def test_a_request_that_says_it_is_too_long_is_not_read(centre: House) -> None:
    """Whatever it asks for."""
    headers = {"Content-Length": str(MOST + 1)}
    told = f"a request takes {MOST} bytes at most here (body_bytes_max); send less at once"
    for path in ("/users", "/tokens", "/cases/nothing/step", "/exports", "/evaluation/exclusions"):
        refused = centre.ask("POST", f"/api/v1{path}", session="boss", content=_pieces(0), headers=headers)
        assert (refused.status_code, refused.json()["detail"]) == (413, told)


def test_a_request_that_does_not_say_how_long_it_is_is_cut_off(centre: House) -> None:
    """After as many bytes; one byte less, and it is read and is no JSON."""
    for pieces, status in ((MOST // 65_536, 422), (MOST // 65_536 + 1, 413)):
        assert (
            centre.ask("POST", "/api/v1/users", session="boss", content=_pieces(pieces)).status_code == status
        )


def test_an_import_has_a_bound_of_its_own(centre: House) -> None:
    """It says how to make it shorter."""
    headers = {"Content-Type": "text/csv"}
    refused = centre.ask("POST", "/api/v1/parts/import", session="boss", content=_pieces(2), headers=headers)
    assert (refused.status_code, "split the file by district" in refused.json()["detail"]) == (413, True)


def test_a_stranger_hears_nothing_of_bounds(centre: House) -> None:
    """The doors come first."""
    headers = {"Content-Length": str(MOST + 1)}
    assert centre.ask("POST", "/api/v1/users", content=_pieces(0), headers=headers).status_code == 401
