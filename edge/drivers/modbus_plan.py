"""The read plan: which points are read together. Pure; costs are time on the line.

A request of its own costs its frame and the answer's, the silences and the device's turnaround; reading on
over a hole costs the hole's characters. Where the hole is cheaper, and the device allows it, points are
merged: at 9600 baud up to 12 registers, at 115200 up to 55, over TCP as far as the device allows.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from device_profiles.schema import BIT_TABLES, ModbusLimits, Point, Table
from edge.drivers.lessons import Learnt, Span
from edge.lines.line import WireCost

REQUEST_CHARACTERS = 8 + 5
"""Request frame, and the answer's frame without data."""
TURNAROUND_S = 0.005
"""How long a device takes to begin its answer, as long as nothing better is known."""
USUAL_COST = WireCost(10 / 9600, 2 * 3.5 * 10 / 9600)
"""A serial line at 9600 8N1."""
NOTHING_LEARNT = Learnt()
_REGISTER, _BIT, _CHARACTER = 16, 1, 8
"""Sizes in eighths of a character, so that costs are whole numbers and equal ones are equal."""


@dataclass(frozen=True, slots=True)
class Block:
    """One read request: ``count`` registers or bits from ``address``."""

    table: Table
    address: int
    count: int


def read_plan(
    points: Iterable[Point],
    limits: ModbusLimits,
    cost: WireCost = USUAL_COST,
    *,
    turnaround_s: float = TURNAROUND_S,
    learnt: Learnt = NOTHING_LEARNT,
) -> list[Block]:
    """Return the cheapest blocks that cover all points but the absent ones, by table and address.

    The words of one value are never divided, even where that exceeds the device's limit; its decimals and
    unit registers may lie in another block.
    """
    return blocks_of(spans_of(points), limits, cost, turnaround_s=turnaround_s, learnt=learnt)


def blocks_of(
    spans: Iterable[Span], limits: ModbusLimits, cost: WireCost, *, turnaround_s: float, learnt: Learnt
) -> list[Block]:
    """Return the plan for spans; see ``read_plan``."""
    wanted = sorted(set(spans) - set(learnt.absent))
    plan: list[Block] = []
    for table in sorted({span[0] for span in wanted}):
        outer = outermost([span for span in wanted if span[0] == table])
        bits = table in BIT_TABLES
        count_max = limits.bits_per_request_max if bits else limits.registers_per_request_max
        count_max = min(count_max, learnt.counts_max.get(table, count_max))
        barriers = _barriers(outer, limits.hole_registers_max, learnt)
        plan += _cheapest(outer, barriers, count_max, request_cost(table, cost, turnaround_s))
    return plan


def request_cost(table: Table, cost: WireCost, turnaround_s: float) -> tuple[int, int]:
    """Return what a request costs, and what each register or bit in it adds; eighths of nanoseconds."""
    character_ns = round(cost.character_s * 1e9)
    request = _CHARACTER * (REQUEST_CHARACTERS * character_ns + round((cost.request_s + turnaround_s) * 1e9))
    return request, (_BIT if table in BIT_TABLES else _REGISTER) * character_ns


def spans_of(points: Iterable[Point]) -> list[Span]:
    """Return what the points need: their values, and each decimals and unit register by itself."""
    return sorted({span for point in points for span in _spans(point)})


def _spans(point: Point) -> Iterable[Span]:
    yield point.table, point.address, point.address + point.words - 1
    for address in (point.decimals_at, point.unit_at):
        if address is not None:
            yield point.table, address, address


def outermost(spans: Sequence[Span]) -> list[Span]:
    """Drop spans that lie within another: they are read with it. Both ends then ascend."""
    kept: list[Span] = []
    for span in spans:
        if kept and span[2] <= kept[-1][2]:
            continue
        if kept and span[1] == kept[-1][1]:
            kept.pop()
        kept.append(span)
    return kept


def _barriers(spans: Sequence[Span], hole_max: int, learnt: Learnt) -> set[int]:
    """Return the spans, by index, that are not read together with the one before."""
    table = spans[0][0]
    never = {
        address
        for of, first, last in (*learnt.holes, *learnt.absent)
        if of == table
        for address in range(first, last + 1)
    }
    cuts = sorted(learnt.apart)
    found = set()
    for index, (before, after) in enumerate(pairwise(spans), start=1):
        hole = range(before[2] + 1, after[1])
        cut = bisect_right(cuts, before) < bisect_right(cuts, after)
        if cut or len(hole) > hole_max or not never.isdisjoint(hole):
            found.add(index)
    return found


def _cheapest(
    spans: Sequence[Span], barriers: set[int], count_max: int, cost: tuple[int, int]
) -> Iterator[Block]:
    """Find, for ever more of one table's spans, where the last block best begins.

    The cost of a block is linear in its ends, so the best beginning is the least of a sliding window.
    """
    request, each = cost
    best = [(0, 0, 0)]  # cost and number of blocks for the spans so far, first span of the last block
    window: deque[tuple[int, int, int]] = deque()
    for index, (_, first, last) in enumerate(spans):
        if index in barriers:
            window.clear()
        entry = (best[index][0] - each * first, best[index][1], index)
        while window and window[-1] > entry:
            window.pop()
        window.append(entry)
        while window[0][2] < index and last - spans[window[0][2]][1] + 1 > count_max:
            window.popleft()
        so_far, blocks, start = window[0]
        best.append((so_far + each * (last + 1) + request, blocks + 1, start))
    starts = []
    end = len(spans)
    while end:
        starts.append((best[end][2], end))
        end = best[end][2]
    for start, end in reversed(starts):
        table, first, _ = spans[start]
        yield Block(table, first, spans[end - 1][2] - first + 1)
