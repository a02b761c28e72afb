"""Exactly one case for each problem: attached to while open, brought back soon after, named by the next."""

import json
from typing import Any

import pytest
from sqlalchemy import insert

from collector.alarms.happening import Alarm
from collector.cases import no_collection
from collector.cases.incidents import name_case
from collector.cases.life import Step
from collector.cases.no_collection import Rule
from collector.cases.tables import case_events, case_similar, case_stages, uncollected
from collector.cases.tables import no_collection as rules
from collector.incidents.tables import incident_members, incidents
from collector.tables import alarms, cases, outbox
from tests.collector.cases.making import (
    CHIEF,
    CLOSING,
    COVER,
    DAY_MS,
    FAR_COVER,
    HOUR_MS,
    MAIN,
    MINUTE_MS,
    NEAR_COVER,
    NOW_MS,
    Rig,
    all_in,
    case_class,
)

RULE_ID = "f" * 32


def test_a_case_begins_with_its_stage_place_departments_deadline_and_message() -> None:
    """All that the register and the classes know of it, and the version of the classes."""
    rig = Rig([case_class(severity="serious", urgent=True)])
    rig.raised(1)
    case = rig.newest()
    assert (case.stage, case.grid, case.area, case.street) == (
        "collected",
        "500103001001001",
        "500103",
        "500103001",
    )
    assert (case.deadline_ms, case.limit_words) == (NOW_MS + 2 * HOUR_MS, "2 urgent_hours")
    assert (case.severity, case.urgent, case.version_of_tables) == ("serious", True, 1)
    [stage] = rig.rows(case_stages)
    assert (stage.n, stage.stage, stage.step, stage.role) == (1, "collected", "open", "sensor")
    [message] = rig.rows(outbox)
    assert json.loads(message.payload)["place"]["street"] == "500103001"
    assert rig.kinds() == ["raised"]


def test_an_alarm_attaches_while_the_case_is_open() -> None:
    """With what it measured, and no second case; a replay adds nothing."""
    rig = Rig()
    rig.raised(1)
    rig.raised(2, device="other-meter")
    rig.raised(2, device="other-meter")
    assert len(rig.rows(cases)) == 1
    assert rig.kinds() == ["raised", "attached"]
    assert json.loads(rig.rows(case_events)[-1].detail)["value"] == 96.5


def test_soon_after_closing_it_is_rework_and_later_another_case_that_names_it() -> None:
    """The class says how soon; rework begins with a new deadline and says why."""
    rig = Rig([case_class(rework_within_h=1)])
    rig.raised(1)
    rig.cleared(1)
    rig.upto(*CLOSING)
    first = rig.newest()
    assert first.closed_how == "person"
    rig.wait(HOUR_MS)
    rig.raised(2)
    again = rig.newest()
    assert (again.id, again.stage, again.rework_count) == (first.id, "dispatched", 1)
    assert (again.closed_ms, again.closed_by) == (None, "")
    assert again.deadline_ms == rig.now_ms + 2 * HOUR_MS
    assert rig.rows(case_stages)[-1].reason == "raised_again"
    rig.cleared(2)
    rig.upto(Step.TAKE_IN_HAND, Step.REPORT, Step.VERIFY)
    rig.wait(HOUR_MS + 1)
    rig.raised(3)
    last = rig.newest()
    assert last.id != first.id
    assert (last.repeat_of, last.stage, last.rework_count) == (first.id, "collected", 0)


def test_a_return_to_normal_settles_the_case_only_when_all_alarms_stay_over() -> None:
    """One of two over: nothing. Both, then one again: nothing. Both for the whole time: verification."""
    rig = Rig([case_class(settle_min=10)])
    rig.raised(1)
    rig.raised(2, device="other")
    rig.cleared(1)
    rig.wait(30 * MINUTE_MS)
    assert rig.stages() == ["collected"]
    rig.cleared(2)
    rig.wait(9 * MINUTE_MS)
    rig.raised(3)
    rig.wait(30 * MINUTE_MS)
    assert rig.stages() == ["collected"]
    rig.cleared(3)
    rig.wait(10 * MINUTE_MS)
    assert rig.stages() == ["collected", "reported"]
    assert rig.newest().closed_ms is None
    assert rig.kinds().count("evidence") == 3
    assert rig.kinds()[-1] == "settled"
    evidence = [json.loads(row.detail) for row in rig.rows(case_events) if row.kind == "evidence"]
    assert (evidence[0]["value"], evidence[0]["cleared_value"]) == (96.5, 180.0)


