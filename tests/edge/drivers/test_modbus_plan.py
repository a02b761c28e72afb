"""The read plan covers every point, within the device's limits, at the lowest cost there is."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from device_profiles.catalogue import load_all
from device_profiles.codec import addresses
from device_profiles.schema import BIT_TABLES, ModbusLimits, Point, Table
from edge.drivers.lessons import Learnt, Span
from edge.drivers.modbus_plan import (
    TURNAROUND_S,
    USUAL_COST,
    Block,
    blocks_of,
    read_plan,
    request_cost,
    spans_of,
)
from edge.lines.line import WireCost
from edge.lines.tcp import COST as TCP_COST
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from simulators.bus import Bus
from simulators.wire import SimulatedWire
from toml_files import Title

TITLE = Title(en="point", zh="点")
tables: st.SearchStrategy[Table] = st.sampled_from(["coil", "holding_register", "input_register"])


def cost_s(block: Block, cost: WireCost = USUAL_COST, turnaround_s: float = TURNAROUND_S) -> float:
    """Return what a block costs, in seconds of the line's time."""
    request, each = request_cost(block.table, cost, turnaround_s)
    return (request + each * block.count) / 8e9


def point(table: Table, address: int, *, words: int = 1, decimals_at: int | None = None) -> Point:
    """Return a point at an address."""
    if table in BIT_TABLES:
        return Point(name="point", title=TITLE, table=table, address=address, type="bool")
    return Point(
        name="point",
        title=TITLE,
        table=table,
        address=address,
        type="u16" if words == 1 else "u32",
        decimals_at=decimals_at,
    )


@st.composite
def points(draw: st.DrawFn, count_max: int, address_max: int) -> list[Point]:
    """Draw points of one and two words, some with a decimals register elsewhere; they may overlap."""
    places = st.integers(0, address_max)
    one = st.builds(
        point, tables, places, words=st.sampled_from([1, 1, 2]), decimals_at=st.none() | st.none() | places
    )
    return draw(st.lists(one, min_size=1, max_size=count_max))


def serial_cost(baud: int) -> WireCost:
    """Return what a serial line of this speed says of itself."""
    return VirtualLine("line", Timing.of(baud, "N", 1), SimulatedWire(Bus(), baud)).cost


limits = st.builds(
    ModbusLimits,
    registers_per_request_max=st.integers(2, 125),
    bits_per_request_max=st.integers(2, 2000),
    hole_registers_max=st.integers(0, 120),
)
tight_limits = st.builds(
    ModbusLimits,
    registers_per_request_max=st.integers(2, 12),
    bits_per_request_max=st.integers(2, 300),
    hole_registers_max=st.sampled_from([0, 1, 5, 16, 120]),
)


def count_max(block: Block, limit: ModbusLimits) -> int:
    """Return how much one request of this kind may ask for."""
    return limit.bits_per_request_max if block.table in BIT_TABLES else limit.registers_per_request_max


def cells(block: Block) -> set[tuple[Table, int]]:
    """Return what a block reads."""
    return {(block.table, block.address + index) for index in range(block.count)}


@settings(max_examples=200)
@given(points(40, 600), limits)
def test_every_point_is_read_within_the_limits(wanted: list[Point], limit: ModbusLimits) -> None:
    """A value's words lie in one block, and a block begins and ends with what is needed."""
    plan = read_plan(wanted, limit)
    for entry in wanted:
        own = {(entry.table, entry.address + index) for index in range(entry.words)}
        assert any(own <= cells(block) for block in plan)
    needed = {(entry.table, address) for entry in wanted for address in addresses(entry)}
    for block in plan:
        assert block.count <= count_max(block, limit)
        inside = sorted(address for table, address in needed & cells(block))
        assert (inside[0], inside[-1]) == (block.address, block.address + block.count - 1)
        holes = [after - before - 1 for before, after in pairwise(inside)]
        assert max(holes, default=0) <= limit.hole_registers_max
    assert needed <= set().union(*map(cells, plan))
    assert plan == sorted(plan, key=lambda block: (block.table, block.address))


