"""Exactly one case for each problem, under any order of alarms, people, time, restarts and replays."""

from collections.abc import Collection, Sequence
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import func, select

from collector.cases import no_collection
from collector.cases.life import PLATFORM, Stage, Step
from collector.cases.no_collection import Rule
from collector.cases.tables import case_problems, case_stages, uncollected
from collector.cases.words import CaseError
from collector.tables import alarms, cases, outbox
from tests.collector.cases.making import (
    CHIEF,
    COVER,
    MAIN,
    MINUTE_MS,
    NEAR_COVER,
    NEEDS,
    Rig,
    all_in,
    case_class,
)

PLACES: tuple[dict[str, Any], ...] = (
    {"problem": "pipe_burst", "part": MAIN, "device": "main"},
    {"problem": "pipe_burst", "part": MAIN, "device": "second-gauge"},
    {"problem": "noise", "part": MAIN, "device": "main"},
    {"problem": "cover_open", "part": COVER, "device": "cover"},
    {"problem": "cover_open", "part": NEAR_COVER, "device": "cover-2"},
    {"problem": "noise", "part": "", "device": "ear"},
)
CLASSES = [
    case_class("pipe_burst", settle_min=5, rework_within_h=1, recheck_after_min=30),
    case_class("noise", settle_min=0, rework_within_h=0, closes_by_itself=True),
    case_class("cover_open", settle_min=5, rework_within_h=24, needs_confirmation=True, similar_within_m=99),
]
STEPS = [step for step in Step if step not in (Step.MERGE, Step.REWORK, Step.RELAPSE)]

T = TypeVar("T")


def picked(data: st.DataObject | Random, among: Sequence[T]) -> T:
    """Return one of them, by Hypothesis or by the seed."""
    return data.choice(among) if isinstance(data, Random) else data.draw(st.sampled_from(among))


