"""The read plan: which points are read together. Pure; costs are bytes on the wire.

A request of its own costs its frame, the answer's frame and the silences and turnaround between them; reading
on over a hole costs the hole's bytes. Where the hole is cheaper, and the device allows it, points are merged.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from device_profiles.codec import addresses
from device_profiles.schema import BIT_TABLES, ModbusLimits, Point, Table

REQUEST_OVERHEAD_BYTES = 8 + 5 + 7 + 5
"""Request frame, the answer's frame without data, two silences of 3.5 characters, a usual turnaround."""


@dataclass(frozen=True, slots=True)
class Block:
    """One read request: ``count`` registers or bits from ``address``."""

    table: Table
    address: int
    count: int


def read_plan(points: Iterable[Point], limits: ModbusLimits) -> list[Block]:
    """Return the cheapest blocks that cover all points, by table and address; a point is never divided."""
    spans = sorted({(point.table, addresses(point)[0], addresses(point)[-1]) for point in points})
    plan: list[Block] = []
    for table, first, last in spans:
        if plan and (merged := _merged(plan[-1], table, first, last, limits)):
            plan[-1] = merged
        else:
            plan.append(Block(table, first, last - first + 1))
    return plan


def _merged(block: Block, table: Table, first: int, last: int, limits: ModbusLimits) -> Block | None:
    if table != block.table:
        return None
    end = block.address + block.count
    hole = max(0, first - end)
    bits = table in BIT_TABLES
    count = max(end, last + 1) - block.address
    if hole > limits.hole_registers_max or (hole / 8 if bits else 2 * hole) > REQUEST_OVERHEAD_BYTES:
        return None
    if count > (limits.bits_per_request_max if bits else limits.registers_per_request_max):
        return None
    return Block(table, block.address, count)
