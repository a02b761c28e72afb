"""What a device refuses is learnt, with few requests lost; what it only refuses for a while is not."""

import json
import math
from collections.abc import Callable, Collection
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.codec import addresses
from device_profiles.schema import ModbusLimits, Point
from edge.clock import Moment
from edge.drivers.learnt_plan import ABSENT_RETRY_S, LearntPlan
from edge.drivers.lessons import Learnt, as_data, from_data
from edge.drivers.modbus_plan import USUAL_COST, Block
from edge.drivers.read_cycle import TRIES_PER_CYCLE_MAX, Cycle
from toml_files import Title

TITLE = Title(en="point", zh="点")
REFUSED = "illegal_data_address"
DAY_S = 86_400.0


def at(s: float) -> Moment:
    """Return a moment so many seconds after the start."""
    return Moment(round(s * 1e9), 1_800_000_000_000 + round(s * 1000))


def points(addresses: Collection[int], words: int = 1) -> list[Point]:
    """Return points named by their address."""
    return [
        Point(
            name=f"p{address}",
            title=TITLE,
            table="holding_register",
            address=address,
            type="u16" if words == 1 else "u32",
        )
        for address in addresses
    ]


class Site:
    """A plan and a device that answers as told."""

    def __init__(
        self, wanted: list[Point], answer: Callable[[Block], str], learnt: Learnt | None = None
    ) -> None:
        """Ask nothing yet."""
        self.plan = LearntPlan(
            wanted, ModbusLimits(), USUAL_COST, Learnt("d") if learnt is None else learnt, "d"
        )
        self.answer = answer
        self.asked: list[tuple[Block, str]] = []
        self.good: set[int] = set()
        """Addresses that the last cycle brought."""
        self.changes = 0

    @property
    def lost(self) -> int:
        """How many requests were refused so far."""
        return sum(error == REFUSED for _, error in self.asked)

    def cycle(self, now_s: float = 0) -> list[Block]:
        """Go through a cycle; return what was asked."""
        before = len(self.asked)
        cycle = Cycle(self.plan, lambda: at(now_s))
        self.good = set()
        while (block := cycle.block) is not None:
            error = self.answer(block)
            self.asked.append((block, error))
            if not error:
                self.good |= set(range(block.address, block.address + block.count))
            cycle.take(error, 0.02)
        self.changes += cycle.changed
        return [block for block, _ in self.asked[before:]]


def having(*present: range | Collection[int], count_max: int = 125) -> Callable[[Block], str]:
    """Return a device with areas; a request that leaves its area, or asks too much, is refused."""

    def answer(block: Block) -> str:
        wanted = set(range(block.address, block.address + block.count))
        fits = block.count <= count_max and any(wanted <= set(area) for area in present)
        return "" if fits else REFUSED

    return answer


def test_a_hole_that_is_refused_is_never_read_over_again_and_costs_no_sample() -> None:
    """Refused twice, with the pieces between: the next cycle asks for the pieces alone."""
    site = Site(points([0, 1, 5, 6]), having([0, 1, 5, 6]))
    assert [block.count for block in site.plan.blocks] == [7]
    site.cycle()
    assert site.good == {0, 1, 5, 6}
    assert site.lost == 2
    assert [(block.address, block.count) for block in site.cycle(5)] == [(0, 2), (5, 2)]
    assert (site.lost, site.changes) == (2, 1)
    assert site.plan.learnt.holes == {("holding_register", 2, 4)}


@given(st.integers(2, 125), st.data())
def test_one_absent_point_costs_about_two_requests_a_halving(count: int, data: st.DataObject) -> None:
    """All others are read in the very first cycle, and merged but for the gap from the second."""
    gone = data.draw(st.integers(0, count - 1))
    present = set(range(count)) - {gone}
    site = Site(points(range(count)), having(present))
    first = site.cycle()
    assert site.good == present
    assert site.plan.absent_points == [f"p{gone}"]
    assert site.lost <= math.log2(count) + 3
    assert len(first) <= 2 * math.log2(count) + 5
    lost = site.lost
    assert len(site.cycle(5)) <= 2
    assert site.good == present
    assert site.lost == lost
    assert site.plan.learnt.count == 1, "the halves were not to blame"


