"""After a loss that befell all, each gateway comes in its turn, and nobody waits for ever."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Turn
from edge.uplink.turns import Turns

SECONDS = st.integers(0, 3600 * 64).map(lambda number: number / 64)


@given(after=SECONDS, of=SECONDS, passed=SECONDS, at_least=SECONDS)
def test_the_wait_is_the_shortest_that_ends_in_its_turn(
    after: float, of: float, passed: float, at_least: float
) -> None:
    """No shorter than asked for, and no longer than a round more."""
    turns = Turns(Turn(after, of), 100.0)
    wait_s = turns.wait_s(100 + passed, at_least)
    assert wait_s >= at_least - 1e-6
    if of:
        into = (passed + wait_s - after) / of
        assert abs(into - round(into)) * of < 1e-6
        assert wait_s <= max(at_least + of, after - passed) + 1e-6
    else:
        assert wait_s == at_least


def test_without_a_turn_it_waits_as_long_as_it_has_to() -> None:
    """The centre has never answered."""
    assert Turns(None, 5.0).wait_s(7.0, 1.25) == 1.25


def test_a_thousand_that_lose_the_broker_together_come_one_after_the_other() -> None:
    """However long the broker is away, and however often each fails: never two in the same slot."""
    chance, rate, count = Random(1), 50, 1000
    arrivals: list[float] = []
    for place in range(count):
        turns = Turns(Turn(place / rate, count / rate), 0.0)
        turns.lost(1000.0)
        now_s, failures = 1000.0, 0
        while now_s < 1090.0:  # so long the broker is away
            now_s += turns.wait_s(now_s, min(60.0, 2.0**failures) * (0.5 + chance.random()))
            failures += 1
        arrivals.append(now_s)
    slots = Counter(round(each * rate) for each in arrivals)
    assert max(slots.values()) == 1
    seconds = Counter(round(each * rate) // rate for each in arrivals)
    assert max(seconds.values()) <= rate
