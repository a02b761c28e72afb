"""The read plan: which points are read together. Pure; costs are bytes on the wire.

A request of its own costs its frame, the answer's frame and the silences and turnaround between them; reading
on over a hole costs the hole's bytes. Where the hole is cheaper, and the device allows it, points are merged.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from device_profiles.schema import BIT_TABLES, ModbusLimits, Point, Table

REQUEST_OVERHEAD_BYTES = 8 + 5 + 7 + 5
"""Request frame, the answer's frame without data, two silences of 3.5 characters, a usual turnaround."""


@dataclass(frozen=True, slots=True)
class Block:
    """One read request: ``count`` registers or bits from ``address``."""

    table: Table
    address: int
    count: int


Span = tuple[Table, int, int]
"""First and last address of what is read in one request or not at all."""


def read_plan(points: Iterable[Point], limits: ModbusLimits) -> list[Block]:
    """Return the cheapest blocks that cover all points, by table and address.

    The words of one value are never divided, even where that exceeds the device's limit; its decimals and
    unit registers may lie in another block.
    """
    plan: list[Block] = []
    spans = sorted({span for point in points for span in _spans(point)})
    for table in sorted({span[0] for span in spans}):
        plan += _cheapest([span for span in spans if span[0] == table], limits)
    return plan


def cost_bytes(block: Block) -> int:
    """Return what a block costs, in bytes on the wire."""
    data = (block.count + 7) // 8 if block.table in BIT_TABLES else 2 * block.count
    return REQUEST_OVERHEAD_BYTES + data


def _spans(point: Point) -> Iterable[Span]:
    yield point.table, point.address, point.address + point.words - 1
    for address in (point.decimals_at, point.unit_at):
        if address is not None:
            yield point.table, address, address


def _cheapest(spans: Sequence[Span], limits: ModbusLimits) -> list[Block]:
    """Find, for ever more of one table's spans, where the last block best begins."""
    best: list[tuple[float, int, int]] = [(0, 0, 0)] + [(math.inf, 0, 0)] * len(spans)
    # Cost and number of blocks for the spans so far, and the first span of the last block.
    for start in range(len(spans)):
        cost, blocks, _ = best[start]
        for count, block in enumerate(_blocks(spans[start:], limits), start=1):
            found = (cost + cost_bytes(block), blocks + 1, start)
            best[start + count] = min(best[start + count], found)
    plan: list[Block] = []
    end = len(spans)
    while end:
        start = best[end][2]
        *_, block = _blocks(spans[start:end], limits)
        plan.append(block)
        end = start
    return plan[::-1]


def _blocks(spans: Sequence[Span], limits: ModbusLimits) -> Iterator[Block]:
    """Yield the blocks that hold the first span, the first two, and so on, as far as the device allows."""
    table, first, last = spans[0]
    count_max = limits.bits_per_request_max if table in BIT_TABLES else limits.registers_per_request_max
    for index, (_, address, end) in enumerate(spans):
        hole = address - last - 1
        if index and (hole > limits.hole_registers_max or max(last, end) - first + 1 > count_max):
            return
        last = max(last, end)
        yield Block(table, first, last - first + 1)
