"""Cases live through the real desk on a clock: evaluation's facts are what is counted by hand meanwhile."""

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from bench.evaluation_by_words import ByWords
from collector.cases.life import Step
from collector.cases.words import CaseError
from collector.evaluation import views
from collector.evaluation.days import By, day_of
from collector.evaluation.formulas import BY_VERSION
from collector.evaluation.projection import advance, differing
from collector.evaluation.reading import Period, figures
from collector.evaluation.tables import case_facts
from collector.people.roles import Actor, Role
from collector.tables import cases
from tests.collector.cases.making import CHIEF, COVER, HOUR_MS, MAIN, MINUTE_MS, Rig, case_class

OFFSET_MIN = 480
WHICH = st.integers(0, 1)
PLACES = {"pipe_burst": MAIN, "cover_open": COVER}
CLASSES = [
    case_class("pipe_burst"),
    case_class("cover_open", urgent=True, dispatches_by_itself=True, closes_by_itself=True),
]
LEADS_TO = {
    Step.FILE: "filed",
    Step.DISPATCH: "dispatched",
    Step.TAKE_IN_HAND: "in_hand",
    Step.REPORT: "reported",
    Step.VERIFY: "verified",
    Step.RETURN_FOR_REWORK: "dispatched",
    Step.EVALUATE: "evaluated",
    Step.REDISPATCH: "dispatched",
    Step.VOID: "voided",
    Step.MERGE: "voided",
    Step.REWORK: "dispatched",
}
TIMES = {
    "collected": "collected_ms",
    "filed": "filing_ms",
    "dispatched": "dispatched_ms",
    "in_hand": "in_hand_ms",
    "reported": "verifying_ms",
}
USUAL = {
    "collected": Step.FILE,
    "filed": Step.DISPATCH,
    "dispatched": Step.TAKE_IN_HAND,
    "in_hand": Step.REPORT,
    "reported": Step.VERIFY,
    "verified": Step.EVALUATE,
}


@dataclass
class Story:
    """What was seen to happen to a case."""

    opened_ms: int
    stage: str = "collected"
    before: str = "collected"
    since_ms: int = 0
    department: str = ""
    filed_ms: int | None = None
    closed_ms: int | None = None
    extensions: int = 0
    reworks: int = 0
    spent_ms: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def took(self, step: Step, at_ms: int, department: str) -> None:
        """Count a step."""
        self.extensions += step is Step.EXTEND
        back = step in (Step.REWORK, Step.RETURN_FOR_REWORK)
        self.reworks += back
        if step is Step.FILE:
            self.filed(at_ms)
        if step in (Step.DISPATCH, Step.REDISPATCH) or (back and not self.department):
            self.department = department
        to = self.before if step is Step.RELAPSE else LEADS_TO.get(step)
        if to is None:
            return
        if step is Step.VERIFY:
            self.closed_ms = at_ms
        elif step is not Step.EVALUATE:
            self.closed_ms = None
        self.spent_ms[self.stage] += at_ms - self.since_ms
        if to != self.stage:
            self.before = self.stage
        self.stage, self.since_ms = to, at_ms

    def filed(self, at_ms: int) -> None:
        """Note when it was first filed."""
        self.filed_ms = self.filed_ms if self.filed_ms is not None else at_ms