@settings(max_examples=150, deadline=None)
@given(st.sets(st.integers(0, 150), min_size=2, max_size=60), st.sets(st.integers(0, 150), max_size=12))
def test_whatever_is_missing_all_that_is_there_is_read_in_the_end(wanted: set[int], gone: set[int]) -> None:
    """Nothing is lost any more after some cycles, and what learning lost is bounded by what was learnt."""
    present = wanted - gone
    if not present:
        return
    site = Site(points(sorted(wanted)), having(present))
    for number in range(40):
        site.cycle(number * 700)  # longer than any wait after a cycle that taught nothing
        if all(site.answer(block) == "" for block in site.plan.blocks):
            break
    retried_s = 40 * 700 + 2 * ABSENT_RETRY_S
    lost = site.lost
    assert lost <= (2 * math.log2(len(wanted)) + 4) * max(1, site.plan.learnt.count + site.changes) + 40
    site.plan._retries = dict.fromkeys(site.plan.learnt.absent, (1e12, 1e12))
    site.cycle(retried_s)
    assert site.good >= present
    assert site.lost == lost
    assert set(site.plan.absent_points) == {f"p{address}" for address in wanted & gone}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from([1, 2])), min_size=1, max_size=30),
    st.sets(st.integers(0, 41), max_size=8),
)
def test_values_that_overlap_are_learnt_each_by_itself(places: list[tuple[int, int]], gone: set[int]) -> None:
    """Every value whose words are all there is read in the end."""
    wanted = [entry for address, words in places for entry in points([address], words)]
    present = set(range(50)) - gone
    site = Site(wanted, having(present))
    for number in range(60):
        site.cycle(number * 700)
    whole = [entry for entry in wanted if present >= {*range(entry.address, entry.address + entry.words)}]
    assert site.good >= {address for entry in whole for address in addresses(entry)}


def test_a_shorter_value_at_the_same_address_is_read_though_the_longer_is_not_there() -> None:
    """It is the only thing that the device answers well."""
    site = Site([*points([9]), *points([9], 2)], having({9}))
    site.cycle()
    assert site.good == {9}
    assert site.plan.learnt.absent == {("holding_register", 9, 10): REFUSED}


def test_two_areas_are_parted_where_they_meet_and_nowhere_else() -> None:
    """Registers 0 to 49 and 50 to 99: both are there, no request may span the two."""
    site = Site(points(range(200)), having(range(50), range(50, 100), range(100, 200)))
    for number in range(12):
        site.cycle(number * 5)
    lost = site.lost
    site.cycle(100)
    assert site.good == set(range(200))
    assert site.lost == lost <= 25
    assert site.plan.absent_points == []
    assert len(site.plan.blocks) <= 6


def test_a_device_that_takes_less_than_documented_is_asked_for_less() -> None:
    """One lesson for all its blocks, not one for each."""
    site = Site(points(range(500)), having(range(500), count_max=10))
    for number in range(3):
        site.cycle(number * 5)
    assert site.good == set(range(500))
    assert site.plan.learnt.count == 1
    [count_max] = site.plan.learnt.counts_max.values()
    assert 5 <= count_max <= 10
    assert site.lost <= 4 + 2 * math.log2(125)


def test_the_words_of_a_value_are_never_divided() -> None:
    """Whatever is refused, no request ends within a value."""
    site = Site(points(range(0, 40, 2), words=2), having(set(range(40)) - {17}))
    for number in range(5):
        site.cycle(number * 5)
    assert all(block.address % 2 == 0 and block.count % 2 == 0 for block, _ in site.asked)
    assert site.plan.absent_points == ["p16"]


def test_a_device_that_refuses_everything_teaches_nothing_and_is_asked_ever_less_often_why() -> None:
    """Beyond the plan's own requests: some at first, then next to none."""
    site = Site(points([*range(20), *range(200, 220)]), lambda block: REFUSED)
    own = 2
    extra = [len(site.cycle(number * 5.0)) - own for number in range(1000)]
    assert site.plan.learnt == Learnt("d")
    assert max(extra) <= TRIES_PER_CYCLE_MAX
    assert sum(1 for count in extra if count) <= 12


