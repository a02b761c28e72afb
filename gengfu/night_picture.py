"""How a lamp's nights were, at a terminal of 80 columns: three rows each, planned, commanded, measured."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import set_cell_size
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gengfu.lamp_picture import COLUMNS, DAYS, HOURS, shade
from gengfu.language import Language

if TYPE_CHECKING:
    from collector.lamps.views import LampChangeView, LampNightView

UNKNOWN = "·"
LABEL_CELLS = 8
ROWS = ("planned", "commanded", "measured")

_TEXTS = {
    "planned": ("plan", "计划"),
    "commanded": ("command", "指令"),
    "measured": ("seen", "实测"),
    "no record": ("no record", "无记录"),
    "lit": ("lit {0} of {1}", "亮灯 {0}，应亮 {1}"),
    "off": ("off by plan", "按计划关闭"),
    "unseen": ("not seen enough to judge", "观测不足，无法判定"),
    "dark": ("seen dark {0}", "未亮 {0}"),
    "astray": ("lit by day {0}", "误亮 {0}"),
    "unpowered": ("unpowered {0}", "断电 {0}"),
    "corrected": ("sent again {0} times", "补发 {0} 次"),
    "time": ("{0} h {1:02} min", "{0}小时{1:02}分"),
    "plan": ("plan {0}", "方案 {0}"),
    "no plan": ("no plan", "无方案"),
    "legend": (
        "░ 1-39 %  ▒ 40-69 %  ▓ 70-99 %  █ 100 %  · not known",
        "░ 1-39 %  ▒ 40-69 %  ▓ 70-99 %  █ 100 %  · 未知",
    ),
}


def parts(
    lamp: str, nights: Sequence["LampNightView"], wanted: Sequence[dt.date], language: Language
) -> Iterator[RenderableType]:
    """Yield what to print of one lamp; of ``wanted`` nights also those without a record."""
    told = {night.night: night for night in nights}
    yield Text(lamp, style="bold")
    yield Text(f"{'':{LABEL_CELLS}}{HOURS}".rstrip(), style="dim", no_wrap=True)
    for date in sorted({*wanted, *told}):
        label = f"{date} {DAYS[language][date.weekday()]}"
        night = told.get(date)
        if night is None:
            yield f"{label}  {_text('no record', language)}"
            continue
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_row(label, _summary(night, language))
        yield line
        for name in ROWS:
            drawn = f"{set_cell_size(_text(name, language), LABEL_CELLS)}{row(night, getattr(night, name))}"
            yield Text(drawn, style="yellow", no_wrap=True)
    yield Text(_text("legend", language), style="dim")


def row(night: "LampNightView", changes: Sequence["LampChangeView"]) -> str:
    """Return a night as shades, one for each 1/72 of it; before the first change nobody knows."""
    shades = []
    width_ms = (night.ends_ms - night.begins_ms) / COLUMNS
    for column in range(COLUMNS):
        middle_ms = night.begins_ms + (column + 0.5) * width_ms
        levels = [change.level for change in changes if change.at_ms <= middle_ms]
        known = levels and (middle_ms < night.time_ms or changes is night.planned)
        shades.append(shade(levels[-1]) if known else UNKNOWN)
    return "".join(shades)


def _summary(night: "LampNightView", language: Language) -> str:
    from collector.lamps.words import failure_words

    told = [_text("plan", language, night.plan) if night.plan else _text("no plan", language)]
    if night.should_s:
        told.append(_text("lit", language, _time(night.lit_s, language), _time(night.should_s, language)))
    else:
        told.append(_text("off", language))
    if night.seen is False:
        told.append(_text("unseen", language))
    sums = {"dark": night.dark_s, "astray": night.astray_s, "unpowered": night.unpowered_s}
    told += [
        _text(name, language, _time(seconds, language)) for name, seconds in sums.items() if seconds >= 60
    ]
    if night.corrected:
        told.append(_text("corrected", language, night.corrected))
    if night.energy_wh is not None:
        told.append(f"{night.energy_wh / 1000:.2f} kWh")
    told += [failure_words(name, language) for name in night.failures]
    return ("，" if language == "zh" else ", ").join(told)


def _time(seconds: int, language: Language) -> str:
    return _text("time", language, *divmod(seconds // 60, 60))


def _text(key: str, language: Language, *values: object) -> str:
    return _TEXTS[key][language == "zh"].format(*values)
