"""Times that a gateway stamped before its clock was ever set, moved to where they belong. Pure.

What is moved was counted by the machine's own clock up to a synchronisation: it is holdover from then on.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from contract.errors import ContractError
from contract.events import Event, Gap
from contract.limits import TIME_MS_MAX
from contract.runs import CLOCKS, QUALITIES, Remark, Run
from contract.samples import ClockState, Quality, Sample

_UNSET, _HOLDOVER = CLOCKS.index(ClockState.UNSET), CLOCKS.index(ClockState.HOLDOVER)
_GOOD, _UNCERTAIN = QUALITIES.index(Quality.GOOD), QUALITIES.index(Quality.UNCERTAIN)


def time_ms(stamped_ms: int, offset_ms: int) -> int:
    """Return the time; ContractError where none is left."""
    moved_ms = stamped_ms + offset_ms
    if not 0 <= moved_ms <= TIME_MS_MAX:
        raise ContractError(f"an offset of {offset_ms} ms leaves no time of {stamped_ms}")
    return moved_ms


def samples(stamped: Iterable[Sample], offset_ms: int) -> list[Sample]:
    """Return samples moved; ContractError where one is not marked unset.

    Those that were uncertain for nothing but their time are good.
    """
    return [_sample(each, offset_ms) for each in stamped]


def _sample(sample: Sample, offset_ms: int) -> Sample:
    if sample.clock is not ClockState.UNSET:
        raise _mixed()
    only_time = sample.quality is Quality.UNCERTAIN and not sample.error
    return replace(
        sample,
        time_ms=time_ms(sample.time_ms, offset_ms),
        quality=Quality.GOOD if only_time else sample.quality,
        clock=ClockState.HOLDOVER,
    )


def run(stamped: Run, offset_ms: int) -> Run:
    """Return a run moved, as ``samples`` does."""
    for at_ms in (stamped.times[0], stamped.times[-1]):
        time_ms(at_ms, offset_ms)
    remarks: list[Remark] = []
    covered = 0
    for index, length, quality, clock, error in stamped.remarks:
        if clock != _UNSET:
            raise _mixed()
        covered += length
        only_time = quality == _UNCERTAIN and not error
        remarks.append((index, length, _GOOD if only_time else quality, _HOLDOVER, error))
    if covered != len(stamped.times):
        raise _mixed()
    return Run([at_ms + offset_ms for at_ms in stamped.times], stamped.segments, remarks)


def events(stamped: Iterable[Event], offset_ms: int) -> list[Event]:
    """Return events, those that are marked unset moved; what they tell of other times stays.

    A gap of unknown count began in one run and ended with the start of the next, which could not know how
    much later that was: it is told as long as it may have been, until it was told at most.
    """
    return [_event(each, offset_ms) if each.clock is ClockState.UNSET else each for each in stamped]


def _event(event: Event, offset_ms: int) -> Event:
    moved = replace(event, time_ms=time_ms(event.time_ms, offset_ms), clock=ClockState.HOLDOVER)
    if isinstance(moved, Gap) and moved.count is None:
        return replace(moved, to_ms=max(moved.to_ms, min(moved.to_ms + offset_ms, moved.time_ms)))
    return moved


def _mixed() -> ContractError:
    return ContractError("a batch with an offset holds a sample whose clock was set")