def test_a_class_may_be_closed_by_its_sensor_and_by_default_is_not() -> None:
    """And a relapse within the time brings it back as rework all the same."""
    rig = Rig([case_class(closes_by_itself=True, settle_min=0)])
    rig.raised(1)
    rig.cleared(1)
    rig.wait(0)
    assert rig.stages() == ["collected", "reported", "verified"]
    assert (rig.newest().closed_how, rig.newest().closed_by) == ("sensor", "sensor")
    rig.raised(2)
    assert (rig.newest().stage, rig.newest().rework_count) == ("dispatched", 1)
    assert rig.newest().dispatched_to == "抢修队"


def test_a_relapse_while_it_waits_for_verification_goes_back_to_where_it_was() -> None:
    """It is no rework, as nobody had worked; after a person's report it is."""
    rig = Rig([case_class(settle_min=1)])
    rig.raised(1)
    rig.upto(Step.FILE, Step.DISPATCH, Step.TAKE_IN_HAND)
    rig.cleared(1)
    rig.wait(MINUTE_MS)
    rig.raised(2)
    assert rig.stages()[-2:] == ["reported", "in_hand"]
    assert rig.newest().rework_count == 0
    rig.upto(Step.REPORT)
    rig.raised(3)
    assert rig.stages()[-1] == "dispatched"
    assert rig.newest().rework_count == 1


def test_a_case_closed_by_hand_while_its_sensor_alarms_comes_back() -> None:
    """After a time for the sensor to notice; not where it did, and not where the case was voided."""
    rig = Rig([case_class(recheck_after_min=60)])
    rig.raised(1)
    rig.upto(*CLOSING)
    rig.wait(59 * MINUTE_MS)
    assert rig.newest().stage == "verified"
    rig.wait(MINUTE_MS)
    assert (rig.newest().stage, rig.newest().rework_count) == ("dispatched", 1)
    assert rig.rows(case_stages)[-1].reason == "still_active"
    rig.upto(Step.TAKE_IN_HAND, Step.REPORT, Step.VERIFY)
    rig.cleared(1)
    rig.wait(2 * HOUR_MS)
    assert rig.newest().stage == "verified"
    rig.raised(2)
    rig.upto(Step.VOID)
    rig.wait(2 * HOUR_MS)
    assert rig.newest().stage == "voided"


def test_after_a_voided_case_the_next_alarm_opens_another() -> None:
    """It was no problem then, so nothing is repeated or done again."""
    rig = Rig()
    rig.raised(1)
    rig.upto(Step.VOID)
    rig.raised(2)
    assert len(rig.rows(cases)) == 2
    assert (rig.newest().repeat_of, rig.newest().rework_count) == ("", 0)


def test_an_alarm_attaches_to_the_case_of_its_incident() -> None:
    """Whatever its own problem is; and its problem has that case from then on, when the incident is over."""
    incident: dict[str, str | None] = {"now": "a" * 32}
    rig = Rig([case_class(), case_class("noise")], incidents_of=lambda _, keys: all_in(incident["now"], keys))
    rig.raised(1)
    rig.raised(2, problem="noise", part="", device="ear")
    rig.raised(3, problem="without_class", part="", device="other")
    assert len(rig.rows(cases)) == 1
    assert {row.case_id for row in rig.rows(alarms)} == {rig.newest().id}
    assert set(rig.told) == {("a" * 32, rig.newest().id)}
    incident["now"] = None
    rig.raised(4, problem="noise", part="", device="ear")
    assert len(rig.rows(cases)) == 1


def test_a_problem_that_has_a_case_keeps_it_whatever_its_incident() -> None:
    """An incident that comes later does not take it away."""
    incident: dict[str, str | None] = {"now": None}
    rig = Rig([case_class(), case_class("noise")], incidents_of=lambda _, keys: all_in(incident["now"], keys))
    rig.raised(1)
    own = rig.newest().id
    incident["now"] = "b" * 32
    rig.raised(2, problem="noise", part="", device="ear")
    rig.raised(3)
    assert rig.rows(alarms)[-1].case_id == own
    assert len(rig.rows(cases)) == 2


def test_a_case_that_comes_back_for_another_problem_has_its_own_again() -> None:
    """Its own problem had gone to an incident's case meanwhile, which was voided: no second one is opened."""
    incident: dict[str, str | None] = {"now": "1" * 32}
    rig = Rig([case_class(rework_within_h=1), case_class("noise", rework_within_h=24)])
    rig.incidents_of = lambda _, keys: all_in(incident["now"], keys)
    rig.start()
    rig.raised(1)
    first = rig.newest().id
    rig.raised(2, problem="noise", part="", device="ear")
    rig.cleared(1)
    rig.cleared(2)
    rig.upto(*CLOSING)
    rig.wait(2 * HOUR_MS)
    incident["now"] = "2" * 32
    rig.raised(3, problem="noise", part="", device="other-ear")
    rig.raised(4)
    assert rig.rows(alarms)[-1].case_id == rig.newest().id != first
    rig.upto(Step.VOID)
    rig.cleared(4)
    incident["now"] = None
    rig.raised(5, problem="noise", part="", device="ear")
    assert rig.rows(cases)[0].stage == "dispatched"
    rig.raised(6)
    assert [row.case_id for row in rig.rows(alarms)][-2:] == [first, first]
    assert len(rig.rows(cases)) == 2


