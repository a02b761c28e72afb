"""What the centre raises and clears of itself: findings held against what stands, with delays. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Source(NamedTuple):
    """What a finding is about: a rule, a gateway (or the centre), and a line or an area of it, or nothing."""

    rule: str
    gateway: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """How it stands: ``bad`` None says that nobody can know now.

    ``since_ms`` is since when it is so; None: the centre begins to count as it looks.
    """

    source: Source
    bad: bool | None
    since_ms: int | None = None
    message: str = ""
    value: float | None = None
    limit: float | None = None


class Delays(NamedTuple):
    """How long it has to be bad, and well again, in milliseconds."""

    on_ms: int
    off_ms: int


class Decided(NamedTuple):
    """What is to be raised and cleared, and since when what is not due yet is otherwise than what stands."""

    raised: list[Finding]
    cleared: list[Finding]
    pending: dict[Source, int]


def decide(
    findings: Iterable[Finding],
    standing: Mapping[Source, str],
    pending: Mapping[Source, int],
    delays: Mapping[str, Delays],
    now_ms: int,
) -> Decided:
    """Hold what was found against the ``standing`` alarms.

    What was not looked at stays as it is, and so does what nobody can know: an alarm is neither raised nor
    cleared by blindness, and its delay begins anew.
    """
    decided = Decided([], [], dict(pending))
    for finding in findings:
        source, stands = finding.source, finding.source in standing
        if finding.bad is None or finding.bad == stands:
            decided.pending.pop(source, None)
            continue
        counted_ms = decided.pending.get(source, now_ms)
        since_ms = min(now_ms, counted_ms if finding.since_ms is None else finding.since_ms)
        delay_ms = delays[source.rule].on_ms if finding.bad else delays[source.rule].off_ms
        if now_ms - since_ms >= delay_ms:
            decided.pending.pop(source, None)
            (decided.raised if finding.bad else decided.cleared).append(finding)
        else:
            decided.pending[source] = since_ms
    return decided


def is_low(value: float, limit: float, hysteresis: float, *, stands: bool) -> bool:
    """Say whether a value is below its limit; one that was has to exceed it by the hysteresis."""
    return value < (limit + hysteresis if stands else limit)


def is_high(value: float, limit: float, hysteresis: float, *, stands: bool) -> bool:
    """Say whether a value reaches its limit; one that did has to fall below it by the hysteresis."""
    return value >= (limit - hysteresis if stands else limit)