@given(st.sets(st.integers(0, 600), min_size=1, max_size=60), tables, limits)
def test_points_that_do_not_overlap_are_covered_exactly_once(
    places: set[int], table: Table, limit: ModbusLimits
) -> None:
    """No two blocks share an address."""
    plan = read_plan([point(table, address) for address in places], limit)
    read = [cell for block in plan for cell in cells(block)]
    assert len(read) == len(set(read))
    assert {(table, address) for address in places} <= set(read)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=8),
    tables,
    tight_limits,
)
def test_no_other_grouping_is_cheaper(
    gaps: list[tuple[int, bool]], table: Table, limit: ModbusLimits
) -> None:
    """Held against every way to cut the row of points; reading each apart is one of them."""
    wanted, at = [], 0
    for gap, double in gaps:
        wanted.append(point(table, at + gap, words=2 if double else 1))
        at += gap + wanted[-1].words
    plan = read_plan(wanted, limit)
    cost = sum(map(cost_s, plan))
    apart = [Block(table, entry.address, entry.words) for entry in wanted]
    assert cost <= sum(map(cost_s, apart))
    least = min(
        sum(map(cost_s, blocks))
        for cuts in range(2 ** (len(wanted) - 1))
        if (blocks := _grouped(wanted, cuts, limit)) is not None
    )
    assert cost == pytest.approx(least, rel=1e-9)


def _grouped(wanted: Sequence[Point], cuts: int, limit: ModbusLimits) -> list[Block] | None:
    """Return the blocks where bit n of ``cuts`` parts point n from the next; None if that is not allowed."""
    groups: list[list[Point]] = [[wanted[0]]]
    for index, entry in enumerate(wanted[1:]):
        if cuts >> index & 1:
            groups.append([entry])
        else:
            before = groups[-1][-1]
            if entry.address - before.address - before.words > limit.hole_registers_max:
                return None
            groups[-1].append(entry)
    blocks = []
    for group in groups:
        first, last = group[0].address, group[-1].address + group[-1].words
        block = Block(wanted[0].table, first, last - first)
        if block.count > count_max(block, limit):
            return None
        blocks.append(block)
    return blocks


def test_a_small_hole_is_read_over_and_a_large_one_is_not() -> None:
    """Twelve registers cost 24 bytes, thirteen more than a request of their own."""
    near = [point("holding_register", 0), point("holding_register", 13)]
    assert read_plan(near, ModbusLimits()) == [Block("holding_register", 0, 14)]
    far = [point("holding_register", 0), point("holding_register", 14)]
    assert read_plan(far, ModbusLimits()) == [
        Block("holding_register", 0, 1),
        Block("holding_register", 14, 1),
    ]


def test_a_device_that_refuses_holes_is_never_asked_for_one() -> None:
    """hole_registers_max = 0: neighbours are merged, nothing else, not even a value and its decimals."""
    wanted = [
        point("holding_register", 4, decimals_at=2),
        point("holding_register", 5),
        point("holding_register", 7),
    ]
    plan = read_plan(wanted, ModbusLimits(hole_registers_max=0))
    assert [(block.address, block.count) for block in plan] == [(2, 1), (4, 2), (7, 1)]


def test_where_a_limit_parts_them_it_is_at_the_widest_hole() -> None:
    """Filling the first request to its limit would read over five registers in vain."""
    wanted = [point("holding_register", address) for address in (0, 6, 7, 8)]
    plan = read_plan(wanted, ModbusLimits(registers_per_request_max=8))
    assert [(block.address, block.count) for block in plan] == [(0, 1), (6, 3)]


def test_decimals_far_away_do_not_make_an_impossible_request() -> None:
    """The value and its decimals register are read apart."""
    plan = read_plan([point("holding_register", 0, decimals_at=0x1000)], ModbusLimits())
    assert [(block.address, block.count) for block in plan] == [(0, 1), (0x1000, 1)]


def test_a_value_of_two_words_is_never_divided() -> None:
    """Not even where the device's limit is one register: half a value would be a wrong value."""
    plan = read_plan([point("holding_register", 0, words=2)], ModbusLimits(registers_per_request_max=1))
    assert plan == [Block("holding_register", 0, 2)]


def test_no_points_need_no_requests() -> None:
    """An empty plan."""
    assert read_plan([], ModbusLimits()) == []


def test_a_thousand_points_are_planned() -> None:
    """In eight requests of 125 registers."""
    wanted = [point("input_register", address) for address in range(1000)]
    plan = read_plan(wanted, ModbusLimits())
    assert [block.count for block in plan] == [125] * 8


@pytest.mark.parametrize("table", ["coil", "input_register"])
def test_planning_grows_with_the_number_of_points_and_not_faster(table: Table) -> None:
    """Counted in lines of code run: twice the points take about twice as many."""

    def lines(count: int) -> int:
        spans = spans_of(point(table, address) for address in range(count))
        run = 0

        def trace(frame: FrameType, event: str, arg: Any) -> Any:
            nonlocal run
            run += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            blocks_of(spans, ModbusLimits(), USUAL_COST, turnaround_s=0.005, learnt=Learnt())
        finally:
            sys.settrace(before)
        return run

    assert lines(1000) < 2.2 * lines(500)


