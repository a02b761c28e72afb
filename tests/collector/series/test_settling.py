"""What a store has for certain: on virtual time, against a store that forgets what it did not flush."""

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.series import settling
from collector.series.settling import MARKS_MAX, Settling

FLUSH_S = 8.0
"""The model store keeps what it took in memory for so long."""
SETTLE_S = 10.0


@dataclass
class ForgetfulStore:
    """A process that can be killed and is there again at once; its start time is told in whole seconds."""

    started_s: float = 0.0
    memory: list[tuple[int, int, float]] = field(default_factory=list)
    disk: set[int] = field(default_factory=set)

    @property
    def identity(self) -> str:
        """As process_start_time_seconds has it."""
        return str(int(self.started_s))

    def take(self, first: int, last: int, now_s: float) -> None:
        """Answer 204."""
        self.flush(now_s)
        self.memory.append((first, last, now_s))

    def flush(self, now_s: float) -> None:
        """Bring what is old enough to disk."""
        for first, last, taken_s in self.memory:
            if taken_s + FLUSH_S <= now_s:
                self.disk.update(range(first, last + 1))
        self.memory = [some for some in self.memory if some[2] + FLUSH_S > now_s]

    def kill(self, now_s: float) -> None:
        """Forget what is in memory; the next process starts."""
        self.flush(now_s)
        self.memory.clear()
        self.started_s = now_s


def played(seed: int, *, settle_s: float = SETTLE_S, steps: int = 150) -> tuple[int, int]:
    """Write, ask and kill in any order; return how much is settled, and how much of it the store has not."""
    random = Random(seed)
    store, known = ForgetfulStore(), Settling(0, settle_s=settle_s)
    now_s = random.random()
    settled_lost: set[int] = set()
    for _ in range(steps):
        now_s += random.choice((0.01, 0.1, 0.4, 1.0, 3.0))
        match random.randrange(8):
            case 0 if random.random() < 0.5:
                store.kill(now_s)
            case 1 | 2 | 3:
                asked_s = now_s
                before = random.random() < 0.5  # who answers: the one that was asked, or the next
                identity = store.identity
                now_s += random.choice((0.0, 0.2))
                if random.random() < 0.2:
                    store.kill(now_s)
                    identity = identity if before else store.identity
                known.heard(identity, asked_s, now_s)
            case 4:
                known.failed()
            case _:
                if known.may_write(now_s):
                    upto = known.written + random.randrange(1, 4)
                    store.take(known.written + 1, upto, now_s)
                    now_s += random.choice((0.0, 0.2))
                    if random.random() < 0.1:
                        store.kill(now_s)
                    known.wrote(upto, now_s)
        store.flush(now_s)
        settled_lost |= set(range(1, known.settled + 1)) - store.disk
    return known.settled, len(settled_lost)


@given(seed=st.integers(0, 2**32))
def test_what_is_settled_is_on_disk_whenever_the_store_is_killed(seed: int) -> None:
    """Also where it is back before anybody asks, within the same second, or in the middle of a request."""
    assert played(seed)[1] == 0


def test_the_model_settles_something_and_can_lose() -> None:
    """The controls: without the time to settle, and without telling processes of one second apart."""
    assert sum(played(seed)[0] for seed in range(100)) > 500
    assert sum(played(seed, settle_s=1.0)[1] for seed in range(100)) > 100


def test_two_processes_that_started_in_the_same_second_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A write waits for the next second; else the second process would vouch for what the first had taken."""

    def lost() -> bool:
        store, known = ForgetfulStore(started_s=100.0), Settling(0, settle_s=SETTLE_S)
        known.heard(store.identity, 100.1, 100.1)
        written = known.may_write(100.2)
        if written:
            store.take(1, 5, 100.2)
            known.wrote(5, 100.2)
        store.kill(100.5)
        known.heard(store.identity, 120.0, 120.0)
        return known.settled > 0 and not store.disk

    assert not lost()
    monkeypatch.setattr(settling, "IDENTITY_STEP_S", 0.0)
    assert lost()


def test_a_store_that_is_merely_slow_settles_all_the_same() -> None:
    """Requests that fail while its process is the same cost no second writing."""
    known = Settling(0, settle_s=SETTLE_S)
    known.heard("1", 0.0, 0.0)
    known.wrote(7, 5.0)
    assert not known.failed()
    assert not known.heard("1", 16.0, 30.0)
    assert (known.settled, known.written) == (7, 7)


def test_where_the_store_does_not_say_who_it_is_every_failure_counts() -> None:
    """Then a request that fails is the only sign of a restart."""
    known = Settling(3, settle_s=SETTLE_S)
    known.heard("", 0.0, 0.0)
    known.wrote(7, 5.0)
    assert known.failed()
    assert known.written == 3
    known.wrote(7, 6.0)
    known.heard("", 16.5, 16.5)
    assert known.settled == 7


def test_nothing_settles_by_time_alone() -> None:
    """An hour without an answer proves nothing, however long ago it was written."""
    known = Settling(0, settle_s=SETTLE_S)
    known.heard("1", 0.0, 0.0)
    known.wrote(7, 5.0)
    known.heard("1", 14.9, 3600.0)  # asked before it was time, answered long after
    assert known.settled == 0


@pytest.mark.parametrize("step_s", [0.0, 0.001, 1.0])
def test_a_store_that_never_settles_costs_no_memory(step_s: float) -> None:
    """Writes beyond a number are taken for one, as late as the last of them."""
    known = Settling(0, settle_s=SETTLE_S)
    known.heard("1", 0.0, 0.0)
    for number in range(1, 100_001):
        known.wrote(number, number * step_s)
        assert len(known._marks) <= 2 * MARKS_MAX
    last_s = 100_000 * step_s
    known.heard("1", last_s + SETTLE_S, last_s + SETTLE_S)
    assert known.settled == 100_000


def test_writes_that_are_taken_for_one_settle_with_the_last_of_them() -> None:
    """Else the last would be believed before its time."""
    grain_s = SETTLE_S / MARKS_MAX
    known = Settling(0, settle_s=SETTLE_S)
    known.heard("1", 0.0, 0.0)
    known.wrote(1, 5.0)
    known.wrote(2, 5.0 + 0.9 * grain_s)
    known.heard("1", 5.0 + SETTLE_S + 0.8 * grain_s, 99.0)
    assert known.settled == 0
    known.heard("1", 5.0 + SETTLE_S + grain_s, 99.0)
    assert known.settled == 2


def test_what_was_passed_is_never_written_again_however_a_request_under_way_ends() -> None:
    """What is written behind it settles as ever."""
    known = Settling(0, settle_s=SETTLE_S)
    known.heard("1", 0.0, 0.0)
    known.wrote(3, 5.0)
    known.passed(6)
    known.wrote(4, 6.0)
    assert (known.settled, known.written) == (6, 6)
    known.wrote(9, 7.0)
    known.passed(8)
    assert (known.settled, known.written) == (8, 9)
    known.heard("1", 17.5, 17.5)
    assert known.settled == 9
    assert not known.heard("2", 20.0, 20.0)