@given(st.integers(1, 80), st.sampled_from([[*range(10)], [*range(40), 45, 46], [0, 3, 6, 200, 201]]))
def test_a_device_that_refuses_while_it_starts_teaches_nothing(requests: int, wanted: list[int]) -> None:
    """Wherever in a cycle it becomes ready."""
    served = 0

    def answer(block: Block) -> str:
        nonlocal served
        served += 1
        return REFUSED if served <= requests else ""

    site = Site(points(wanted), answer)
    for number in range(100):
        site.cycle(number * 5.0)
    assert site.plan.learnt == Learnt("d")
    assert site.good >= set(wanted)


@pytest.mark.parametrize("error", ["server_device_failure", "server_device_busy", "timeout", "garbled"])
def test_other_failures_are_no_refusals(error: str) -> None:
    """A block that fails so is asked for again as it was."""
    site = Site(points([0, 1, 50, 51]), lambda block: error if block.address else "")
    for number in range(10):
        assert len(site.cycle(number * 5.0)) == 2
    assert site.plan.learnt == Learnt("d")


def test_a_device_that_falls_silent_is_not_asked_why_it_refused() -> None:
    """Each question would cost its timeout."""
    site = Site(points([0, 1, 50, 51]), lambda block: "timeout" if block.address else REFUSED)
    assert len(site.cycle()) == 2


def test_an_absent_point_is_asked_for_rarely_and_read_again_once_it_is_there() -> None:
    """Alone, after a minute, two, four, in the end once an hour: some thirty times on the first day."""
    site = Site(points(range(10)), having(set(range(10)) - {4}))
    site.cycle()
    lost = site.lost
    for number in range(1, 17_280):
        site.cycle(number * 5.0)
        assert site.plan.absent_points == ["p4"]
    assert 24 <= site.lost - lost <= 32
    retries = [block for block, error in site.asked[20:] if error]
    assert set(retries) == {Block("holding_register", 4, 1)}
    site.answer = having(range(10))
    for number in range(17_280, 18_100):
        site.cycle(number * 5.0)
    assert site.plan.absent_points == []
    assert [block.count for block in site.plan.blocks] == [10]


def test_lessons_are_forgotten_after_a_month_and_learnt_again_if_they_hold() -> None:
    """A device that was exchanged for a better one is read in one request again."""
    site = Site(points([0, 1, 5, 6]), having([0, 1, 5, 6]))
    site.cycle()
    site.cycle(29 * DAY_S)
    assert site.lost == 2
    site.cycle(31 * DAY_S)
    assert site.lost == 4
    site.answer = having(range(7))
    site.cycle(62 * DAY_S)
    assert (site.lost, len(site.plan.blocks)) == (4, 1)
    assert site.changes == 3


def test_what_was_learnt_holds_after_a_restart_and_only_for_the_same_points() -> None:
    """It travels as JSON; whatever else stands there means no lessons."""
    before = Site(points(range(20)), having(set(range(20)) - {3}))
    before.cycle()
    kept = from_data(json.loads(json.dumps(as_data(before.plan.learnt))))
    assert kept == before.plan.learnt
    after = Site(points(range(20)), before.answer, kept)
    after.cycle(0)
    after.cycle(3500)
    assert after.lost == 0
    after.cycle(3601)
    assert after.lost == 1, "asked for once an hour"
    other = LearntPlan(points(range(20)), ModbusLimits(), USUAL_COST, kept, "another digest")
    assert other.learnt == Learnt("another digest")
    strange: list[object] = [None, [], {"digest": 5}, {"digest": "d", "holes": [["coil", "x", 1]]}]
    for bad in strange:
        assert from_data(bad) == Learnt()


def test_a_point_that_is_not_there_has_its_reason_and_costs_no_request() -> None:
    """The exception's name, each cycle."""
    site = Site(points(range(10)), having(set(range(10)) - {4}))
    site.cycle()
    cycle = Cycle(site.plan, lambda: at(5))
    while cycle.block is not None:
        cycle.take("", 0.02)
    assert cycle.errors() == {Block("holding_register", 4, 1): REFUSED}


def test_the_plan_follows_the_devices_own_pace() -> None:
    """A device that takes 60 ms to answer is better read over a hole of 16 registers."""
    site = Site(points([0, 17]), lambda block: "")
    assert len(site.plan.blocks) == 2
    for number in range(16):
        cycle = Cycle(site.plan, partial(at, number))
        while cycle.block is not None:
            cycle.take("", 0.067)
    assert len(site.plan.blocks) == 1