def test_an_incident_that_takes_over_others_has_the_case_of_its_oldest_member() -> None:
    """What its other members have is listed as similar: a person may merge them."""
    incident: dict[str, str | None] = {"now": None}
    rig = Rig(incidents_of=lambda _, keys: all_in(incident["now"], keys))
    rig.db.execute(insert(incidents).values(**an_incident("9" * 32)))
    for number, code in enumerate((COVER, NEAR_COVER), 1):
        rig.raised(number, part=code)
        rig.db.execute(insert(incident_members).values(**a_member("9" * 32, number)))
    first = rig.rows(cases)[0].id
    incident["now"] = "9" * 32
    rig.raised(3, part=FAR_COVER)
    rig.raised(4, part=MAIN)
    assert [row.case_id for row in rig.rows(alarms)][2:] == [first, first]
    assert len(rig.rows(cases)) == 2
    [pair] = rig.rows(case_similar)
    assert {pair.case_id, pair.other_id} == {row.id for row in rig.rows(cases)}
    name_case(rig.db, "9" * 32, first)
    assert [row.case_id for row in rig.rows(incidents) if row.id == "9" * 32] == [first]


def an_incident(incident_id: str) -> dict[str, Any]:
    """Return the row of an incident."""
    told = dict.fromkeys(("key", "grouping", "rule", "title_en", "title_zh", "area"), incident_id)
    told |= {"id": incident_id, "labels": "{}", "priority": "high", "acked_by": ""}
    counts = dict.fromkeys(("opened_ms", "last_ms", "sources", "members", "active", "revision", "version"), 1)
    return told | counts


def a_member(incident_id: str, number: int) -> dict[str, Any]:
    """Return the row that puts an alarm into an incident."""
    told = {"incident_id": incident_id, "gateway": "gw-1", "alarm_id": f"{number:032x}", "source": "s"}
    return told | {"at_ms": NOW_MS}


def test_similar_cases_are_listed_and_never_merged_by_themselves() -> None:
    """Of the same class, near in place and time, and open; by both of the two."""
    rig = Rig([case_class("cover_open", similar_within_m=50, similar_within_h=1), case_class()])
    rig.raised(1, problem="cover_open", part=COVER)
    first = rig.newest().id
    rig.raised(2, problem="pipe_burst", part=MAIN)
    rig.raised(3, problem="cover_open", part=FAR_COVER)
    rig.raised(4, problem="cover_open", part=NEAR_COVER)
    assert len(rig.rows(cases)) == 4
    [pair] = rig.rows(case_similar)
    assert (pair.case_id, pair.other_id) == (rig.newest().id, first)
    assert 15 < pair.distance_m < 25
    rig.upto(Step.VOID, case_id=first)
    rig.upto(Step.VOID)
    rig.wait(1)
    rig.raised(5, problem="cover_open", part=NEAR_COVER)
    assert len(rig.rows(case_similar)) == 1


def test_what_is_merged_belongs_to_the_other_case_from_then_on() -> None:
    """Its alarms, and those that its part raises again."""
    rig = Rig([case_class("cover_open")])
    rig.raised(1, problem="cover_open", part=COVER)
    first = rig.newest().id
    rig.raised(2, problem="cover_open", part=NEAR_COVER)
    second = rig.newest().id
    rig.step(Step.MERGE, case_id=second, other=first)
    merged = rig.newest()
    assert (merged.stage, merged.closed_how, merged.merged_into) == ("voided", "merged", first)
    rig.raised(3, problem="cover_open", part=NEAR_COVER)
    assert {row.case_id for row in rig.rows(alarms)} == {first}
    assert len(rig.rows(cases)) == 2
    assert "merged" in rig.kinds(first)
    rig.cleared(1)
    rig.cleared(3)
    rig.wait(DAY_MS)
    assert rig.stages(first)[-1] == "collected"
    rig.cleared(2)
    rig.wait(DAY_MS)
    assert rig.stages(first)[-1] == "reported"


def collecting_nothing(rig: Rig, **changes: Any) -> None:
    """Make a rule of no collection."""
    told: dict[str, Any] = {
        "area": "500103",
        "problem": "",
        "from_ms": NOW_MS,
        "until_ms": None,
        "daily_from_min": None,
        "daily_until_min": None,
        "reason": "road works",
    }
    no_collection.add(rig.db, RULE_ID, Rule(**told | changes), CHIEF, rig.now_ms, most=10)


