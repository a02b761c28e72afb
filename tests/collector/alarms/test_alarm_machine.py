"""The room of alarms against its transition tables: two operators, restarts, timers, in any order.

The model knows the tables and how they are put together; it knows nothing of SQL, versions in rows, or who is
told by whom. After every step each row must stand where the model does.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, func, select

from collector.alarms.happening import Alarm
from collector.alarms.operating import ConflictError
from collector.alarms.standings import standing_of
from collector.alarms.tables import annunciations, conditions
from collector.alarms.transitions import PHASES, SHELVING, Happening, Phase, Shelving, ShelvingTurn, Turn
from collector.people.roles import Actor
from collector.tables import audit
from contract.events import Priority
from tests.collector.alarms.room import LI, WANG, Room

OPERATORS = (WANG, LI)
SHELVE_MAX_MS = 2 * 3_600_000
CHATTER_COUNT, CHATTER_WITHIN_MS, CHATTER_QUIET_MS = 3, 60_000, 300_000
RANK = {priority: rank for rank, priority in enumerate(Priority)}

SOURCES = {
    "plain": {"device": "main", "rule": "burst"},
    "latched": {"device": "pump", "rule": "latched"},
    "stale": {"device": "meter", "rule": "silent", "condition": "stale"},
    "offline": {"device": "", "point": "", "rule": "fleet", "condition": "", "problem": "gateway_offline"},
}
IN_MEMORY = Path("/dev/shm")
"""There a commit costs no disk."""
INHIBITED = "inhibited:gateway-offline"
BY_HAND = (
    Happening.ACKNOWLEDGED,
    Happening.RESET,
    Happening.SHELVED,
    Happening.SHELVED_ONE_SHOT,
    Happening.UNSHELVED,
    Happening.SUPPRESSED,
    Happening.UNSUPPRESSED,
    Happening.OUT_OF_SERVICE,
    Happening.IN_SERVICE,
)
ELSE = ["old end", "wang looks", "li looks", "restart"]
TIMES_S = [1, 20, 61, 301, 3_600, 7_200]
STEPS = 2_000
PRIORITIES = [Priority.LOW, Priority.MEDIUM, Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.HIGHEST]
SHELVE = [Happening.SHELVED, Happening.SHELVED_ONE_SHOT, Happening.SHELVED_ONE_SHOT, Happening.UNSHELVED]
SERVICE = [Happening.OUT_OF_SERVICE, Happening.IN_SERVICE]
Walked = set[tuple[Any, Any]]


class RefusedError(Exception):
    """The model does not allow it."""


@dataclass
class Model:
    """One source as the tables have it."""

    latching: bool
    walked: Walked
    phase: Phase = Phase.NORM
    priority: Priority = Priority.LOW
    occurrence: str = ""
    source_active: bool = False
    occurrences: int = 0
    times: list[int] = field(default_factory=list)
    chattering: bool = False
    last_ms: int = 0
    shelving: Shelving = Shelving.UNSHELVED
    until_ms: int | None = None
    reasons: set[str] = field(default_factory=set)
    out: bool = False
    by: str | None = None
    told: int = 0

    @property
    def active(self) -> bool:
        return self.phase in (Phase.UNACK, Phase.ACKED)

    @property
    def unacked(self) -> bool:
        return self.phase in (Phase.UNACK, Phase.RTNUN, Phase.LATCHED_UNACK)

    @property
    def quiet(self) -> bool:
        return self.shelving is not Shelving.UNSHELVED or bool(self.reasons) or self.out

    def turn(self, turn: Turn) -> None:
        if (self.phase, turn) not in PHASES:
            raise RefusedError
        self.walked.add((self.phase, turn))
        self.phase = PHASES[self.phase, turn]

    def shelve(self, turn: ShelvingTurn, until_ms: int | None = None) -> None:
        if (self.shelving, turn) not in SHELVING:
            raise RefusedError
        self.walked.add((self.shelving, turn))
        self.shelving = SHELVING[self.shelving, turn]
        if until_ms is not None:
            self.until_ms = until_ms
        if self.shelving is Shelving.UNSHELVED:
            self.until_ms = None

    def over(self) -> None:
        """The alarm ends, if neither its source nor its chattering keeps it."""
        if self.active and not self.source_active and not self.chattering:
            self.turn(Turn.CLEARED_LATCHING if self.latching else Turn.CLEARED)
            self.shelve(ShelvingTurn.NORMAL)

    def raised(self, alarm: Alarm) -> None:
        worse = RANK[alarm.priority] > RANK[self.priority]
        self.turn(Turn.WORSE if worse else Turn.RAISED)
        self.priority, self.source_active = alarm.priority, True
        self.occurrence, self.occurrences = alarm.id, self.occurrences + 1
        self.last_ms = alarm.raised_ms
        if alarm.priority is Priority.HIGHEST:
            self.shelve(ShelvingTurn.ESCALATED)
        self.times = [time for time in self.times if alarm.raised_ms - time < CHATTER_WITHIN_MS]
        self.times = [*self.times, alarm.raised_ms][-CHATTER_COUNT:]
        if len(self.times) == CHATTER_COUNT and not self.chattering:
            self.chattering, self.phase = True, Phase.UNACK

    def by_hand(self, happening: Happening, reason: str, for_ms: int, now_ms: int) -> None:
        highest = self.priority is Priority.HIGHEST
        if happening is Happening.ACKNOWLEDGED:
            self.turn(Turn.ACKNOWLEDGED)
        elif happening is Happening.RESET:
            self.turn(Turn.RESET)
        elif happening in (Happening.SHELVED, Happening.SHELVED_ONE_SHOT):
            once = happening is Happening.SHELVED_ONE_SHOT
            if highest or (once and not self.active) or (not once and for_ms > SHELVE_MAX_MS):
                raise RefusedError
            turn = ShelvingTurn.ONE_SHOT if once else ShelvingTurn.TIMED
            self.shelve(turn, now_ms + (SHELVE_MAX_MS if once else for_ms))
        elif happening is Happening.UNSHELVED:
            self.shelve(ShelvingTurn.UNSHELVED)
        elif happening is Happening.SUPPRESSED:
            if reason in self.reasons or (highest and reason != "maintenance"):
                raise RefusedError
            self.reasons.add(reason)
        elif happening is Happening.UNSUPPRESSED:
            if reason not in self.reasons:
                raise RefusedError
            self.reasons.remove(reason)
        else:
            out = happening is Happening.OUT_OF_SERVICE
            if self.out is out:
                raise RefusedError
            self.out = out


class AlarmMachine(RuleBasedStateMachine):
    """Whatever is told, asked and waited for, the room stands where the model does."""

    template: ClassVar[Path]
    walked: ClassVar[Walked] = set()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="alarms-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
        shutil.copy(self.template, self.folder / "collector.db")
        self.room = Room(self.folder / "collector.db")
        self.room.open()
        self.models: dict[str, Model] = {}
        self.newest: dict[str, Alarm] = {}
        self.superseded: list[Alarm] = []
        self.seen: dict[tuple[str, str], int] = {}
        self.done = 0
        """Entries of the audit trail that there must be."""

    def teardown(self) -> None:
        self.room.database.close()
        shutil.rmtree(self.folder)

    def _goes(self, name: str, before: Model) -> None:
        """What follows for a source whose model moved: by the current condition, and whether it was told."""
        model = self.models[name]
        same = model.occurrence == before.occurrence or PLANNED in before.reasons - model.reasons
        if before.quiet and not model.quiet and same:
            model.turn(Turn.RETURNED)
        worse = RANK[model.priority] > RANK[before.priority] and model.active
        asks = model.phase in (Phase.UNACK, Phase.LATCHED_UNACK) and not model.quiet
        model.told += asks and (before.quiet or before.phase is not model.phase or worse)
        if not model.unacked or (not before.unacked and model.unacked):
            model.by = model.by if not model.unacked and not before.unacked else None

    def _settled(self) -> None:
        """A stale meter is suppressed exactly while its gateway is offline, and it is no highest priority."""
        if "stale" not in self.models:
            return
        meter, gateway = self.models["stale"], self.models.get("offline")
        offline = gateway is not None and gateway.active and not gateway.out
        inhibited = offline and meter.active and meter.priority is not Priority.HIGHEST
        if inhibited is not (INHIBITED in meter.reasons):
            before = _copy(meter)
            meter.reasons ^= {INHIBITED}
            self._goes("stale", before)

    @rule(
        name=st.sampled_from(sorted(SOURCES)),
        priority=st.sampled_from(Priority),
        planned=st.sampled_from([False, False, False, True]),
    )
    def is_raised(self, name: str, priority: Priority, planned: bool) -> None:
        """A source raises a new occurrence."""
        new = self.room.raised(**SOURCES[name], priority=priority, planned=planned)
        if name in self.newest:
            self.superseded.append(self.newest[name])
        self.newest[name] = new
        model = self.models.setdefault(name, Model(name == "latched", self.walked))
        before = _copy(model)
        model.raised(new)
        model.reasons = model.reasons | {PLANNED} if planned else model.reasons - {PLANNED}
        if name == "stale":
            self._inhibit_raised(model)
        self._goes(name, before)
        self._settled()

    def _inhibit_raised(self, model: Model) -> None:
        """What is raised is suppressed in the same breath: it is never told first."""
        gateway = self.models.get("offline")
        offline = gateway is not None and gateway.active and not gateway.out
        model.reasons -= {INHIBITED}
        if offline and model.priority is not Priority.HIGHEST:
            model.reasons |= {INHIBITED}

    @rule(which=st.integers(0, len(SOURCES) - 1))
    def is_cleared(self, which: int) -> None:
        """A source returns to normal."""
        active = sorted(name for name, model in self.models.items() if model.source_active)
        if not active:
            return
        name = active[which % len(active)]
        self.room.cleared(self.newest[name])
        model = self.models[name]
        before = _copy(model)
        model.source_active = False
        model.over()
        model.reasons -= {PLANNED} if model.active else {PLANNED, INHIBITED}
        self._goes(name, before)
        self._settled()

    @rule(what=st.sampled_from(ELSE))
    def something_else_happens(self, what: str) -> None:
        """An old occurrence ends, of which nothing comes; an operator looks; another process goes on."""
        if what == "restart":
            self.room.restart()
            self.room.turn()
        elif what == "old end" and self.superseded:
            self.room.cleared(self.superseded.pop())
        else:
            self._looks(what.partition(" ")[0])

    def _looks(self, who: str) -> None:
        for name, newest in self.newest.items():
            self.seen[who, name] = self.room.row(newest).version

    @rule(
        operator=st.integers(0, 1),
        which=st.integers(0, len(SOURCES) - 1),
        happening=st.sampled_from(BY_HAND),
        reason=st.sampled_from(["maintenance", "tests"]),
        for_ms=st.sampled_from([60_000, 3_600_000, SHELVE_MAX_MS, SHELVE_MAX_MS + 1]),
        looks=st.sampled_from([True, True, False]),
    )
    def operator_acts(
        self, operator: int, which: int, happening: Happening, reason: str, for_ms: int, looks: bool
    ) -> None:
        """An operator does something, by what they saw when they looked last."""
        self.acts(OPERATORS[operator], which, happening, reason, for_ms, looks=looks)

    @rule(which=st.integers(0, len(SOURCES) - 1))
    def operator_acknowledges(self, which: int) -> None:
        """The most common of all."""
        self.acts(WANG, which, Happening.ACKNOWLEDGED, "", 0, looks=True)

    @rule(which=st.integers(0, len(SOURCES) - 1))
    def operator_resets(self, which: int) -> None:
        """Whatever is latched and may be reset."""
        latched = sorted(name for name, model in self.models.items() if model.phase.startswith("LATCHED"))
        if latched:
            self.acts(
                LI,
                sorted(self.models).index(latched[which % len(latched)]),
                Happening.RESET,
                "",
                0,
                looks=True,
            )

    @rule(
        which=st.integers(0, len(SOURCES) - 1),
        how=st.sampled_from(SHELVE),
        for_ms=st.sampled_from([60_000, SHELVE_MAX_MS]),
    )
    def operator_shelves(self, which: int, how: Happening, for_ms: int) -> None:
        """And takes back."""
        self.acts(LI, which, how, "", for_ms, looks=True)

    @rule(
        which=st.integers(0, len(SOURCES) - 1),
        how=st.sampled_from(SERVICE),
    )
    def operator_services(self, which: int, how: Happening) -> None:
        """And puts back."""
        self.acts(WANG, which, how, "", 0, looks=True)

    def acts(
        self, actor: Actor, which: int, happening: Happening, reason: str, for_ms: int, *, looks: bool
    ) -> None:
        if looks:
            self._looks(actor.name)
        known_names = sorted(name for who, name in self.seen if who == actor.name)
        if not known_names:
            return
        name = known_names[which % len(known_names)]
        newest, model = self.newest[name], self.models[name]
        row = self.room.row(newest)
        asked: dict[str, Any] = {"version": self.seen[actor.name, name], "for_ms": for_ms}
        if happening in (Happening.SUPPRESSED, Happening.UNSUPPRESSED):
            asked["reason"] = reason
        known = happening is Happening.ACKNOWLEDGED and model.by is not None and not model.unacked
        if asked["version"] != row.version and not known:
            with pytest.raises(ConflictError, match="look again") as told:
                self.room.act(newest, happening, actor, **asked)
            assert row.changed_by in str(told.value) or row.changed_by == "centre"
            return
        if known:
            self.room.act(newest, happening, actor, **asked)
            return
        before = _copy(model)
        try:
            model.by_hand(happening, reason, for_ms, self.room.now_ms)
        except RefusedError:
            with pytest.raises(ConflictError):
                self.room.act(newest, happening, actor, **asked)
            return
        self.room.act(newest, happening, actor, **asked)
        self.done += 1
        self._goes(name, before)
        if happening is Happening.ACKNOWLEDGED:
            model.by = actor.name
        self._settled()
        self.seen[actor.name, name] = self.room.row(newest).version

    @rule(seconds=st.sampled_from(TIMES_S))
    def time_passes(self, seconds: int) -> None:
        """What ends by time ends."""
        self.room.passes(seconds)
        for name, model in self.models.items():
            before = _copy(model)
            if model.until_ms is not None and model.until_ms <= self.room.now_ms:
                model.shelve(ShelvingTurn.EXPIRED)
                self.done += 1
                self._goes(name, before)
        for name, model in self.models.items():
            before = _copy(model)
            if model.chattering and self.room.now_ms - model.last_ms >= CHATTER_QUIET_MS:
                model.chattering, model.times = False, []
                model.over()
                model.reasons -= set() if model.active else {INHIBITED}
                self._goes(name, before)
                self._settled()

    @invariant()
    def stands_where_the_model_does(self) -> None:
        """Row by row, and the trail has an entry for each step of a person or a timer."""
        rows, told, quiet, trail = self.room.database.read_now(self._everything)
        assert set(rows) == {self.newest[name].source for name in self.models}
        assert trail == self.done
        for name, model in self.models.items():
            newest = self.newest[name]
            row = rows[newest.source]
            standing = standing_of(row)
            assert (standing.phase, standing.priority) == (model.phase, model.priority), name
            assert (row.active, not row.acked) == (model.active, model.unacked), name
            assert (standing.source_active, standing.chattering) == (model.source_active, model.chattering)
            assert (standing.shelving, row.shelved_until_ms) == (model.shelving, model.until_ms), name
            assert (set(standing.suppressed), row.out_of_service) == (model.reasons, model.out), name
            assert (row.alarm_id, row.occurrences) == (model.occurrence, model.occurrences), name
            assert row.acked_by == model.by, name
            assert told.get(row.row, 0) == model.told, name
            kept = {each.partition("/")[0] for each in json.loads(row.set_aside)}
            assert ("shelved" in kept) is (model.shelving is not Shelving.UNSHELVED), name
            assert ("out_of_service" in kept) is model.out, name
            reason = quiet.get((newest.gateway, newest.id), "")
            assert bool(reason.removeprefix("chattering")) is model.quiet, (name, reason)

    def _everything(self, connection: Connection) -> tuple[Any, dict[int, int], dict[Any, str], int]:
        """Return rows by source, annunciations by row, who is quiet, and how long the trail is."""
        rows = {
            (row.gateway, row.rule, row.device, row.point, row.condition): row
            for row in connection.execute(select(conditions))
        }
        counted = select(annunciations.c.condition, func.count()).group_by(annunciations.c.condition)
        told = {row[0]: row[1] for row in connection.execute(counted)}
        keys = [(each.gateway, each.id) for each in self.newest.values()]
        trail = connection.execute(select(func.count()).select_from(audit)).scalar_one()
        return rows, told, self.room.conditions.quiet(connection, keys), trail


PLANNED = "planned"


def _copy(model: Model) -> Model:
    copy = Model(model.latching, set())
    copy.__dict__ |= model.__dict__ | {"walked": set(), "reasons": set(model.reasons)}
    return copy


@pytest.fixture
def machine(tmp_path: Path) -> type[AlarmMachine]:
    """Give the machine a database that is made already."""
    template = tmp_path / "template.db"
    room = Room(template)
    room.open()
    room.database.close()
    AlarmMachine.template = template
    AlarmMachine.walked = set()
    return AlarmMachine


@pytest.mark.timeout(600)
def test_two_operators_restarts_and_timers_never_leave_the_tables(machine: type[AlarmMachine]) -> None:
    """Whatever Hypothesis thinks of; a failure is told with the shortest way to it."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(600)
