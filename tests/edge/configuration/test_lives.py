"""Whatever happens to a gateway in whatever order: nothing unproved stays, what was good is never lost."""

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from edge.configuration import desk
from edge.configuration.desk import ConfigurationDesk
from edge.configuration.trial import Trial, Verdict
from edge.desired.held import Document, Held
from edge.desired.trying import Trying
from tests.edge.configuration.lives import BLIND, GOOD, MUTE, World
from tests.faults import recording


def changed_on_a_full_disk(world: World) -> None:
    """A hand was there, and the next start cannot be noted."""
    world.change_by_hand()
    world.disk.refuses = True
    world.kill()


WORTH = st.sampled_from([GOOD, BLIND, MUTE])
EVENTS: dict[str, Callable[[World], None]] = {
    "good ones for now": lambda world: world.send(GOOD, 0),
    "bad ones for now": lambda world: world.send(BLIND, 0),
    "good ones for soon": lambda world: world.send(GOOD, 40),
    "bad ones for soon": lambda world: world.send(MUTE, 40),
    "ones for another day": lambda world: world.send(GOOD, 100_000),
    "clock back": lambda world: world.step_clock(-100_000),
    "clock back a little": lambda world: world.step_clock(-50),
    "clock forward": lambda world: world.step_clock(100_000),
    "killed": lambda world: world.kill(),
    "killed once more": lambda world: world.kill(),
    "fallen": lambda world: world.kill(how="the gateway fell"),
    "stops slowly": lambda world: setattr(world, "drain_s", 3),
    "link breaks": lambda world: setattr(world, "linked", False),
    "disk full": lambda world: setattr(world.disk, "refuses", True),
    "disk unreadable": lambda world: setattr(world.disk, "unreadable", True),
    "write refused": lambda world: world.disk.fates.append("refused"),
    "write refused late": lambda world: world.disk.fates.append("refused_late"),
    "cut before a write": lambda world: world.disk.fates.append("cut_before"),
    "cut after a write": lambda world: world.disk.fates.append("cut_after"),
    "file changed": lambda world: world.change_by_hand(),
    "file changed on a full disk": changed_on_a_full_disk,
}


class Lives(RuleBasedStateMachine):
    """Settings come, for now and for later; clocks step, links break, disks refuse, the power fails."""

    def __init__(self) -> None:
        """Begin with the file's settings, in a folder in memory."""
        super().__init__()
        self.folder = recording.scratch()
        self.world = World(self.folder)

    @rule(worth=WORTH)
    def settings_are_tried(self, worth: str) -> None:
        """They come, and are on trial soon if nothing is in their way."""
        self.world.send(worth, 0)
        self.world.wait(5)

    @rule(
        events=st.lists(st.sampled_from(sorted(EVENTS)), min_size=1, max_size=2),
        then_s=st.sampled_from([1, 5, 70]),
        starts=st.booleans(),
    )
    def happens(self, events: list[str], then_s: float, starts: bool) -> None:
        """One thing or two, perhaps a start, and then link and disk are well again."""
        for event in events:
            EVENTS[event](self.world)
        if starts:
            self.world.kill()
        self.world.wait(then_s)
        self.world.disk.refuses, self.world.disk.unreadable, self.world.linked = False, False, True
        self.world.repeat()
        self.world.wait(1)

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
        stateful_step_count=15,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
    )
    run_state_machine_as_test(Lives, settings=given)


def test_nothing_unproved_stays_and_nothing_good_is_lost() -> None:
    """Whatever comes in whatever order; and what is told is true."""
    played(40)


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
    world.step_clock(-100_000)
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


def disk_refuses_what_became_of_a_trial(world: World) -> None:
    """That one write, and the gateway begins anew before the disk is asked again."""
    for worth in (BLIND, MUTE):
        world.send(worth, 0)
        world.wait(6)
        assert world.is_on_trial
        world.disk.fates.append("refused")
        world.wait(200)


def disk_cannot_be_read_at_one_start(world: World) -> None:
    """It can be soon after; the centre asks meanwhile, as it does."""
    world.send(GOOD, 0)
    world.wait(30)
    assert world.disk.in_force == 1
    world.disk.unreadable = True
    world.kill()
    world.wait(3)
    assert (world.life.sequence, world.life.documents.in_force) == (0, {})
    world.disk.unreadable, world.drain_s = False, 5
    for _ in range(20):
        world.wait(1)
        world.repeat()
    if world.life.sequence != 1:
        world.wrong.append(f"{world.life.sequence} runs, and 1 can be read again")


def _stays(_self: ConfigurationDesk, _held: Held) -> None:
    """Whatever the disk holds."""


async def _while_due(self: Trying) -> None:
    waiting = self._holdings.of[self._kind].waiting
    if waiting is None or self._is_due(waiting):
        await HONEST_TURN(self)


def _handed_to_nobody(self: ConfigurationDesk, document: Document, _unkept: str = "") -> None:
    HONEST_FAILED(self, document)


def _taken_at_once(self: Trying, *_: object) -> bool:
    return False


HONEST_TURN, HONEST_FAILED = Trying.turn, ConfigurationDesk.failed


@pytest.mark.parametrize("weaker", [False, True])
@pytest.mark.parametrize(
    ("story", "where", "name", "weak"),
    [
        (clock_goes_back, Trying, "turn", _while_due),
        (later_ones_come, Trying, "set_aside", _taken_at_once),
        (disk_is_full_when_a_hand_was_there, Held, "without", lambda self, *_: self),
        (disk_refuses_what_became_of_a_trial, ConfigurationDesk, "failed", _handed_to_nobody),
        (disk_cannot_be_read_at_one_start, ConfigurationDesk, "found", _stays),
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
