"""The city platform keeps one case a key, whatever it answers."""

import asyncio
import contextlib
from collections import Counter
from typing import Any

import httpx
import pytest

from simulators.city_platform import CasePlatform, Faults, PlatformServer, application
from simulators.errors import SimulatorError


def platform_of(faults: Faults, *, seed: int = 1, hang_s: float = 0) -> CasePlatform:
    """A platform whose clock stands still."""
    return CasePlatform(faults, seed=seed, now_ms=lambda: 1_800_000_000_000, hang_s=hang_s)


async def _posts(platform: CasePlatform, keys: list[str], body: bytes) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app=application(platform))
    async with httpx.AsyncClient(transport=transport, base_url="http://platform") as client:
        return [
            await client.post("/api/cases", content=body, headers={"Idempotency-Key": key} if key else {})
            for key in keys
        ]


def posts(platform: CasePlatform, keys: list[str], body: bytes = b'{"title": "t"}') -> list[httpx.Response]:
    """Post a case under each key in turn."""
    return asyncio.run(_posts(platform, keys, body))


def test_same_key_gets_the_same_answer() -> None:
    """201 once, then 200, and one case."""
    platform = platform_of(Faults())
    first, again, other = posts(platform, ["a", "a", "b"])
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert first.json() == again.json() == {"number": "SIM-000001", "stage": "collected"}
    assert other.json()["number"] == "SIM-000002"
    assert (platform.received, platform.created, platform.repeated) == (3, 2, 1)


def test_every_case_is_kept_once_under_all_faults() -> None:
    """A sender that repeats until it understands the answer makes exactly one case of each key."""
    platform = platform_of(Faults(timeout=0.2, error_500=0.2, error_429=0.2, garbage=0.2))
    met: Counter[int] = Counter()
    for number in range(60):
        for _ in range(60):
            [answer] = posts(platform, [f"key-{number}"])
            met[answer.status_code] += 1
            if answer.status_code == 429:
                assert answer.headers["Retry-After"] == "1"
            if answer.status_code in (200, 201):
                with contextlib.suppress(ValueError):
                    assert answer.json()["number"] == f"SIM-{number + 1:06}"
                    break
    assert set(met) == {200, 201, 429, 500, 504}
    assert platform.created == len(platform.cases) == 60
    assert platform.received == met.total()
    assert platform.repeated > 0


def test_faults_repeat_by_seed() -> None:
    """The same sequence of requests meets the same faults."""
    faults = Faults(timeout=0.1, error_500=0.3, error_429=0.1, garbage=0.1)
    keys = [f"key-{number}" for number in range(40)]
    runs = [
        [answer.status_code for answer in posts(platform_of(faults, seed=seed), keys)] for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("key", "body", "status", "told"),
    [
        ("", b"{}", 400, "header Idempotency-Key"),
        ("k" * 201, b"{}", 400, "header Idempotency-Key"),
        ("k", b"[]", 400, "no JSON object"),
        ("k", b"\xff", 400, "no JSON object"),
        ("k", b" " * 70_000, 413, "at most 65536 bytes"),
    ],
)
def test_unusable_requests_are_told_why(key: str, body: bytes, status: int, told: str) -> None:
    """And count as nothing."""
    platform = platform_of(Faults())
    [answer] = posts(platform, [key], body)
    assert answer.status_code == status
    assert told in answer.json()["error"]
    assert platform.received == 0


def test_served_over_http_and_hanging() -> None:
    """A sender that gives up waiting finds its case kept; the server still stops at once."""
    platform = platform_of(Faults(timeout=1), hang_s=3600)
    with PlatformServer(platform) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/api/cases", json={}, headers={"Idempotency-Key": "a"}, timeout=1)
        figures: Any = httpx.get(f"{server.url}/api/figures", timeout=10).json()
        cases: Any = httpx.get(f"{server.url}/api/cases", timeout=10).json()
        with (
            pytest.raises(SimulatorError, match="cannot listen"),
            PlatformServer(platform, int(server.url.rpartition(":")[2])),
        ):
            pass
    assert figures == {"received": 1, "created": 1, "repeated": 0}
    assert [(case["key"], case["number"], case["case"]) for case in cases] == [("a", "SIM-000001", {})]


@pytest.mark.parametrize("faults", [{"timeout": -0.1}, {"timeout": 0.6, "garbage": 0.6}])
def test_impossible_probabilities_are_refused(faults: dict[str, float]) -> None:
    """Each within 0 and 1, and all together."""
    with pytest.raises(ValueError, match="probability"):
        Faults(**faults)