def test_where_nothing_is_collected_an_alarm_makes_no_case_and_is_counted() -> None:
    """With the rule that kept it out; when the rule ends, what is still active makes its case."""
    rig = Rig()
    collecting_nothing(rig)
    rig.raised(1)
    rig.raised(2, part=COVER)
    rig.cleared(2)
    rig.wait(HOUR_MS)
    assert rig.rows(cases) == []
    assert rig.rows(rules)[0].hits == 2
    assert [(row.rule_id, row.waits) for row in rig.rows(uncollected)] == [(RULE_ID, 1), (RULE_ID, 0)]
    no_collection.end(rig.db, RULE_ID, CHIEF, rig.now_ms)
    rig.wait(MINUTE_MS)
    [case] = rig.rows(cases)
    assert (case.part, case.opened_ms) == (MAIN, rig.now_ms)
    assert rig.rows(uncollected)[0].waits == 0


def test_an_open_case_is_attached_to_also_where_nothing_is_collected() -> None:
    """The rule keeps new cases away, and does not hide what happens to one there is."""
    rig = Rig()
    rig.raised(1)
    collecting_nothing(rig)
    rig.raised(2)
    assert rig.kinds() == ["raised", "attached"]
    assert rig.rows(rules)[0].hits == 0


@pytest.mark.parametrize(
    ("changes", "kept_out"),
    [
        ({}, True),
        ({"area": "500104"}, False),
        ({"area": ""}, True),
        ({"problem": "noise"}, False),
        ({"problem": "pipe_burst"}, True),
        ({"from_ms": NOW_MS + 1}, False),
        ({"until_ms": NOW_MS}, False),
        ({"until_ms": NOW_MS + 1}, True),
        ({"daily_from_min": 16 * 60, "daily_until_min": 16 * 60 + 1}, True),
        ({"daily_from_min": 16 * 60 + 1, "daily_until_min": 17 * 60}, False),
        ({"daily_from_min": 22 * 60, "daily_until_min": 16 * 60 + 1}, True),
        ({"daily_from_min": 22 * 60, "daily_until_min": 16 * 60}, False),
    ],
)
def test_a_rule_has_its_area_class_time_and_hours_of_the_day(changes: dict[str, Any], kept_out: bool) -> None:
    """The moment is 16:00 in China; hours may pass midnight."""
    rig = Rig()
    collecting_nothing(rig, **changes)
    rig.raised(1)
    assert (rig.rows(cases) == []) is kept_out


def test_overdue_is_found_once_for_each_deadline() -> None:
    """An extension gives a new one; what is closed is not late."""
    rig = Rig()
    rig.raised(1)
    rig.upto(Step.FILE, Step.DISPATCH)
    rig.wait(2 * HOUR_MS)
    assert "overdue" not in rig.kinds()
    rig.wait(1)
    rig.wait(HOUR_MS)
    assert rig.kinds().count("overdue") == 1
    assert json.loads(rig.rows(outbox)[-1].payload)["step"] == "overdue"
    rig.step(Step.EXTEND, deadline_ms=rig.now_ms + HOUR_MS)
    rig.wait(HOUR_MS)
    assert rig.kinds().count("overdue") == 1
    rig.wait(1)
    assert rig.kinds().count("overdue") == 2


def test_an_alarm_of_planned_work_or_without_a_class_makes_no_case() -> None:
    """It is on the alarms' record."""
    rig = Rig()
    rig.raised(1, planned=True)
    rig.raised(2, problem="something_else")
    assert rig.rows(cases) == []
    assert len(rig.rows(alarms)) == 2


@pytest.mark.parametrize("together", [False, True])
def test_a_case_that_goes_to_another_incident_and_back_is_found_where_it_is(together: bool) -> None:
    """Also within one transaction: what is closed of its incident stays closed beside one that is open."""
    incident_of: dict[str, str] = {}
    rig = Rig(incidents_of=lambda _, keys: {key: incident_of[key[1]] for key in keys})

    def alarm(number: int, incident_id: str, part: str) -> Alarm:
        incident_of[f"{number:032x}"] = incident_id
        return rig.alarm(number, part=part, device=f"d{number}")

    def take(*alarms: Alarm) -> None:
        rig.alarms.take(rig.db, alarms)
        rig.db.commit()

    take(alarm(1, "second", COVER))
    rig.upto(*CLOSING)
    rig.cleared(1)
    rig.now_ms += MINUTE_MS
    take(alarm(2, "first", MAIN))
    moving = [alarm(3, "second", MAIN), alarm(4, "third", MAIN), alarm(5, "second", MAIN)]
    moving.append(alarm(6, "second", FAR_COVER))
    for some in [moving] if together else [[each] for each in moving]:
        take(*some)
    closed, open_ = rig.rows(cases)
    assert (closed.stage, closed.rework_count, open_.incident_id) == ("verified", 0, "second")
    assert [row.case_id for row in rig.rows(alarms)] == [closed.id] + [open_.id] * 5
