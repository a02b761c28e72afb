"""Whatever happens to a gateway in whatever order: nothing unproved stays, what was good is never lost."""

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from edge.configuration import desk
from edge.configuration.trial import Trial, Verdict
from edge.desired.held import Held
from edge.desired.trying import Trying
from tests.edge.configuration.lives import BLIND, GOOD, MUTE, World
from tests.faults import recording

FOR_S = st.sampled_from([0.5, 20])
WORTH = st.sampled_from([GOOD, BLIND, MUTE])


class Lives(RuleBasedStateMachine):
    """Settings come, for now and for later; clocks step, links break, disks refuse, the power fails."""

    def __init__(self) -> None:
        """Begin with the file's settings, in a folder in memory."""
        super().__init__()
        self.folder = recording.scratch()
        self.world = World(self.folder)

    @precondition(lambda self: not self.world.is_on_trial)
    @rule(worth=WORTH)
    def settings_are_tried(self, worth: str) -> None:
        """They come, and are begun."""
        self.world.send(worth, 0)
        self.world.wait(6)

    @precondition(lambda self: not self.world.is_on_trial)
    @rule(worth=WORTH, after_s=st.sampled_from([0, 40, 100_000]))
    def settings_come(self, worth: str, after_s: float) -> None:
        """For now, for soon, or for another day."""
        self.world.send(worth, after_s)

    @precondition(lambda self: self.world.is_on_trial)
    @rule(worth=WORTH, after_s=st.sampled_from([0, 40, 100_000]), then_s=st.sampled_from([1, 70]))
    def others_come_during_a_trial(self, worth: str, after_s: float, then_s: float) -> None:
        """And it is judged in its time."""
        self.world.send(worth, after_s)
        self.world.wait(then_s)

    @precondition(lambda self: self.world.is_on_trial)
    @rule(by_s=st.sampled_from([-100_000, -50, 100_000]), then_s=st.sampled_from([1, 70]))
    def wall_clock_steps_during_a_trial(self, by_s: int, then_s: float) -> None:
        """And it is judged in its time."""
        self.wall_clock_steps(by_s)
        self.world.wait(then_s)

    @precondition(lambda self: self.world.is_on_trial)
    @rule(how=st.sampled_from(["", "the gateway fell"]), then_s=st.sampled_from([0.5, 6]))
    def it_ends_during_a_trial(self, how: str, then_s: float) -> None:
        """And starts again with what was on trial, a few times."""
        self.world.kill(how=how)
        self.world.wait(then_s)

    @rule(for_s=st.sampled_from([0.5, 3, 20, 70]))
    def time_passes(self, for_s: float) -> None:
        """Also longer than a trial may take; and the centre repeats what was not answered."""
        self.world.wait(for_s)
        self.world.repeat()

    @precondition(lambda self: not self.world.is_on_trial)
    @rule(by_s=st.sampled_from([-100_000, -50, 50, 100_000]))
    def wall_clock_steps(self, by_s: int) -> None:
        """By a little, or by more than a day."""
        self.world.clock.ahead_ms += by_s * 1000
        self.world.life.documents.wake()

    @precondition(lambda self: not self.world.is_on_trial)
    @rule(for_s=FOR_S)
    def link_breaks(self, for_s: float) -> None:
        """For a while."""
        self.world.linked = False
        self.world.wait(for_s)
        self.world.linked = True

    @precondition(lambda self: not self.world.is_on_trial)
    @rule(how=st.sampled_from(["", "", "the gateway fell"]))
    def it_ends(self, how: str) -> None:
        """Stopped, killed, or by an error of its own."""
        self.world.kill(how=how)

    @precondition(lambda self: not self.world.is_on_trial)
    @rule(drain_s=st.sampled_from([0, 3]))
    def it_takes_its_time_to_stop(self, drain_s: float) -> None:
        """From now on."""
        self.world.drain_s = drain_s

    @rule(
        fates=st.lists(
            st.sampled_from(["written", "refused", "refused_late", "cut_before", "cut_after"]), max_size=4
        )
    )
    def the_next_writes(self, fates: list[str]) -> None:
        """The disk refuses, or the power fails, before or after one of them."""
        self.world.disk.fates = fates

    @rule(for_s=FOR_S)
    def disk_is_full(self, for_s: float) -> None:
        """For a while."""
        self.world.disk.refuses = True
        self.world.wait(for_s)
        self.world.disk.refuses = False

    @rule(for_s=FOR_S, starts=st.booleans())
    def disk_cannot_be_read(self, for_s: float, starts: bool) -> None:
        """For a while, perhaps at a start."""
        self.world.disk.unreadable = True
        if starts:
            self.world.kill()
        self.world.wait(for_s)
        self.world.disk.unreadable = False

    @rule(starts=st.booleans(), refuses=st.booleans())
    def a_hand_changes_the_file(self, starts: bool, refuses: bool) -> None:
        """That holds from the next start on, which may be at once, and on a full disk."""
        self.world.change_by_hand()
        self.world.disk.refuses = refuses
        if starts:
            self.world.kill()
        self.world.disk.refuses = False

    def teardown(self) -> None:
        """Whatever was: when all is well again the newest settings hold, or are told why they do not."""
        world = self.world
        try:
            if not world.wrong:
                world.heal()
                world.check_end()
            assert world.wrong == []
        finally:
            world.close()
            shutil.rmtree(self.folder)


