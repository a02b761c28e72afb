"""What was said by hand for a cabinet, and what a fresh word leaves of it. Pure, and so are its remarks.

Overrides stand side by side, each for its own time; where two hold for a lamp, the one said last wins, at the
cabinet. So a fresh one takes lamps only out of those that could never hold for them again. A condition has no
level to win with: where its times overlap, they become one that ends as was said last.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from lighting.documents import Condition, Override

LAMPS_TOLD_MAX = 8


class Affected(NamedTuple):
    """A former override, and what becomes of it for some of its lamps."""

    override: Override
    lamps: Sequence[str]
    what: str


def overlaid(
    standing: Iterable[Override], fresh: Override, now_ms: int
) -> tuple[list[Override], list[Affected]]:
    """Return what stands with the fresh override, and the former ones that it goes before."""
    left: list[Override] = []
    affected: list[Affected] = []
    for former in standing:
        lamps = [lamp for lamp in former.lamps if lamp in set(fresh.lamps)]
        from_ms = max(former.start_ms, now_ms)
        if not lamps or from_ms >= fresh.expiration_ms or former.expiration_ms <= fresh.start_ms:
            left.append(former)
        elif fresh.start_ms <= from_ms and former.expiration_ms <= fresh.expiration_ms:
            left += without([former], lamps)
            affected.append(Affected(former, lamps, "is replaced for {0}"))
        else:
            left.append(former)
            affected.append(Affected(former, lamps, "stands back for {0} while this one holds"))
    return [*left, fresh], affected


def without(overrides: Iterable[Override], lamps: Collection[str]) -> list[Override]:
    """Return overrides without some lamps; one that has no other is gone."""
    left = []
    for override in overrides:
        others = [lamp for lamp in override.lamps if lamp not in lamps]
        if others:
            left.append(override.model_copy(update={"lamps": others}))
    return left


def fitted(former: Override, longest_s: float, now_ms: int) -> tuple[Override, bool]:
    """Return the override within what a plan allows, and whether it ends earlier for that.

    One that has begun may begin later, as far as now: that takes nothing from it.
    """
    longest_ms = round(longest_s * 1000)
    begins_ms = max(former.start_ms, min(now_ms, former.expiration_ms - longest_ms))
    ends_ms = min(former.expiration_ms, begins_ms + longest_ms)
    update = {"start_ms": begins_ms, "expiration_ms": ends_ms}
    return former.model_copy(update=update), ends_ms < former.expiration_ms


def cancelled(standing: Iterable[Override], lamps: Collection[str], now_ms: int) -> list[Affected]:
    """Return the overrides of these lamps that had not begun."""
    return [
        Affected(former, mine, "is cancelled too for {0}")
        for former in standing
        if former.start_ms > now_ms and (mine := [lamp for lamp in former.lamps if lamp in lamps])
    ]


def renewed(
    standing: Iterable[Condition], fresh: Condition
) -> tuple[list[Condition], list[tuple[Condition, int]]]:
    """Return what stands with the fresh one, and the former ones that it cuts short, with their ends now."""
    left: list[Condition] = []
    same: list[Condition] = []
    for former in standing:
        apart = former.from_ms >= fresh.until_ms or former.until_ms <= fresh.from_ms
        (left if former.condition != fresh.condition or apart else same).append(former)
    from_ms = min([fresh.from_ms, *(former.from_ms for former in same)])
    whole = fresh.model_copy(update={"from_ms": from_ms})
    short = [(former, fresh.until_ms) for former in same if former.until_ms > fresh.until_ms]
    return [*left, whole], short


def override_remark(gateway: str, affected: Affected, zone: dt.tzinfo) -> str:
    """Return a sentence for people."""
    former, lamps = affected.override, affected.lamps
    named = ", ".join(lamps[:LAMPS_TOLD_MAX])
    if len(lamps) > LAMPS_TOLD_MAX:
        named += f" and {len(lamps) - LAMPS_TOLD_MAX} more"
    when = span(former.start_ms, former.expiration_ms, zone)
    return f"{gateway}: {former.level} % {when} ({former.reason}) {affected.what.format(named)}"


def condition_remark(gateway: str, former: Condition, until_ms: int, zone: dt.tzinfo) -> str:
    """Return a sentence for people."""
    when = span(former.from_ms, former.until_ms, zone)
    return f"{gateway}: {former.condition} {when} ends at {local_time(until_ms, former.until_ms, zone)}"


def cut_remark(gateway: str, former: Override, until_ms: int, longest_s: float, zone: dt.tzinfo) -> str:
    """Return a sentence for people about what a plan allows no more."""
    ends = local_time(until_ms, former.start_ms, zone)
    what = f"ends at {ends} for {{0}}: the plan allows {longest_s:g} s"
    return override_remark(gateway, Affected(former, former.lamps, what), zone)


def refused_remark(gateway: str, former: Override, reason: str, zone: dt.tzinfo) -> str:
    """Return a sentence for people about what was refused."""
    return override_remark(gateway, Affected(former, former.lamps, "is left out for {0}"), zone) + (
        f": the cabinet refused it: {reason}"
    )


def span(from_ms: int, until_ms: int, zone: dt.tzinfo) -> str:
    """Return from when until when, in local time."""
    return f"from {dt.datetime.fromtimestamp(from_ms / 1000, zone):%Y-%m-%d %H:%M} to " + local_time(
        until_ms, from_ms, zone
    )


def local_time(time_ms: int, beside_ms: int, zone: dt.tzinfo) -> str:
    """Return a time of day, with its date where that is not the one told beside it."""
    time, beside = (dt.datetime.fromtimestamp(each / 1000, zone) for each in (time_ms, beside_ms))
    return f"{time:%H:%M}" if time.date() == beside.date() else f"{time:%Y-%m-%d %H:%M}"
