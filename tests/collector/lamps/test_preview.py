"""The preview at the centre: computed beside the loop that hears gateways, and no more than people read."""

import threading
from pathlib import Path
from typing import Any

import pytest

from collector.lamps import desk_api as lamp_desk_api
from tests.collector.desired.test_desired import desk
from tests.collector.lamps.test_desk import PLAN, ask, push, told

AWAY = 'gateway = "gw-2"\nplace = { latitude_deg = 30.1, longitude_deg = 104.0 }'
PREVIEW = "preview?first=2026-12-03&nights="


def test_a_preview_is_not_computed_on_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways are heard meanwhile: the loop's thread does none of it."""
    threads: set[int] = set()
    for name in ("previewed", "viewed"):
        real = getattr(lamp_desk_api, name)

        def noted(*arguments: Any, real: Any = real, **more: Any) -> Any:
            threads.add(threading.get_ident())
            return real(*arguments, **more)

        monkeypatch.setattr(lamp_desk_api, name, noted)
    with desk(tmp_path) as centre:
        push(centre)
        assert len(told(centre, "GET", f"{PREVIEW}3")["items"]) == 1
    assert threads
    assert threading.get_ident() not in threads


def test_a_preview_has_an_end_that_is_told_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lamps at two places for three nights are six; fewer nights, or fewer lamps, can be seen."""
    monkeypatch.setattr(lamp_desk_api, "PREVIEW_NIGHTS_MAX", 5)
    with desk(tmp_path) as centre:
        push(centre, PLAN.replace('gateway = "gw-2"', AWAY))
        response = ask(centre, "GET", f"{PREVIEW}3")
        assert response.status_code == 422
        [said] = response.json()["detail"]
        assert (said["type"], said["loc"]) == ("preview", ["query", "nights"])
        assert said["msg"] == (
            "2 kinds of lamps for 3 nights are 6 nights to show, 5 at most; ask for fewer nights, or name "
            "lamps, as lamp=gw-1/*"
        )
        assert len(told(centre, "GET", f"{PREVIEW}2")["items"]) == 2
        assert len(told(centre, "GET", f"{PREVIEW}3&lamp=gw-1/*")["items"]) == 1
