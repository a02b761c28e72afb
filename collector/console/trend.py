"""The trend of one point around its alarm, as SVG that needs nothing else. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

from contract.samples import Quality, Sample

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 920, 260, 60, 12, 14, 26
COLUMNS = 400
"""So many columns are drawn, each from the least to the greatest value in it."""
SECONDS_BELOW_MS = 1_200_000
"""A shorter time has its seconds written."""
HOLE_SHARE = 0.05
"""A stretch without a good value that is longer than this part of the whole is left open."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is drawn: from, until, and when the alarm was active; UTC ms. ``cleared_ms`` None: it still is."""

    from_ms: int
    until_ms: int
    raised_ms: int
    cleared_ms: int | None


def trend(samples: Sequence[Sample], span: Span, limit: float | None, utc_offset_min: int) -> str:
    """Return the chart; empty where there is no good number in it."""
    good = [
        (sample.time_ms, float(sample.value))
        for sample in samples
        if sample.quality in (Quality.GOOD, Quality.UNCERTAIN)
        and isinstance(sample.value, bool | int | float)
    ]
    if not good:
        return ""
    least, most = _bounds([value for _, value in good], limit)
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(at_ms: int) -> float:
        share = (at_ms - span.from_ms) / max(1, span.until_ms - span.from_ms)
        return LEFT + inner_width * min(1.0, max(0.0, share))

    def y(value: float) -> float:
        return TOP + inner_height * (1 - (value - least) / (most - least))

    begins, ends = x(span.raised_ms), x(span.until_ms if span.cleared_ms is None else span.cleared_ms)
    drawn = [f'<rect class="alarmed" x="{begins:.1f}" y="{TOP}" width="{max(1.0, ends - begins):.1f}" '
             f'height="{inner_height}"/>']  # fmt: skip
    for share in (0.0, 0.5, 1.0):
        value = least + (most - least) * share
        drawn.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        )
        drawn.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    if limit is not None:
        drawn.append(
            f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(limit):.1f}" y2="{y(limit):.1f}"/>'
        )
        drawn.append(
            f'<text class="limit" x="{WIDTH - RIGHT}" y="{y(limit) - 4:.1f}" '
            f'text-anchor="end">{limit:g}</text>'
        )
    hole_ms = HOLE_SHARE * (span.until_ms - span.from_ms)
    for stretch in _stretches(_columns(good, span), hole_ms):
        path = " ".join(f"{x(at_ms):.1f},{y(value):.1f}" for at_ms, value in stretch)
        if len(stretch) == 1:
            [(at_ms, value)] = stretch
            drawn.append(f'<circle cx="{x(at_ms):.1f}" cy="{y(value):.1f}" r="2.5"/>')
        else:
            drawn.append(f'<polyline points="{path}"/>')
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at_ms = span.from_ms + round((span.until_ms - span.from_ms) * share)
        anchor = "start" if not share else "end" if share == 1 else "middle"
        told = escape(_clock(at_ms, utc_offset_min, span))
        drawn.append(f'<text x="{x(at_ms):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{told}</text>')
    return f'<svg class="trend" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(drawn)}</svg>'


def _bounds(values: Sequence[float], limit: float | None) -> tuple[float, float]:
    shown = [*values, *([] if limit is None else [limit])]
    least, most = min(shown), max(shown)
    if least == most:
        return least - 1, most + 1
    margin = (most - least) * 0.08
    return least - margin, most + margin


def _columns(good: Sequence[tuple[int, float]], span: Span) -> list[tuple[int, float]]:
    """Return at most the first, least, greatest and last value of each column, in time's order."""
    if len(good) <= 2 * COLUMNS:
        return list(good)
    width_ms = max(1, (span.until_ms - span.from_ms) // COLUMNS)
    columns: dict[int, list[tuple[int, float]]] = {}
    for at_ms, value in good:
        columns.setdefault((at_ms - span.from_ms) // width_ms, []).append((at_ms, value))
    kept: list[tuple[int, float]] = []
    for _, inside in sorted(columns.items()):
        low, high = min(inside, key=lambda each: each[1]), max(inside, key=lambda each: each[1])
        kept += sorted({inside[0], low, high, inside[-1]})
    return kept


def _stretches(points: Sequence[tuple[int, float]], hole_ms: float) -> list[list[tuple[int, float]]]:
    found: list[list[tuple[int, float]]] = []
    for at_ms, value in points:
        if not found or at_ms - found[-1][-1][0] > hole_ms:
            found.append([])
        found[-1].append((at_ms, value))
    return found


def _clock(at_ms: int, utc_offset_min: int, span: Span) -> str:
    local = datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(minutes=utc_offset_min)
    return f"{local:%H:%M:%S}" if span.until_ms - span.from_ms < SECONDS_BELOW_MS else f"{local:%m-%d %H:%M}"
