"""The world of controls as a state machine: Hypothesis chooses, and finds the shortest way to harm."""

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contract.events import Holder
from contract.samples import ClockState
from edge.settings import Ref
from tests.faults.controls_site import ALL, LEFT, STEP_S_MAX
from tests.faults.controls_world import World

STEPS_PER_LIFE = 50
_names = st.sampled_from(ALL)


class _World(World):
    """Commands are lost as long as the machine says so."""

    hears = True

    def takes(self) -> bool:
        """See World.takes."""
        return self.hears


class Controls(RuleBasedStateMachine):
    """Everything that may happen to a cabinet's controls, in any order."""

    lives = steps = starts = 0
    """Of all machines since ``run`` began."""

    def __init__(self) -> None:
        """Begin with all well."""
        super().__init__()
        self.world = _World()
        self.commands = 0

    @initialize(disk_takes_s=st.sampled_from((0.0, 1.0)))
    def begins(self, disk_takes_s: float) -> None:
        """Everything has been read once."""
        Controls.lives += 1
        self.world.disk_takes_s = disk_takes_s
        self.world.passes(1.0)

    @rule(seconds=st.sampled_from((0.1, 0.5, 1.0, STEP_S_MAX)), times=st.integers(1, 12))
    def time_passes(self, seconds: float, times: int) -> None:
        """The cabinet looks as often."""
        for _ in range(times):
            self.world.passes(seconds)

    @rule(
        reading=st.one_of(
            st.tuples(st.just("dust"), st.sampled_from((100.0, 130.0, 200.0, None))),
            st.tuples(st.just("level"), st.sampled_from((1.0, 3.0, 6.0, 9.0, None))),
            st.tuples(st.just("cold"), st.sampled_from((10.0, 2.0, None))),
            st.tuples(st.just("door"), st.sampled_from((False, True, None))),
            st.tuples(st.just("pressure"), st.sampled_from((2.0, 0.0, None))),
            st.tuples(st.just("current"), st.sampled_from((2.0, 0.0, None))),
            st.tuples(st.just("sump"), st.sampled_from((3.0, 0.5, None))),
        )
    )
    def weather_turns(self, reading: tuple[str, Any]) -> None:
        """A sensor reads something else, or nothing."""
        self.world.values[reading[0]] = reading[1]

    @rule(sensors=st.booleans(), board=st.booleans(), hears=st.booleans())
    def line_changes(self, sensors: bool, board: bool, hears: bool) -> None:
        """Sensors answer or not, the board answers or not, or answers and does not hear commands."""
        self.world.sensors_answer, self.world.answers, self.world.hears = sensors, board, hears

    @rule(seconds=st.sampled_from((0.0, 0.4, 1.0)))
    def disk_takes(self, seconds: float) -> None:
        """So long for each record."""
        self.world.disk_takes_s = seconds

    @rule()
    def line_is_well(self) -> None:
        """All answer."""
        self.world.sensors_answer = self.world.answers = self.world.hears = True

    @rule(name=_names, broken=st.booleans())
    def relay_sticks(self, name: str, broken: bool) -> None:
        """Or is mended."""
        self.world.breaks(name, broken=broken)

    @rule(name=_names, welded=st.booleans())
    def relay_welds(self, name: str, welded: bool) -> None:
        """Or is mended."""
        self.world.welds(name, welded=welded)

    @rule(name=_names)
    def locked(self, name: str) -> None:
        """For maintenance."""
        self.world.locks(name)

    @precondition(lambda self: self.world.waiting)
    @rule()
    def locked_while_a_start_waits(self) -> None:
        """Somebody comes just then."""
        self.world.locks(self.world.waiting[0][1].output.point)

    @precondition(lambda self: any(self.world.relays[Ref("relay", name)].on for name in LEFT))
    @rule(welded=st.booleans(), looks=st.sampled_from((0, 20)))
    def settings_lose_what_runs(self, welded: bool, looks: int) -> None:
        """The gateway dies in the middle of a run, and gets other settings; for a while nobody comes."""
        for name in LEFT:
            self.world.welds(name, welded=welded)
        self.world.restarts(orderly=False, present=1, after_s=0.0)
        for _ in range(looks):
            self.world.passes(STEP_S_MAX)

    @rule(name=_names)
    def unlocked(self, name: str) -> None:
        """It is over."""
        self.world.unlocks(name)

    @rule(
        name=_names,
        by=st.sampled_from((Holder.LOCAL, Holder.CENTRE)),
        on=st.booleans(),
        for_s=st.sampled_from((-5, 5, 60, 600, 40_000)),
    )
    def held(self, name: str, by: Holder, on: bool, for_s: float) -> None:
        """By somebody at the cabinet, or by the centre's command."""
        self.commands += 1
        command = f"{2**127 + self.commands:032x}" if by is Holder.CENTRE else ""
        self.world.holds(name, by=by, on=on, for_s=for_s, command=command)

    @rule(name=_names)
    def released(self, name: str) -> None:
        """By hand."""
        self.world.releases(name)

    @rule(
        orderly=st.booleans(),
        present=st.sampled_from((0, 0, 1, 2)),
        after_s=st.sampled_from((0.0, 5.0, 100.0)),
        late=st.booleans(),
    )
    def restarted(self, orderly: bool, present: int, after_s: float, late: bool) -> None:
        """After a stop or a crash, perhaps with other settings, or a disk that hangs."""
        self.world.restarts(orderly=orderly, present=present, after_s=after_s, late=late)

    @rule()
    def disk_answers(self) -> None:
        """What was kept is taken up late."""
        self.world.recalls()

    @rule(state=st.sampled_from((ClockState.SYNCHRONISED, ClockState.HOLDOVER, ClockState.UNSET)))
    def clock_is(self, state: ClockState) -> None:
        """Of this worth."""
        self.world.clock = state

    @rule(ms=st.sampled_from((-86_400_000, -60_000, -5_000, 5_000, 60_000, 86_400_000)))
    def clock_is_set(self, ms: int) -> None:
        """Forwards or back."""
        self.world.jumps(ms)

    @invariant()
    def nothing_is_wrong(self) -> None:
        """Neither the board nor the record shows what must never be."""
        assert not self.world.tally.wrong, self.world.tally.first

    def teardown(self) -> None:
        """Count what this life was worth."""
        Controls.steps += self.world.tally.steps
        Controls.starts += self.world.tally.starts


def run(lives: int, *, derandomize: bool = True, shorten: bool = True) -> None:
    """Let so many lives happen; AssertionError where one goes wrong, with the shortest way if ``shorten``."""
    Controls.lives = Controls.steps = Controls.starts = 0
    run_state_machine_as_test(
        Controls,
        settings=settings(
            max_examples=lives,
            stateful_step_count=STEPS_PER_LIFE,
            deadline=None,
            derandomize=derandomize,
            database=None,
            print_blob=False,
            phases=[Phase.generate, Phase.shrink] if shorten else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
