"""Charts of the lamps' report, as SVG that needs nothing else."""

import math
from collections.abc import Sequence
from html import escape

from collector.lamps.report import Report

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 920, 200, 52, 24, 12


def lit(report: Report) -> str:
    """Draw bars from 90 % on, or from below the worst night: that is where the differences are."""
    rates = [(night, figures.lit_rate) for night, figures in report.by_night.items()]
    known = [rate for _, rate in rates if rate is not None]
    least = min(90.0, 10 * int(10 * min(known, default=1)))
    bars = [(night, [("#2f6f9f", 100 * rate)] if rate is not None else []) for night, rate in rates]
    return _bars(bars, least, 100.0)


def energy(report: Report) -> str:
    """Draw what was measured over what full light would have taken, of the nights that are compared."""
    bars = [
        (night, [("#cfdbe6", figures.baseline_wh / 1000), ("#2f6f9f", figures.compared_wh / 1000)])
        for night, figures in report.by_night.items()
    ]
    most = max((value for _, values in bars for _, value in values), default=0.0)
    return _bars(bars, 0.0, _round(most))


def _round(most: float) -> float:
    """Return a figure at the top of an axis: the next of 1, 2, 4, 5, 6, 8 times a power of ten."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * step for step in (1, 2, 4, 5, 6, 8, 10) if most <= power * step)


def _bars(bars: Sequence[tuple[str, Sequence[tuple[str, float]]]], least: float, most: float) -> str:
    """Draw bars, those of one night over each other."""
    inner_width, inner_height = WIDTH - LEFT, HEIGHT - TOP - BOTTOM
    step = inner_width / max(len(bars), 1)
    drawn = []
    for share in (0.0, 0.5, 1.0):
        y = TOP + inner_height * (1 - share)
        value = least + (most - least) * share
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e6eaee"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.4g}</text>')
    for index, (night, values) in enumerate(bars):
        x = LEFT + index * step
        for colour, value in values:
            height = inner_height * min(max(value - least, 0), most - least) / (most - least or 1)
            y = TOP + inner_height - height
            place = f'x="{x + step * 0.12:.1f}" y="{y:.1f}" width="{step * 0.76:.1f}" height="{height:.1f}"'
            told = f"<title>{escape(night)}: {value:,.5g}</title>"
            drawn.append(f'<rect {place} fill="{colour}">{told}</rect>')
        if len(bars) <= 16 or index % 2 == 0:
            middle = x + step / 2
            day = escape(night[8:])
            drawn.append(f'<text x="{middle:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{day}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(drawn)}</svg>'
