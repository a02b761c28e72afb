"""The life of a case against its table: every step from every stage by everybody is what the table says."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select, update

from collector.cases.life import LIFE, PLATFORM, SENSOR, Party, Stage, Step, party_of, transition
from collector.cases.settings import Cases
from collector.cases.tables import case_stages
from collector.cases.words import ERRORS, NAMES, CaseError
from collector.people.roles import CENTRE, Actor, Role
from collector.tables import audit, cases, outbox
from tests.collector.cases.making import CLOSING, COVER, HOUR_MS, Rig, case_class

ACTORS = {
    Party.READ_ONLY: Actor("guest", Role.READ_ONLY),
    Party.TECHNICIAN: Actor("crew", Role.TECHNICIAN),
    Party.LIGHTING: Actor("lamps", Role.LIGHTING),
    Party.COMMAND: Actor("chief", Role.COMMAND),
    Party.ADMINISTRATOR: Actor("root", Role.ADMINISTRATOR),
    Party.PLATFORM: PLATFORM,
    Party.SENSOR: SENSOR,
    Party.CENTRE: CENTRE,
}

EXPECTED = """
file               collected                                   filed       desk centre
dispatch           filed                                       dispatched  desk centre
take_in_hand       dispatched                                  in_hand     field
report             dispatched in_hand                          reported    field
report             collected filed dispatched in_hand          reported    sensor
verify             reported                                    verified    desk sensor
return_for_rework  reported                                    dispatched  desk
evaluate           verified                                    evaluated   desk
redispatch         dispatched in_hand                          dispatched  desk
ask_extension      dispatched in_hand                          -           field
extend             dispatched in_hand                          -           desk
refuse_extension   dispatched in_hand                          -           desk
void               collected filed dispatched in_hand reported voided      desk
merge              collected filed dispatched in_hand reported voided      desk
rework             reported verified evaluated                 dispatched  sensor
relapse            reported                                    before      sensor
"""
"""The table as people agreed on it, written a second time: step, from, to, by."""
DESK = ("command", "administrator", "platform")
GROUPS = {"desk": DESK, "field": ("technician", *DESK)}
PATHS: dict[Stage, tuple[Step, ...]] = {
    Stage.COLLECTED: (),
    Stage.FILED: CLOSING[:1],
    Stage.DISPATCHED: CLOSING[:2],
    Stage.IN_HAND: CLOSING[:3],
    Stage.REPORTED: CLOSING[:4],
    Stage.VERIFIED: CLOSING,
    Stage.EVALUATED: (*CLOSING, Step.EVALUATE),
    Stage.VOIDED: (Step.VOID,),
}


def expected() -> dict[tuple[Step, Stage, Party], str]:
    """Return where each allowed step leads."""
    found = {}
    for line in EXPECTED.strip().splitlines():
        step, stages, to = line[:19].strip(), line[19:63].split(), line[63:75].strip()
        parties = [each for word in line[75:].split() for each in GROUPS.get(word, (word,))]
        for stage, party in itertools.product(stages, parties):
            found[Step(step), Stage(stage), Party(party)] = to
    return found


def test_the_table_is_the_one_that_was_agreed_on() -> None:
    """Each of the 960 questions has the same answer, and each refusal says why in both languages."""
    agreed = expected()
    for step, stage, party in itertools.product(Step, Stage, Party):
        if (step, stage, party) in agreed:
            row = transition(step, stage, party)
            to = "before" if row.back else str(row.to or "-")
            assert to == agreed[step, stage, party], (step, stage, party)
        else:
            with pytest.raises(CaseError) as caught:
                transition(step, stage, party)
            assert caught.value.key in ("wrong_stage", "not_yours")
            assert caught.value.words("en") != caught.value.words("zh")


def test_every_row_of_the_table_is_walked_on_a_real_case() -> None:
    """By each party that may, from each stage: it arrives where the table says, and its life says how."""
    walked = set()
    for (step, stage, party), to in expected().items():
        rig = Rig([case_class(), case_class("cover_open")])
        rig.raised(1, problem="cover_open", part=COVER)
        other = rig.newest().id
        rig.raised(2)
        rig.upto(*PATHS[stage])
        assert rig.newest().stage == stage
        if step is Step.REFUSE_EXTENSION:
            rig.step(Step.ASK_EXTENSION, deadline_ms=rig.now_ms + 90 * HOUR_MS, reason="rain")
        told: dict[str, Any] = {"note": "so", "reason": "because", "department": "another"}
        told["deadline_ms"] = rig.now_ms + 99 * HOUR_MS
        told["other"] = other
        taken = rig.step(step, ACTORS[party], **told)
        before = Stage(rig.stages()[-3]) if to == "before" else stage
        assert taken.stage == (before if to in ("before", "-") else to), (step, stage, party)
        if to != "-":
            last = rig.rows(case_stages)[-1]
            assert (last.step, last.role, last.who) == (step, party, ACTORS[party].name)
        walked.add(step)
    assert walked == set(Step)


def test_everything_that_people_are_told_has_a_name_in_both_languages() -> None:
    """Stages, steps, parties, needs, and every sentence."""
    needs = {need for row in LIFE for need in row.needs}
    for key in (*Stage, *Step, *Party, *needs):
        assert len(NAMES[key]) == 2
    for english, chinese in ERRORS.values():
        fields = [set(re.findall(r"{(\w+)}", text)) for text in (english, chinese)]
        assert fields[0] == fields[1]


def test_who_somebody_is_in_a_life() -> None:
    """People by their roles; a person who calls themself a platform is none."""
    for party, actor in ACTORS.items():
        assert party_of(actor) is party
    assert party_of(Actor("platform", Role.TECHNICIAN)) is Party.TECHNICIAN
    for name in ("platform", "sensor", "centre"):
        assert party_of(Actor(name, Role.ADMINISTRATOR)) is Party.ADMINISTRATOR


class Life(RuleBasedStateMachine):
    """One case, steps of everybody in any order, against a model that knows the agreed table only."""

    def __init__(self) -> None:
        """Begin with a case that was just collected."""
        super().__init__()
        self.rig = Rig([case_class()], limits=Cases(extensions_max=3))
        self.rig.raised(1)
        self.id = self.rig.newest().id
        self.model = [Stage.COLLECTED]
        self.reworked = self.redispatched = self.extended = 0
        self.asked = False
        self.department = ""
        self.agreed = expected()

    @rule(
        step=st.sampled_from([step for step in Step if step is not Step.MERGE]),
        party=st.sampled_from(Party),
        department=st.sampled_from(["", "a", "b"]),
        reason=st.sampled_from(["", "because"]),
        note=st.sampled_from(["", "so"]),
        later_h=st.sampled_from([None, 1, 100]),
    )
    def take(
        self, step: Step, party: Party, department: str, reason: str, note: str, later_h: int | None
    ) -> None:
        """Take a step; it is refused exactly where the table, or what it needs, says so."""
        case = self.rig.newest()
        deadline_ms = None if later_h is None else self.rig.now_ms + later_h * HOUR_MS
        told: dict[str, Any] = {
            "department": department,
            "reason": reason,
            "note": note,
            "deadline_ms": deadline_ms,
        }
        to = self.agreed.get((step, self.model[-1], party))
        if to is None or self._contradicts(step, party, told, case.deadline_ms, case.asked_deadline_ms):
            with pytest.raises(CaseError):
                self.rig.step(step, ACTORS[party], self.id, **told)
            return
        taken = self.rig.step(step, ACTORS[party], self.id, **told)
        before = next((each for each in reversed(self.model) if each != self.model[-1]), Stage.COLLECTED)
        if to != "-":
            self.model.append(before if to == "before" else Stage(to))
        assert taken.version == case.version + 1
        self._count(step, told)

    def _contradicts(
        self, step: Step, party: Party, told: dict[str, Any], deadline_ms: int, asked_ms: int | None
    ) -> bool:
        wanted = {
            Step.DISPATCH: ["department"],
            Step.REPORT: [] if party is Party.SENSOR else ["note"],
            Step.RETURN_FOR_REWORK: ["reason"],
            Step.REDISPATCH: ["department", "reason"],
            Step.ASK_EXTENSION: ["deadline_ms", "reason"],
            Step.EXTEND: [] if self.asked else ["deadline_ms"],
            Step.REFUSE_EXTENSION: ["reason"],
            Step.VOID: ["reason"],
            Step.REWORK: ["reason"],
        }.get(step, [])
        if any(not told[each] for each in wanted):
            return True
        if step is Step.REDISPATCH and told["department"] == self.department:
            return True
        if step is Step.REFUSE_EXTENSION and not self.asked:
            return True
        if step in (Step.ASK_EXTENSION, Step.EXTEND):
            to_ms: int | None = told["deadline_ms"] or asked_ms
            assert to_ms is not None
            return self.extended >= 3 or to_ms <= deadline_ms or to_ms <= self.rig.now_ms
        return False

    def _count(self, step: Step, told: dict[str, Any]) -> None:
        self.reworked += step in (Step.REWORK, Step.RETURN_FOR_REWORK)
        self.redispatched += step is Step.REDISPATCH
        self.extended += step is Step.EXTEND
        if step is Step.ASK_EXTENSION:
            self.asked = True
        elif step in (Step.EXTEND, Step.REFUSE_EXTENSION, Step.REDISPATCH, Step.REPORT, Step.VOID):
            self.asked = False
        back = step in (Step.REWORK, Step.RETURN_FOR_REWORK)
        if step in (Step.DISPATCH, Step.REDISPATCH) or (back and not self.department):
            self.department = told["department"]

    @precondition(lambda self: self.model[-1] is not Stage.VOIDED)
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """Take a step that is allowed, with all that it needs, so that lives are long."""
        choices = [
            key[:3]
            for key in self.agreed
            if key[1] is self.model[-1] and key[0] not in (Step.MERGE, Step.VOID)
        ]
        step, _, party = data.draw(st.sampled_from(choices))
        self.take(step, party, data.draw(st.sampled_from(["a", "b"])), "because", "so", 100)

    @rule(minutes=st.integers(1, 300))
    def wait(self, minutes: int) -> None:
        """Let time pass: its alarm is active, so the clock alone moves a case only where it was closed."""
        self.rig.now_ms += minutes * 60_000

    @precondition(lambda self: self.model[-1] in (Stage.VERIFIED, Stage.EVALUATED))
    @rule()
    def look_again(self) -> None:
        """What was closed by people with its alarm active comes back; what the sensor closed does not."""
        case = self.rig.newest()
        self.rig.wait(0)
        if case.recheck_ms is not None and case.recheck_ms <= self.rig.now_ms:
            self.model.append(Stage.DISPATCHED)
            self.reworked += 1
            self.department = self.department or "抢修队"

    @rule()
    def restart(self) -> None:
        """A centre that starts again knows the same."""
        self.rig.start()

    @invariant()
    def the_row_is_as_its_life(self) -> None:
        """Stage, counts, who closed it; a stage row for every entry; an audit row for every step."""
        case = self.rig.newest()
        stages = [row.stage for row in self.rig.rows(case_stages)]
        assert stages == [str(each) for each in self.model]
        assert case.stage == stages[-1]
        assert (case.rework_count, case.redispatch_count, case.extension_count) == (
            self.reworked,
            self.redispatched,
            self.extended,
        )
        assert (case.closed_ms is None) == (self.model[-1] not in ("verified", "evaluated", "voided"))
        assert (case.closed_ms is None) == (case.closed_how == "")
        assert (case.asked_deadline_ms is not None) == self.asked
        times = [row.at_ms for row in self.rig.rows(case_stages)]
        assert times == sorted(times)
        assert len(self.rig.rows(audit)) == case.version - 1
        posted = [row for row in self.rig.rows(outbox) if '"who": "platform"' not in row.payload]
        assert len(posted) == len(self.rig.rows(outbox))


Life.TestCase.settings = hypothesis_settings(max_examples=40, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase


def test_two_operators_at_once_do_not_overwrite_each_other() -> None:
    """The second one's step names the version that they saw, and is told that it is no longer so."""
    rig = Rig()
    rig.raised(1)
    seen = rig.newest().version
    rig.step(Step.FILE, version=seen)
    with pytest.raises(CaseError) as caught:
        rig.step(Step.VOID, version=seen, reason="no such thing")
    assert caught.value.key == "changed"
    assert "version 2" in str(caught.value)
    assert rig.newest().stage == "filed"


def test_a_row_that_changes_under_a_step_is_not_overwritten() -> None:
    """Were two writers possible after all, the second would be refused."""
    rig = Rig()
    rig.raised(1)
    case_id = rig.newest().id
    honest = rig.desk.case
    looked = 0

    def meanwhile(connection: Any, wanted: str) -> Any:
        nonlocal looked
        looked += 1
        found = honest(connection, wanted)
        if looked == 1:
            connection.execute(update(cases).where(cases.c.id == wanted).values(version=9))
        return found

    rig.desk.case = meanwhile  # type: ignore[method-assign, assignment]
    with pytest.raises(CaseError, match="somebody changed it"):
        rig.step(Step.FILE, case_id=case_id)
    assert rig.db.execute(select(cases.c.stage)).scalar() == "collected"
