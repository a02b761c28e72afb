"""What was said by hand and stands: several windows for the same lamps, and what cabinets have refused."""

from pathlib import Path
from typing import Any

from contract.desired import DesiredKind
from lighting.documents import Condition, Conditions, Overrides, written
from tests.collector.making import NOW_MS
from tests.collector.test_desired import Desk, desk
from tests.collector.test_lamp_desk import HOUR_MS, ask, bodies, override, push, told

DAY_MS = 24 * HOUR_MS


def standing(centre: Desk, gateway: str = "gw-1") -> dict[str, Any]:
    """Return what is told of a cabinet."""
    [found] = [it for it in told(centre, "GET", "standing")["items"] if it["gateway"] == gateway]
    stands: dict[str, Any] = found
    return stands


def windows(centre: Desk, gateway: str = "gw-1") -> list[tuple[list[str], int, float, float]]:
    """Return lamps, level, begin and end of the overrides that stand; in hours from now."""
    return [
        (
            it["lamps"],
            it["level"],
            (it["start_ms"] - NOW_MS) / HOUR_MS,
            (it["expiration_ms"] - NOW_MS) / HOUR_MS,
        )
        for it in standing(centre, gateway)["overrides"]
    ]


def held(centre: Desk, gateway: str = "gw-1") -> list[tuple[str, float, float]]:
    """Return the conditions that hold or will, begin and end in hours from now."""
    return [
        (it["condition"], (it["from_ms"] - NOW_MS) / HOUR_MS, (it["until_ms"] - NOW_MS) / HOUR_MS)
        for it in standing(centre, gateway)["conditions"]
    ]


def hold(centre: Desk, hours: float, *, after: float = 0) -> Any:
    """Say that there is fog for some hours."""
    body = {"condition": "fog", "who": "li", "for_s": hours * 3600, "start_ms": NOW_MS + int(after * HOUR_MS)}
    return told(centre, "POST", "conditions", body)


def test_what_is_planned_for_tomorrow_leaves_what_holds_now(tmp_path: Path) -> None:
    """The crew in the mast stays in the dark; two evenings of the same lamps can both be set."""
    with desk(tmp_path) as centre:
        push(centre)
        override(centre, "gw-1/lamp-1", level=0, reason="crew in the mast", for_s=3600)
        for days in (1, 2):
            answer = override(centre, "gw-1/*", for_s=3600, start_ms=NOW_MS + days * DAY_MS)
            assert answer == {"gateways": ["gw-1"], "remarks": []}
        all_four = [f"lamp-{n}" for n in range(1, 5)]
        assert windows(centre) == [
            (["lamp-1"], 0, 0, 1),
            (all_four, 100, 24, 25),
            (all_four, 100, 48, 49),
        ]
        sent = bodies(centre, tmp_path, DesiredKind.LAMP_OVERRIDES)
        assert len(Overrides.model_validate_json(sent["gw-1"]).overrides) == 3


def test_where_two_overlap_the_one_said_last_wins_while_it_holds_and_that_is_told(tmp_path: Path) -> None:
    """A former one holds before and after; one that could never hold again is replaced. Both are named."""
    with desk(tmp_path) as centre:
        push(centre)
        override(centre, "gw-1/lamp-{1-2}", level=0, reason="crew", for_s=7200)
        [said] = override(centre, "gw-1/lamp-1", for_s=1800, start_ms=NOW_MS + HOUR_MS)["remarks"]
        assert said == (
            "gw-1: 0 % from 2027-01-15 16:00 to 18:00 (crew (li)) stands back for lamp-1 while this one holds"
        )
        assert windows(centre) == [(["lamp-1", "lamp-2"], 0, 0, 2), (["lamp-1"], 100, 1, 1.5)]
        later = {"level": 30, "for_s": 3600, "start_ms": NOW_MS + HOUR_MS}
        assert override(centre, "gw-1/lamp-1", **later)["remarks"] == [
            said,
            "gw-1: 100 % from 2027-01-15 17:00 to 17:30 (accident (li)) is replaced for lamp-1",
        ]
        assert windows(centre) == [(["lamp-1", "lamp-2"], 0, 0, 2), (["lamp-1"], 30, 1, 2)]


def test_cancelling_names_what_had_not_begun(tmp_path: Path) -> None:
    """Whoever ends what holds now learns that tomorrow's evening went with it."""
    with desk(tmp_path) as centre:
        push(centre)
        override(centre, "gw-1/lamp-{1-2}", for_s=3600)
        override(centre, "gw-1/lamp-{1-2}", reason="festival", for_s=3600, start_ms=NOW_MS + DAY_MS)
        answer = told(centre, "POST", "overrides/cancel", {"addresses": ["gw-1/lamp-1"], "who": "li"})
        assert answer["remarks"] == [
            "gw-1: 100 % from 2027-01-16 16:00 to 17:00 (festival (li)) is cancelled too for lamp-1"
        ]
        assert windows(centre) == [(["lamp-2"], 100, 0, 1), (["lamp-2"], 100, 24, 25)]


def test_a_condition_of_tomorrow_leaves_the_one_that_holds(tmp_path: Path) -> None:
    """Said again while it holds, its end moves, without a gap before; what is cut short is named."""
    with desk(tmp_path) as centre:
        push(centre)
        hold(centre, 2)
        assert hold(centre, 2, after=24)["remarks"] == []
        assert held(centre) == [("fog", 0, 2), ("fog", 24, 26)]
        hold(centre, 2, after=1)
        assert held(centre) == [("fog", 24, 26), ("fog", 0, 3)]
        remarks = hold(centre, 0.5)["remarks"]
        assert remarks[0] == "gw-1: fog from 2027-01-15 16:00 to 19:00 ends at 16:30"
        assert held(centre, "gw-2") == [("fog", 24, 26), ("fog", 0, 0.5)]


def test_a_cabinet_holds_no_more_conditions_than_it_takes(tmp_path: Path) -> None:
    """The thousand and first is refused with a remedy, not with a fault of the server."""
    with desk(tmp_path) as centre:
        push(centre)
        _fill_conditions(centre, 1000)
        fog = {"condition": "fog", "who": "li", "for_s": 1, "gateways": ["gw-1"]}
        response = ask(centre, "POST", "conditions", fog | {"start_ms": NOW_MS + 9 * DAY_MS})
        assert response.status_code == 422
        assert "has 1000 conditions already" in response.text


def _fill_conditions(centre: Desk, count: int) -> None:
    """Let a cabinet have so many, each of a second."""
    each = [
        Condition(condition="fog", from_ms=NOW_MS + 2000 * n, until_ms=NOW_MS + 2000 * n + 1000)
        for n in range(1, count + 1)
    ]
    asked = {"documents": {"gw-1": written(Conditions(conditions=each))}, "who": "li"}
    assert centre.ask("PUT", DesiredKind.LAMP_CONDITIONS, json=asked).status_code == 200