class Problems(RuleBasedStateMachine):
    """A street of parts whose alarms come and go, and a desk at work: never a second case of a problem."""

    @initialize(with_incidents=st.booleans())
    def begin(self, with_incidents: bool) -> None:
        """Start; with incidents, the first two parts of the street belong to one from time to time."""
        self.incident: str | None = None
        self.rig = Rig(CLASSES, incidents_of=self._incidents_of if with_incidents else lambda *_: {})
        self.count = 0
        self.active: dict[int, dict[str, Any]] = {}
        self.told: list[tuple[int, dict[str, Any]]] = []

    def _incidents_of(self, _: object, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
        return all_in(self.incident, keys)

    @rule(place=st.sampled_from(PLACES), planned=st.booleans())
    def alarm(self, place: dict[str, Any], planned: bool) -> None:
        """An alarm becomes active."""
        self.count += 1
        told = place | {"planned": planned and self.count % 3 == 0}
        told |= {"raised_ms": self.rig.now_ms, "received_ms": self.rig.now_ms}
        self.rig.raised(self.count, **told)
        self.active[self.count] = told
        self.told.append((self.count, told))

    @rule(places=st.lists(st.sampled_from(PLACES), min_size=2, max_size=6), over=st.integers(0, 6))
    def together(self, places: list[dict[str, Any]], over: int) -> None:
        """Several become active at once, and the oldest that are return to normal with them."""
        raised = {}
        for place in places:
            self.count += 1
            raised[self.count] = place | {"raised_ms": self.rig.now_ms, "received_ms": self.rig.now_ms}
        self.active |= raised
        self.told += raised.items()
        cleared = sorted(self.active)[:over]
        self.rig.together(raised, cleared)
        for number in cleared:
            del self.active[number]

    @rule(data=st.data())
    def normal(self, data: st.DataObject | Random) -> None:
        """One returns to normal."""
        if self.active:
            number = picked(data, sorted(self.active))
            del self.active[number]
            self.rig.cleared(number)

    @rule()
    def replay(self) -> None:
        """All that was told is told again."""
        before = [self.rig.rows(table) for table in (cases, case_stages, outbox)]
        for number, told in self.told:
            self.rig.raised(number, **told)
        for number, _ in self.told:
            if number not in self.active:
                self.rig.cleared(number)
        assert [self.rig.rows(table) for table in (cases, case_stages, outbox)] == before

    @rule()
    def restart(self) -> None:
        """The centre stops and starts."""
        self.rig.start()

    @rule(minutes=st.sampled_from([0, 1, 5, 31, 61, 1500]))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.rig.wait(minutes * MINUTE_MS)

    @rule(data=st.data(), step=st.sampled_from(STEPS), by_platform=st.booleans())
    def person(self, data: st.DataObject | Random, step: Step, by_platform: bool) -> None:
        """Somebody takes a step with some case; what is not allowed is refused, and changes nothing."""
        if found := self.rig.rows(cases):
            case = picked(data, found)
            actor = PLATFORM if by_platform else CHIEF
            later = {"deadline_ms": case.deadline_ms + 1} if "extension" in step or step == "extend" else {}
            self._try(step, actor, case.id, **({"reason": "so"} | NEEDS.get(step, {}) | later))

    @rule(data=st.data())
    def closing(self, data: st.DataObject | Random) -> None:
        """A department is quick: one case goes all the way to its end."""
        open_ = [case for case in self.rig.rows(cases) if case.closed_ms is None]
        if open_:
            case_id = picked(data, open_).id
            for step in (Step.FILE, Step.DISPATCH, Step.TAKE_IN_HAND, Step.REPORT, Step.VERIFY):
                self._try(step, CHIEF, case_id, **NEEDS.get(step, {}))

    @rule(data=st.data())
    def merging(self, data: st.DataObject | Random) -> None:
        """Two cases become one."""
        if found := self.rig.rows(cases):
            one, other = (picked(data, found).id for _ in range(2))
            self._try(Step.MERGE, CHIEF, one, other=other)

    @rule(name=st.sampled_from([None, "1" * 32, "2" * 32]))
    def correlate(self, name: str | None) -> None:
        """From now on alarms belong to this incident."""
        self.incident = name

    @rule(begin=st.booleans())
    def keep_out(self, begin: bool) -> None:
        """Nothing is collected of covers, or it is again."""
        standing = [row for row in no_collection.page(self.rig.db, 0, 10) if row.ended_ms is None]
        if begin and not standing:
            rule_ = Rule("500103", "cover_open", self.rig.now_ms, None, None, None, "works")
            rule_id = f"{10**6 + self.count:032x}"
            if not any(row.id == rule_id for row in no_collection.page(self.rig.db, 0, 100)):
                no_collection.add(self.rig.db, rule_id, rule_, CHIEF, self.rig.now_ms, most=10)
        elif not begin and standing:
            no_collection.end(self.rig.db, standing[0].id, CHIEF, self.rig.now_ms)
        self.rig.db.commit()

    def _try(self, step: Step, actor: Any, case_id: str, **told: Any) -> None:
        before = [self.rig.rows(table) for table in (cases, case_stages, alarms, outbox)]
        try:
            self.rig.step(step, actor, case_id, **told)
        except CaseError:
            assert [self.rig.rows(table) for table in (cases, case_stages, alarms, outbox)] == before

    @invariant()
    def one_open_case_for_each_problem(self) -> None:
        """By the alarms themselves: no two open cases hold active alarms of one problem."""
        if not hasattr(self, "rig"):
            return
        query = (
            select(func.count(cases.c.id.distinct()))
            .join(alarms, alarms.c.case_id == cases.c.id)
            .where(cases.c.closed_ms.is_(None), alarms.c.cleared_ms.is_(None))
            .group_by(alarms.c.part, func.iif(alarms.c.part == "", alarms.c.device, ""), alarms.c.problem)
        )
        assert set(self.rig.db.scalars(query)) <= {1}

    @invariant()
    def every_active_alarm_has_a_case_or_a_reason(self) -> None:
        """Planned, or kept out and waiting; else it belongs to a case, and one that is open or watched."""
        if not hasattr(self, "rig"):
            return
        waits = {row.alarm_id for row in self.rig.rows(uncollected) if row.waits}
        by_id = {row.id: row for row in self.rig.rows(cases)}
        for alarm in self.rig.rows(alarms):
            if alarm.cleared_ms is not None or alarm.planned or alarm.id in waits:
                continue
            case = by_id[alarm.case_id]
            assert case.closed_ms is None or case.recheck_ms is not None or case.stage == Stage.VOIDED

    @invariant()
    def nothing_settles_over_an_active_alarm(self) -> None:
        """Whatever ended last."""
        if not hasattr(self, "rig"):
            return
        active = {row.case_id for row in self.rig.rows(alarms) if row.cleared_ms is None}
        assert not [row.id for row in self.rig.rows(cases) if row.settles_ms and row.id in active]

    @invariant()
    def lives_are_whole(self) -> None:
        """Every case has its stages from 1, its first message, and its problem knows the newest."""
        if not hasattr(self, "rig"):
            return
        stages: dict[str, list[Any]] = {}
        for row in self.rig.rows(case_stages):
            stages.setdefault(row.case_id, []).append(row)
        opened = [row.case_id for row in self.rig.rows(outbox) if row.kind == "opened"]
        assert sorted(opened) == sorted(stages)
        for case in self.rig.rows(cases):
            assert [row.n for row in stages[case.id]] == list(range(1, len(stages[case.id]) + 1))
            assert stages[case.id][-1].stage == case.stage
            assert case.rework_count == sum(
                row.step in ("rework", "return_for_rework") for row in stages[case.id]
            )
        newest = {row.problem_key: row.case_id for row in self.rig.rows(case_problems)}
        for case in self.rig.rows(cases):
            assert case.problem_key in newest


Problems.TestCase.settings = hypothesis_settings(max_examples=25, stateful_step_count=40, deadline=None)
TestProblems = Problems.TestCase

ACTIONS = {
    Problems.alarm: 8,
    Problems.together: 3,
    Problems.normal: 6,
    Problems.wait: 5,
    Problems.person: 6,
    Problems.closing: 3,
    Problems.merging: 1,
    Problems.correlate: 1,
    Problems.keep_out: 1,
    Problems.restart: 0.5,
    Problems.replay: 0.3,
}
SEEDS, ACTIONS_EACH = 30, 120


def acted(street: Problems, action: Any, random: Random) -> None:
    """Do one thing on the street, as the seed says."""
    arguments: dict[Any, tuple[Any, ...]] = {
        Problems.alarm: (random.choice(PLACES), random.random() < 0.5),
        Problems.together: (random.choices(PLACES, k=random.randint(2, 6)), random.randint(0, 6)),
        Problems.wait: (random.choice([0, 1, 5, 31, 61, 1500]),),
        Problems.person: (random, random.choice(STEPS), random.random() < 0.3),
        Problems.correlate: (random.choice([None, "1" * 32, "2" * 32]),),
        Problems.keep_out: (random.random() < 0.4,),
        Problems.restart: (),
        Problems.replay: (),
    }
    action(street, *arguments.get(action, (random,)))


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_long_days_on_the_street_by_seed(first: int) -> None:
    """Longer than Hypothesis makes them: what it takes for cases to be closed, to come back and to meet."""
    for seed in range(first, first + 10):
        random, street = Random(seed), Problems()
        street.begin(random.random() < 0.5)
        for _ in range(ACTIONS_EACH):
            acted(street, random.choices(list(ACTIONS), list(ACTIONS.values()))[0], random)
            street.one_open_case_for_each_problem()
            street.every_active_alarm_has_a_case_or_a_reason()
            street.nothing_settles_over_an_active_alarm()
            street.lives_are_whole()
        street.rig.db.close()