def played(examples: int) -> None:
    """Let so many such lives be lived, the same ones each time."""
    given = hypothesis_settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
    )
    run_state_machine_as_test(Lives, settings=given)


def test_nothing_unproved_stays_and_nothing_good_is_lost() -> None:
    """Whatever comes in whatever order; and what is told is true."""
    played(25)


def test_settings_that_are_proved_at_once_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A negative control."""
    monkeypatch.setattr(Trial, "judge", lambda *_, **__: (Verdict.PROVED, ""))
    with pytest.raises(AssertionError):
        played(10)


def clock_goes_back(world: World) -> None:
    """During a trial."""
    world.send(BLIND, 0)
    world.wait(6)
    assert world.is_on_trial
    world.clock.ahead_ms -= 100_000_000
    world.wait(100)


def later_ones_come(world: World) -> None:
    """During a trial."""
    world.send(BLIND, 0)
    world.wait(6)
    assert world.is_on_trial
    world.send(GOOD, 100_000)
    world.wait(100)


def disk_is_full_when_a_hand_was_there(world: World) -> None:
    """It is not on disk then that the documents are over, and other settings come later."""
    world.send(GOOD, 0)
    world.wait(20)
    assert world.disk.in_force == 1
    world.change_by_hand()
    world.disk.refuses = True
    world.kill()
    world.disk.refuses = False
    world.wait(20)
    world.send(BLIND, 0)
    world.wait(100)


def power_fails_in_each_trial(world: World) -> None:
    """More often than a trial may start."""
    world.send(BLIND, 0)
    for _ in range(6):
        world.wait(6)
        world.kill()


def newer_ones_come_at_once_after_a_start(world: World) -> None:
    """Nobody knows yet who answers."""
    world.kill()
    world.wait(1)
    world.send(BLIND, 0)
    world.wait(100)


async def _while_due(self: Trying) -> None:
    waiting = self._holdings.of[self._kind].waiting
    if waiting is None or self._is_due(waiting):
        await HONEST_TURN(self)


def _taken_at_once(self: Trying, *_: object) -> bool:
    return False


HONEST_TURN = Trying.turn


@pytest.mark.parametrize("weaker", [False, True])
@pytest.mark.parametrize(
    ("story", "where", "name", "weak"),
    [
        (clock_goes_back, Trying, "turn", _while_due),
        (later_ones_come, Trying, "set_aside", _taken_at_once),
        (disk_is_full_when_a_hand_was_there, Held, "without", lambda self, *_: self),
        (power_fails_in_each_trial, Held, "begun", lambda self: replace(self, tries=1)),
        (newer_ones_come_at_once_after_a_start, desk, "ASKED_WITHIN_S", 0.0),
    ],
)
def test_what_must_not_be_is_seen_where_a_gateway_is_weaker(
    story: Callable[[World], None],
    where: object,
    name: str,
    weak: object,
    weaker: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each story goes well, and wrong with one thing that the gateway does not do: the control."""
    if weaker:
        monkeypatch.setattr(where, name, weak)
    folder = recording.scratch()
    world = World(folder)
    try:
        story(world)
        if not world.wrong:
            world.heal()
            world.check_end()
    finally:
        world.close()
        shutil.rmtree(folder)
    assert (world.wrong != []) == weaker
