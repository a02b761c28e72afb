"""How gateways, lines and rates stand, from what the centre knows. Pure.

While the centre itself does not hear, it knows nothing of any gateway; what was silent meanwhile was silent
for the centre alone, so silence counts from when it hears again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from collector.fleet import words
from collector.fleet.settings import GatewayOffline, LineDown, Neighbours, Rate
from collector.fleet.watching import Finding, Source, is_high, is_low
from collector.incidents.labels import CENTRE

Standing = Collection[Source]


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """When a gateway was heard last, and what its state or will said, and when."""

    gateway: str
    heard_ms: int
    online: bool | None
    state_ms: int | None


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device: since when it is silent, None where it is not; ``unpowered`` is silent by plan."""

    line: str
    device: str
    silent_since_ms: int | None
    unpowered: bool = False


def centre(connected: bool) -> Finding:
    """Return how the centre's own link stands."""
    return Finding(Source("centre_deaf", CENTRE), not connected, None, words.CENTRE_DEAF)


def offline(
    gateways: Iterable[GatewayFacts], settings: GatewayOffline, hears_since_ms: int | None, now_ms: int
) -> Iterator[Finding]:
    """Yield how each gateway stands; ``hears_since_ms`` None: the centre does not hear."""
    for each in gateways:
        source = Source("gateway_offline", each.gateway)
        if hears_since_ms is None:
            yield Finding(source, None)
            continue
        silent_ms = round(settings.silent_s * 1000)
        silent_since_ms = max(each.heard_ms, hears_since_ms)
        if each.online is False:
            since_ms = max(each.state_ms or 0, hears_since_ms)
            yield Finding(source, True, since_ms, words.OFFLINE)
        elif now_ms - silent_since_ms >= silent_ms:
            message = words.SILENT.format(hours=round((now_ms - each.heard_ms) / 3_600_000, 1))
            yield Finding(source, True, silent_since_ms + silent_ms, message)
        else:
            yield Finding(source, False, each.state_ms if each.online else each.heard_ms)


def gone(findings: Iterable[Finding]) -> set[str]:
    """Return the gateways that are offline just now, whatever the delays."""
    return {finding.source.gateway for finding in findings if finding.bad}


def lines(
    gateway: str, devices: Sequence[DeviceFacts], settings: LineDown, *, is_there: bool | None
) -> Iterator[Finding]:
    """Yield how each line of a gateway stands; where that is not there, nobody knows.

    A line is down where none of its devices that has power answers, and they are ``devices_min`` or more.
    """
    by_line: dict[str, list[DeviceFacts]] = defaultdict(list)
    for each in devices:
        by_line[each.line].append(each)
    for line, on_it in by_line.items():
        source = Source("line_down", gateway, line)
        powered = [each for each in on_it if not each.unpowered]
        if not is_there or len(powered) < settings.devices_min:
            yield Finding(source, None)
            continue
        since = [each.silent_since_ms for each in powered]
        silent = [at_ms for at_ms in since if at_ms is not None]
        message = words.LINE_DOWN.format(line=line, count=len(powered))
        down = len(silent) == len(powered)
        yield Finding(source, down, max(silent) if down else None, message, len(silent), len(powered))


def rate(
    rule: str, share: float | None, count: int, settings: Rate, standing: Standing, message: str
) -> Finding:
    """Return how a share (0 to 1, None: not known) of ``count`` stands to its limit."""
    source = Source(rule, CENTRE)
    if share is None or count < settings.count_min:
        return Finding(source, None)
    percent = round(share * 100, 2)
    low = is_low(percent, settings.limit_percent, settings.hysteresis_percent, stands=source in standing)
    told = message.format(percent=percent, limit=settings.limit_percent, count=count)
    return Finding(source, low, None, told, percent, settings.limit_percent)


def neighbours(
    gateways: Iterable[str],
    offline_now: Collection[str],
    areas: Mapping[str, str],
    settings: Neighbours,
    standing: Standing,
    *,
    hears: bool,
) -> Iterator[Finding]:
    """Yield how the gateways of each area stand, by the share of them that is gone."""
    by_area: dict[str, list[str]] = defaultdict(list)
    for gateway in gateways:
        if area := areas.get(gateway, ""):
            by_area[area].append(gateway)
    for area, in_it in by_area.items():
        source = Source("many_neighbours", CENTRE, area)
        lost = sum(gateway in offline_now for gateway in in_it)
        if not hears or len(in_it) < settings.gateways_min:
            yield Finding(source, None)
            continue
        percent = 100 * lost / len(in_it)
        stands = source in standing
        high = is_high(percent, settings.share_percent, settings.hysteresis_percent, stands=stands)
        bad = high and (stands or lost >= settings.gateways_min)
        message = words.NEIGHBOURS.format(area=area, lost=lost, count=len(in_it))
        yield Finding(source, bad, None, message, round(percent, 1), settings.share_percent)
    yield from (
        Finding(source, False, 0, words.NOT_WATCHED)
        for source in standing
        if hears and source.rule == "many_neighbours" and source.device not in by_area
    )