@pytest.mark.parametrize(
    ("cost", "turnaround_s", "widest"),
    [
        (serial_cost(9600), 0.005, 12),
        (serial_cost(1200), 0.005, 10),
        (serial_cost(115_200), 0.005, 55),
        (serial_cost(9600), 0.05, 34),
        (serial_cost(9600), 0.001, 10),
        (TCP_COST, 0.005, 120),
    ],
)
def test_how_wide_a_hole_is_read_over_depends_on_the_line_and_the_device(
    cost: WireCost, turnaround_s: float, widest: int
) -> None:
    """A fast line and a slow device make requests dear; the profile has the last word."""
    for hole, blocks in ((widest, 1), (widest + 1, 2)):
        wanted = [point("holding_register", 0), point("holding_register", hole + 1)]
        limit = ModbusLimits(hole_registers_max=120)
        assert len(read_plan(wanted, limit, cost, turnaround_s=turnaround_s)) == blocks


spans: st.SearchStrategy[Span] = st.builds(
    lambda table, first, more: (table, first, first + more), tables, st.integers(0, 80), st.integers(0, 5)
)
lessons = st.builds(
    Learnt,
    holes=st.frozensets(spans, max_size=6),
    apart=st.frozensets(spans, max_size=6),
    counts_max=st.dictionaries(tables, st.integers(1, 20), max_size=3),
)


@settings(max_examples=300)
@given(points(30, 80), limits, lessons, st.sets(st.integers(0, 29), max_size=5))
def test_no_lesson_is_ever_broken_and_nothing_else_is_missing(
    wanted: list[Point], limit: ModbusLimits, lesson: Learnt, gone: set[int]
) -> None:
    """No hole that was learnt lies between what a block reads for; what is absent is not asked for."""
    every = spans_of(wanted)
    absent = {every[index]: "illegal_data_address" for index in gone if index < len(every)}
    lesson = replace(lesson, absent=absent)
    plan = read_plan(wanted, limit, learnt=lesson)
    rest = [span for span in every if span not in absent]
    needed = {(span[0], address) for span in rest for address in range(span[1], span[2] + 1)}
    for table, first, last in rest:
        assert any(
            block.table == table and block.address <= first and last < block.address + block.count
            for block in plan
        )
    for block in plan:
        widest = max(last - first + 1 for table, first, last in rest if table == block.table)
        assert block.count <= max(widest, lesson.counts_max.get(block.table, 2000))
        read_over = cells(block) - needed
        for table, first, last in (*lesson.holes, *absent):
            assert read_over.isdisjoint((table, address) for address in range(first, last + 1))
    for cut in lesson.apart:
        for block in plan:
            if block.count == 1 or block.table != cut[0]:
                continue
            starts = [span for span in rest if {(span[0], span[1]), (span[0], span[2])} <= cells(block)]
            outer = [
                span
                for span in starts
                if not any(o != span and o[1] <= span[1] and span[2] <= o[2] for o in starts)
            ]
            assert len({span < cut for span in outer}) == 1


@given(points(40, 600), limits, st.sampled_from([serial_cost(1200), serial_cost(115_200), TCP_COST]))
def test_merging_never_costs_more_than_reading_each_by_itself(
    wanted: list[Point], limit: ModbusLimits, cost: WireCost
) -> None:
    """On whatever line."""
    apart = {Block(table, first, last - first + 1) for table, first, last in spans_of(wanted)}
    plan = read_plan(wanted, limit, cost)
    assert sum(cost_s(block, cost) for block in plan) <= sum(cost_s(block, cost) for block in apart) + 1e-9


@pytest.mark.parametrize(
    ("profile", "blocks"),
    [
        ("renke_dust", [Block("holding_register", 0x01F4, 11)]),
        ("qdy30a", [Block("holding_register", 2, 3)]),
        ("waveshare_relay_8", [Block("coil", 0, 8)]),
        ("wt901c485", [Block("holding_register", 0x3D, 3)]),
    ],
)
def test_shipped_devices_are_read_in_one_request(profile: str, blocks: list[Block]) -> None:
    """As their manuals do it."""
    shipped = load_all()[profile]
    assert read_plan(shipped.points, shipped.modbus) == blocks