def test_a_long_walk_takes_every_transition_and_never_leaves_the_tables(machine: type[AlarmMachine]) -> None:
    """The same steps for so long that nothing of the tables is left out; the same walk each time."""
    random = Random(18)
    walk = machine()
    try:
        for _ in range(STEPS):
            step_at_random(walk, random)
            walk.stands_where_the_model_does()
    finally:
        walk.teardown()
    assert {*PHASES, *SHELVING} - machine.walked == set()


def step_at_random(walk: AlarmMachine, random: Random) -> None:
    """Take one step."""
    which, name = random.randrange(len(SOURCES)), random.choice(sorted(SOURCES))
    actor, reason = random.choice(OPERATORS), random.choice(["maintenance", "tests"])
    looks = random.random() < 0.8
    for_ms = random.choice([60_000, 3_600_000, SHELVE_MAX_MS, SHELVE_MAX_MS + 1])
    steps: list[tuple[int, Callable[[], None]]] = [
        (6, lambda: walk.is_raised(name, random.choice(PRIORITIES), random.random() < 0.05)),
        (5, lambda: walk.is_cleared(which)),
        (5, lambda: walk.operator_acknowledges(which)),
        (1, lambda: walk.something_else_happens(random.choice(ELSE))),
        (2, lambda: walk.time_passes(random.choice(TIMES_S))),
        (5, lambda: walk.acts(actor, which, random.choice(BY_HAND), reason, for_ms, looks=looks)),
        (4, lambda: walk.operator_shelves(which, random.choice(SHELVE), 60_000)),
        (3, lambda: walk.operator_services(which, random.choice(SERVICE))),
        (2, lambda: walk.acts(actor, which, Happening.UNSUPPRESSED, reason, 0, looks=looks)),
        (1, lambda: walk.operator_resets(which)),
    ]
    [step] = random.choices([step for _, step in steps], [weight for weight, _ in steps])
    step()
