"""One record of a lamp's night out of several. Pure.

A gateway takes up its night after a restart and tells it again, whole. One that lost what it had written
down, as with another card, tells the night in parts, each of the time that it saw itself: times, energy and
repeated commands add up, all failures count, and the changes of all parts are kept in the order of time. The
baseline is that of the night from its sunset on in each part, so the largest stands. Where a part followed
another plan, each plan's changes stand for its own part of the night.
"""

from collections.abc import Iterable
from functools import reduce
from itertools import chain

import msgspec

from contract.events import LampChange, LampNight
from contract.limits import LAMP_CHANGES_MAX, LAMP_FAILURES_MAX
from contract.samples import ClockState

NIGHT_S_MAX = 2 * 86_400
ENERGY_WH_MAX = 1e9
_WORST_FIRST = (ClockState.UNSET, ClockState.HOLDOVER, ClockState.SYNCHRONISED)


def joined(parts: Iterable[LampNight]) -> LampNight:
    """Return what at least one part tells, in whatever order they come; id and time are the last one's."""
    return reduce(_pair, sorted(parts, key=lambda part: (part.time_ms, part.id)))


def _pair(early: LampNight, late: LampNight) -> LampNight:
    measured_wh = [part.energy_wh for part in (early, late) if part.energy_wh is not None]
    return msgspec.structs.replace(
        late,
        planned=_planned(early, late),
        commanded=_merged(early.commanded, late.commanded),
        measured=_merged(early.measured, late.measured),
        should_s=_seconds(early.should_s, late.should_s),
        lit_s=_seconds(early.lit_s, late.lit_s),
        dark_s=_seconds(early.dark_s, late.dark_s),
        astray_s=_seconds(early.astray_s, late.astray_s),
        unpowered_s=_seconds(early.unpowered_s, late.unpowered_s),
        corrected=early.corrected + late.corrected,
        energy_wh=min(round(sum(measured_wh), 3), ENERGY_WH_MAX) if measured_wh else None,
        baseline_wh=max(early.baseline_wh, late.baseline_wh),
        failures=sorted({*early.failures, *late.failures})[:LAMP_FAILURES_MAX],
        part=late.part or early.part,
        clock=min(early.clock, late.clock, key=_WORST_FIRST.index),
    )


def _planned(early: LampNight, late: LampNight) -> list[LampChange]:
    if early.plan == late.plan:
        return _merged(early.planned, late.planned)
    before = [change for change in early.planned if change.at_ms < early.time_ms]
    after = [change for change in late.planned if change.at_ms >= early.time_ms]
    in_force = [change for change in late.planned if change.at_ms < early.time_ms][-1:]
    return _merged(before, [LampChange(early.time_ms, each.level, each.reason) for each in in_force], after)


def _merged(*lists: Iterable[LampChange]) -> list[LampChange]:
    """Return the changes of all, each once; where there are too many, the last one stands for the rest."""
    changes = sorted(set(chain(*lists)), key=lambda change: (change.at_ms, change.reason, change.level))
    if len(changes) > LAMP_CHANGES_MAX:
        changes = [*changes[: LAMP_CHANGES_MAX - 1], changes[-1]]
    return changes


def _seconds(early: int, late: int) -> int:
    return min(early + late, NIGHT_S_MAX)