class Lives(RuleBasedStateMachine):
    """Alarms come and go, people and the platform do what they may, time passes."""

    def __init__(self) -> None:
        """Begin with no case."""
        super().__init__()
        self.rig = Rig(CLASSES)
        self.stories: dict[str, Story] = {}
        self.active: defaultdict[str, list[int]] = defaultdict(list)
        self.alarms = 0
        self._watch()

    def _watch(self) -> None:
        """Note each step as the desk is asked for it, whoever asks."""
        honest = self.rig.desk.step

        def watched(connection: Any, case_id: str, step: Step, actor: Actor, at_ms: int, **told: Any) -> Any:
            self._open(case_id)
            story = self.stories[case_id]
            kept = Story(**{**vars(story), "spent_ms": story.spent_ms.copy()})
            story.took(step, at_ms, told.get("department", ""))
            try:
                return honest(connection, case_id, step, actor, at_ms, **told)
            except CaseError:
                self.stories[case_id] = kept
                raise

        self.rig.desk.step = watched  # type: ignore[method-assign]

    def _open(self, case_id: str) -> None:
        if case_id not in self.stories:
            self.stories[case_id] = Story(self.rig.now_ms, since_ms=self.rig.now_ms)

    @rule(problem=st.sampled_from(sorted(PLACES)))
    def raise_alarm(self, problem: str) -> None:
        """Another alarm of a problem."""
        self.alarms += 1
        device = f"meter-{self.alarms}"
        self.rig.raised(self.alarms, problem=problem, part=PLACES[problem], device=device)
        self.active[problem].append(self.alarms)
        for case_id in self.rig.db.scalars(select(cases.c.id)):
            self._open(case_id)

    @rule(problem=st.sampled_from(sorted(PLACES)))
    def clear(self, problem: str) -> None:
        """All alarms of a problem are over."""
        for number in self.active.pop(problem, []):
            self.rig.cleared(number)

    @rule(
        step=st.sampled_from([Step.EXTEND, Step.REDISPATCH, Step.RETURN_FOR_REWORK, Step.ASK_EXTENSION]),
        which=WHICH,
        department=st.sampled_from("ab"),
        later_h=st.integers(1, 200),
    )
    def person(self, step: Step, which: int, department: str, later_h: int) -> None:
        """Somebody tries a step with a case; what its life does not allow changes nothing."""
        if case_id := self._case(which):
            query = select(cases.c.deadline_ms).where(cases.c.id == case_id)
            deadline_ms = (self.rig.db.scalar(query) or 0) + later_h * HOUR_MS
            told = {"department": department, "reason": "because", "note": "so", "deadline_ms": deadline_ms}
            with suppress(CaseError):
                self.rig.step(step, CHIEF, case_id, **told)

    def _case(self, which: int) -> str:
        """Return the newest, or the one before it."""
        return sorted(self.stories)[-1 - which % len(self.stories)] if self.stories else ""

    @rule(
        which=WHICH,
        steps=st.integers(1, 4),
        department=st.sampled_from("abc"),
        then=st.sampled_from([None, Step.EXTEND, Step.REDISPATCH]),
    )
    def go_on(self, which: int, steps: int, department: str, then: Step | None) -> None:
        """A case goes its usual way, a minute a step, and perhaps somebody wants it otherwise."""
        case_id = self._case(which)
        for _ in range(steps if case_id else 0):
            if step := USUAL.get(self.stories[case_id].stage):
                told = {"department": department, "reason": "because", "note": "so"}
                with suppress(CaseError):
                    self.rig.step(step, CHIEF, case_id, **told)
            self.rig.wait(MINUTE_MS)
        if then:
            self.person(then, which, "b", 1)

    @rule(which=WHICH, step=st.sampled_from([Step.MERGE, Step.VOID]))
    def end(self, which: int, step: Step) -> None:
        """Somebody says that a case is another one, or none."""
        case_id, other = self._case(which), self._case(which + 1)
        with suppress(CaseError):
            if case_id:
                self.rig.step(step, CHIEF, case_id, other=other, reason="because")

    @rule(which=WHICH)
    def platform_accepts(self, which: int) -> None:
        """The city platform says that it has a case, perhaps when it is further already."""
        if not (case_id := self._case(which)):
            return
        actor = Actor("city", Role.COMMAND)
        self.rig.desk.accepted(self.rig.db, case_id, f"CP-{case_id[-4:]}", self.rig.now_ms, actor)
        self.stories[case_id].filed(self.rig.now_ms)
        self.rig.db.commit()

    @rule(problem=st.sampled_from(sorted(PLACES)))
    def pass_by(self, problem: str) -> None:
        """An alarm comes and goes, and its case settles, wherever it is."""
        self.raise_alarm(problem)
        self.clear(problem)
        self.rig.wait(11 * MINUTE_MS)

    @rule(problem=st.sampled_from(sorted(PLACES)))
    def come_back(self, problem: str) -> None:
        """What has settled was not over: it relapses."""
        self.pass_by(problem)
        self.raise_alarm(problem)

    @rule(minutes=st.sampled_from([1, 7, 11, 61, 61, 60 * 25]))
    def wait(self, minutes: int) -> None:
        """Time passes, and what is due is done."""
        self.rig.wait(minutes * MINUTE_MS)

    @rule()
    def keep_up(self) -> None:
        """The figures catch up, in the middle of lives."""
        while advance(self.rig.db, OFFSET_MIN):
            pass
        self.rig.db.commit()

    @invariant()
    def the_facts_are_what_was_counted(self) -> None:
        """Of every case, after every step."""
        self.keep_up()
        facts = {row["case_id"]: row for row in self.rig.db.execute(select(case_facts)).mappings()}
        assert set(facts) == set(self.stories)
        for row in self.rig.db.execute(select(cases)).mappings():
            story, fact = self.stories[row["id"]], dict(facts[row["id"]])
            expected = {
                "case_id": row["id"],
                "district": "500103",
                "street": "500103001",
                "department": story.department,
                "class_code": "020501",
                "urgent": row["problem"] == "cover_open",
                "repeated": row["repeat_of"] != "",
                "voided": story.stage == "voided",
                "extensions": story.extensions,
                "reworks": story.reworks,
                "reported_ms": story.opened_ms,
                "filed_ms": story.filed_ms,
                "deadline_ms": row["deadline_ms"],
                "closed_ms": story.closed_ms,
            }
            expected |= {column: story.spent_ms.get(stage) for stage, column in TIMES.items()}
            assert fact == expected

    def teardown(self) -> None:
        """In the end the sums of days are those of the facts, and the figures those by the words."""
        self.keep_up()
        assert list(differing(self.rig.db, OFFSET_MIN)) == []
        today = day_of(self.rig.now_ms, OFFSET_MIN)
        first, end = today - 4_000, today + 400
        words = ByWords.of(self.rig.db, OFFSET_MIN // 60)
        days = [date.fromordinal(date(1970, 1, 1).toordinal() + day) for day in (first, end, today)]
        for version, formulas in BY_VERSION.items():
            told = {}
            for each in figures(
                self.rig.db, Period(first, end, today), By.DEPARTMENT, utc_offset_min=OFFSET_MIN
            ):
                view = views.figures_view(each.key, each.sums, formulas)
                told[each.key] = view.counts | view.rates | view.times_s
            expected = words.figures("department", days[0], days[1], days[2], version)
            assert {
                key: {name: told[key][name] for name in each} for key, each in expected.items()
            } == expected
            assert set(told) == set(expected)
        self.rig.db.close()


Lives.TestCase.settings = hypothesis_settings(max_examples=25, stateful_step_count=30, deadline=None)
TestLives = Lives.TestCase
