"""Who has a document and what was said by hand, as the lighting team sees it in 80 columns."""

import datetime as dt
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

import httpx
import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from gengfu import desired_table, standing_table
from gengfu.commands import lamp_desk
from gengfu.commands.lamps import app
from tests.gengfu.operators import ENGLISH

NOW_MS = 1_795_783_200_000
HOUR_MS = 3_600_000
ITEM = {
    "gateway": "lighting-1",
    "sequence": 3,
    "state": "in_force",
    "reason": "",
    "online": True,
    "reported_ms": NOW_MS - 5_000,
    "effective_ms": NOW_MS,
    "in_force": 3,
}
STANDING: Mapping[str, Any] = {
    "gateway": "lighting-1",
    "overrides": [
        {
            "lamps": [f"lamp-{number}" for number in range(11, 19)],
            "level": 40,
            "start_ms": NOW_MS - 1,
            "expiration_ms": NOW_MS + 2 * HOUR_MS,
            "reason": "film night, until the crew has left the bridge; ask Mr Wang (li)",
        },
        {
            "lamps": ["north"],
            "level": 0,
            "start_ms": NOW_MS + HOUR_MS,
            "expiration_ms": NOW_MS + 3 * HOUR_MS,
            "reason": "works",
        },
    ],
    "conditions": [{"condition": "fog", "from_ms": NOW_MS, "until_ms": NOW_MS + HOUR_MS}],
}


def printed(parts: Iterable[RenderableType]) -> list[str]:
    """Return the lines, which fit into 80 columns."""
    file = StringIO()
    console = Console(file=file, width=80, highlight=False, markup=False)
    for part in parts:
        console.print(part)
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert max(map(cell_len, lines), default=0) <= 80
    return lines


def at(moment_ms: int) -> str:
    """Return the time as this machine shows it."""
    return dt.datetime.fromtimestamp(moment_ms / 1000).astimezone().strftime("%m-%d %H:%M")


@pytest.mark.parametrize(
    ("changes", "head", "why"),
    [
        ({}, "in force at 1 of 1", ""),
        ({"online": False}, "in force at 1 of 1", "gateway is offline"),
        ({"state": "stored", "effective_ms": NOW_MS + HOUR_MS}, "in force at 0 of 1", "from {0} on"),
        (
            {"state": "stored", "online": False, "effective_ms": NOW_MS + HOUR_MS},
            "in force at 0 of 1",
            "from {0} on, gateway is offline",
        ),
        ({"state": "refused", "reason": "no lamp 'x'"}, "in force at 0 of 1", "no lamp 'x'"),
    ],
)
def test_each_gateway_has_its_state_and_a_reason(changes: dict[str, Any], head: str, why: str) -> None:
    """When it will be in force, why it is not, and whether anybody is there to answer."""
    lines = printed(desired_table.parts([ITEM | changes], NOW_MS, "en"))
    assert lines[0] == head
    told = " ".join(" ".join(lines[2:]).split())
    assert told.endswith(("ago " + why.format(at(NOW_MS + HOUR_MS))).rstrip())


def test_what_was_said_by_hand_is_a_table() -> None:
    """Lamps as plans write them, from when where that is to come; in Chinese as well."""
    lines = printed(standing_table.parts([STANDING], NOW_MS, "en"))
    assert lines[1] == "by hand, in this machine's time"
    assert lines[2].split() == ["gateway", "what", "until", "lamps", "why"]
    rows = [" ".join(line.split()) for line in lines[3:]]
    assert rows[0].startswith(f"lighting-1 40 % {at(NOW_MS + 2 * HOUR_MS)} lamp-{{11-18}} film night")
    assert rows[-3:-1] == [f"lighting-1 off {at(NOW_MS + HOUR_MS)} to north works", at(NOW_MS + 3 * HOUR_MS)]
    assert rows[-1] == f"lighting-1 fog {at(NOW_MS + HOUR_MS)} all"
    assert printed(standing_table.parts([STANDING], NOW_MS, "zh"))[1] == "人工设定（本机时间）"
    assert printed(standing_table.parts([{"gateway": "a", "overrides": [], "conditions": []}], 0, "en")) == []


def test_a_refusal_names_what_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interface calls it for_s, people wrote --for; a plan's mistake has file and line of its own."""
    detail = [
        {"type": "desk", "loc": ["body", "for_s"], "msg": "give 2h at most"},
        {"type": "toml", "loc": ["body", "text"], "msg": "street.toml:3: name: is missing"},
        {"type": "document", "loc": ["body", "cabinets", "gw-1"], "msg": "was never heard"},
    ]
    monkeypatch.setattr(httpx, "request", lambda *_, **__: httpx.Response(422, json={"detail": detail}))
    words = ["override", "gw-1/*", "--level", "5", "--reason", "x", "--for", "9h"]
    ran = CliRunner().invoke(app, words, env=ENGLISH)
    assert ran.exit_code == 1
    assert ran.stderr.splitlines() == [
        "--for: give 2h at most",
        "street.toml:3: name: is missing",
        "cabinet gw-1: was never heard",
    ]
    assert set(lamp_desk.OPTIONS) >= {"for_s", "gateways", "addresses", "condition"}
