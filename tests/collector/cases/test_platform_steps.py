"""What a platform says becomes steps of a case's life; what its life does not allow is refused in words."""

from typing import Any

import pytest

from collector.cases import confirming
from collector.cases.life import Stage
from collector.cases.tables import case_stages
from collector.people.roles import Actor, Role
from collector.platforms.desk_stages import TOLD, DeskStages
from collector.platforms.hearing import Backwards, decide
from collector.platforms.stages import StageError
from collector.tables import outbox
from tests.collector.cases.making import CREW, Rig, case_class

CITY = Actor("city", Role.COMMAND)


def says(rig: Rig, *stages: str, **told: Any) -> None:
    """Have the platform say that the newest case is in these stages."""
    at = DeskStages(rig.desk)
    for stage in stages:
        try:
            at.step(rig.db, rig.newest().id, stage, CITY, rig.now_ms, **told)
        except StageError:
            rig.db.rollback()
            raise
        rig.db.commit()


def taken(rig: Rig, number: str = "C-1") -> None:
    """Have the platform take the newest case."""
    DeskStages(rig.desk).file(rig.db, rig.newest().id, number, CITY, rig.now_ms)
    rig.db.commit()


def test_a_platform_leads_a_case_to_its_end_and_is_not_told_of_it() -> None:
    """Who acted is the platform; only what the centre does is posted."""
    rig = Rig()
    rig.raised(1)
    taken(rig)
    says(rig, "dispatched", department="二队")
    says(rig, "in_hand", "reported", "verified", "evaluated")
    case = rig.newest()
    assert (case.stage, case.dispatched_to, case.platform_number) == ("evaluated", "二队", "C-1")
    assert case.closed_how == "platform"
    assert {(row.who, row.role) for row in rig.rows(case_stages)[1:]} == {("city", "platform")}
    assert rig.rows(case_stages)[4].note == TOLD
    assert [row.kind for row in rig.rows(outbox)] == ["opened"]


def test_a_number_that_is_known_stays_and_filing_is_done_once() -> None:
    """Also where the sensor was faster than the platform."""
    rig = Rig([case_class(settle_min=0)])
    rig.raised(1)
    rig.cleared(1)
    rig.wait(0)
    assert rig.newest().stage == "reported"
    taken(rig)
    taken(rig, "C-2")
    case = rig.newest()
    assert (case.stage, case.platform_number, case.filed_ms) == ("reported", "C-1", rig.now_ms)
    assert rig.kinds().count("accepted") == 1


def test_dispatched_again_and_sent_back_by_the_platform_are_counted() -> None:
    """With the reason that it gives, or that it gave none."""
    rig = Rig()
    rig.raised(1)
    taken(rig)
    says(rig, "dispatched", department="a")
    says(rig, "dispatched", department="b", note="busy")
    says(rig, "in_hand", "reported", "dispatched")
    case = rig.newest()
    assert (case.redispatch_count, case.rework_count, case.dispatched_to) == (1, 1, "b")
    assert rig.rows(case_stages)[-1].reason == TOLD
    says(rig, "in_hand", "reported", "in_hand")
    assert rig.newest().rework_count == 2


def test_what_the_life_does_not_allow_is_refused_in_its_words() -> None:
    """A closed case is not dispatched by a platform, and a voided one is not verified."""
    rig = Rig()
    rig.raised(1)
    taken(rig)
    says(rig, "dispatched", "in_hand", "reported", "verified")
    with pytest.raises(StageError, match="a case that is verified allows no dispatch"):
        says(rig, "dispatched")
    rig.raised(2, part="", device="other")
    says(rig, "voided", note="not ours")
    assert rig.newest().closed_how == "voided"
    with pytest.raises(StageError, match="allows no verification"):
        says(rig, "verified")


def test_a_voided_case_has_no_place_in_the_order_of_stages() -> None:
    """From anywhere to voided is one step, and from there is none."""
    assert decide("collected", "voided", None, None) == ("voided",)
    assert decide("voided", "voided", None, None) == ()
    assert isinstance(decide("voided", "verified", 2, 1), Backwards)
    assert decide("collected", "in_hand", None, None) == ("filed", "dispatched", "in_hand")


def test_a_dispatch_waits_for_the_inspectors_and_work_on_the_spot_overtakes_them() -> None:
    """A yes does what the platform asked for; a platform at work already does not wait for it."""
    rig = Rig([case_class(needs_confirmation=True)])
    rig.raised(1)
    taken(rig)
    says(rig, "dispatched", department="二队")
    assert (rig.newest().stage, rig.newest().dispatched_to) == ("filed", "二队")
    confirming.answer(
        rig.db, rig.desk, rig.newest().id, CREW, rig.now_ms, is_there=True, lon=None, lat=None, note=""
    )
    assert (rig.newest().stage, rig.stages()[-1]) == ("dispatched", "dispatched")
    rig.raised(2, part="", device="other")
    taken(rig, "C-2")
    says(rig, "dispatched", "in_hand", department="三队")
    case = rig.newest()
    assert (case.stage, case.waits_for, case.dispatched_to) == ("in_hand", "", "三队")
    assert rig.stages() == ["collected", "filed", "dispatched", "in_hand"]


def test_nobody_leads_a_case_to_its_beginning() -> None:
    """The stage before all others is no step's."""
    rig = Rig()
    rig.raised(1)
    taken(rig)
    with pytest.raises(StageError, match="no case is led to collected"):
        says(rig, Stage.COLLECTED)
