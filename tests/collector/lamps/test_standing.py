"""What was said by hand and stands: several windows for the same lamps, and what cabinets have refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from collector.tables import desired, events
from contract.desired import DesiredKind, Outcome, Refusal
from contract.events import DesiredReport
from contract.limits import TIME_MS_MAX
from contract.topics import Lane
from lighting.documents import Condition, Conditions, Overrides, read_overrides, written
from tests.collector.desired.test_desired import Desk, desk
from tests.collector.lamps.test_desk import HOUR_MS, PLAN, ask, bodies, override, push, told
from tests.collector.making import NOW_MS, Clock, given, happened, projected, rows, up

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


def answer(
    centre: Desk,
    outcome: Outcome,
    kind: DesiredKind = DesiredKind.LAMP_OVERRIDES,
    refusal: Refusal | None = None,
) -> None:
    """Let gw-1 answer the newest document of a kind."""
    newest = [row for row in rows(centre.collector.state, desired) if row[:2] == ("gw-1", kind)][-1]
    number, sequence, digest = 1 + len(rows(centre.collector.state, events)), newest[2], newest[4]
    report = DesiredReport(
        f"{number:032x}", NOW_MS, kind, outcome, sequence, highest=sequence, digest=digest,
        refusal=refusal, reason="as it says",
    )  # fmt: skip
    given(centre.collector, [up(happened(number, report), lane=Lane.EVENTS)])
    asyncio.run(projected(centre.collector))


def test_an_override_that_a_cabinet_refused_blocks_no_later_one(tmp_path: Path) -> None:
    """The next builds on what the cabinet took, and names what is left out; also when history is short."""
    with desk(tmp_path) as centre:
        push(centre)
        override(centre, "gw-1/lamp-1", level=0, reason="crew")
        answer(centre, Outcome.IN_FORCE)
        for _ in range(7):
            override(centre, "gw-1/lamp-2", reason="too much")
            answer(centre, Outcome.REFUSED, refusal=Refusal.INVALID)
            assert windows(centre) == [(["lamp-1"], 0, 0, 1)]
        assert override(centre, "gw-1/lamp-3")["remarks"] == [
            "gw-1: 100 % from 2027-01-15 16:00 to 17:00 (too much (li)) is left out for lamp-2: "
            "the cabinet refused it: as it says"
        ]
        assert windows(centre) == [(["lamp-1"], 0, 0, 1), (["lamp-3"], 100, 0, 1)]
        answer(centre, Outcome.ROLLED_BACK)
        assert windows(centre) == [(["lamp-1"], 0, 0, 1)]


def test_what_was_refused_for_another_reason_than_itself_stands(tmp_path: Path) -> None:
    """A full disk says nothing against an override; nor does silence."""
    with desk(tmp_path) as centre:
        push(centre)
        override(centre, "gw-1/lamp-1")
        override(centre, "gw-1/lamp-2")
        answer(centre, Outcome.REFUSED, refusal=Refusal.STORAGE_UNAVAILABLE)
        override(centre, "gw-1/lamp-3")
        assert [lamps for lamps, *_ in windows(centre)] == [["lamp-1"], ["lamp-2"], ["lamp-3"]]


def test_what_a_stricter_plan_forbids_is_cut_and_does_not_block_the_others(tmp_path: Path) -> None:
    """One that has begun ends as it was to, if that is near enough; the cabinet takes all of it."""
    clock = Clock()
    with desk(tmp_path, clock) as centre:
        push(centre)
        override(centre, "gw-1/lamp-1", for_s=7200)
        override(centre, "gw-1/lamp-2", for_s=7200, start_ms=NOW_MS - HOUR_MS)
        override(centre, "gw-1/lamp-3", for_s=7200, start_ms=NOW_MS + HOUR_MS)
        push(centre, PLAN.replace("longest_s = 7200", "longest_s = 3600"))
        clock.now_ms += 60_000
        assert override(centre, "gw-1/lamp-4", reason="emergency")["remarks"] == [
            "gw-1: 100 % from 2027-01-15 16:00 to 18:00 (accident (li)) ends at 17:01 for lamp-1: "
            "the plan allows 3600 s",
            "gw-1: 100 % from 2027-01-15 17:00 to 19:00 (accident (li)) ends at 18:00 for lamp-3: "
            "the plan allows 3600 s",
        ]
        sent = bodies(centre, tmp_path, DesiredKind.LAMP_OVERRIDES)
        read_overrides(sent["gw-1"], [f"lamp-{n}" for n in range(1, 5)], 3600)
        assert [(it[0], it[3]) for it in windows(centre)][1] == (["lamp-2"], 1.0)


def test_the_plan_that_a_cabinet_follows_says_how_long_an_override_may_be(tmp_path: Path) -> None:
    """One of next week that allows more does not yet, and one that allows less only for what it will meet."""
    later = {"who": "wang", "effective_ms": NOW_MS + 7 * DAY_MS}
    asked = {"addresses": ["gw-1/lamp-1"], "level": 100, "reason": "x", "who": "li"}
    with desk(tmp_path) as centre:
        push(centre)
        answer(centre, Outcome.IN_FORCE, DesiredKind.LAMP_PLAN)
        told(centre, "PUT", "plan", later | {"text": PLAN.replace("longest_s = 7200", "longest_s = 43200")})
        response = ask(centre, "POST", "overrides", asked | {"for_s": 36_000})
        assert response.status_code == 422
        assert "the plan that gw-1 follows allows 2h" in response.text
        strict = PLAN.replace("longest_s = 7200", "longest_s = 600").replace(
            "default_s = 3600", "default_s = 60"
        )
        told(centre, "PUT", "plan", later | {"text": strict})
        told(centre, "POST", "overrides", asked | {"for_s": 7200})
        meets = asked | {"for_s": 7200, "start_ms": NOW_MS + 7 * DAY_MS}
        assert "give 10min at most" in ask(centre, "POST", "overrides", meets).text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("overrides", {"addresses": ["gw-1/*"], "level": 0, "reason": "x", "for_s": 3600}),
        ("conditions", {"condition": "fog", "for_s": 3600}),
    ],
)
def test_what_is_over_before_it_is_said_is_refused(tmp_path: Path, path: str, body: dict[str, Any]) -> None:
    """Nobody is told 200 for what will do nothing; nor for what takes no time, or never ends."""
    with desk(tmp_path) as centre:
        push(centre)
        for more, said in (
            ({"start_ms": NOW_MS - HOUR_MS}, "is over"),
            ({"start_ms": NOW_MS + HOUR_MS, "for_s": 0.0001}, "is over"),
            ({"start_ms": TIME_MS_MAX}, "is later than"),
        ):
            response = ask(centre, "POST", path, body | {"who": "li"} | more)
            assert (response.status_code, said in response.text) == (422, True), response.text
        assert bodies(centre, tmp_path, DesiredKind.LAMP_OVERRIDES) == {}
