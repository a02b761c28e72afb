"""How the nights of a lamp plan look at a terminal of 80 columns: a picture, and a table of every change."""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gengfu.language import Language
from gengfu.terminal import plain_table

if TYPE_CHECKING:
    from lighting.addresses import Lamp
    from lighting.preview import Night, Shown
    from lighting.timeline import Step

COLUMNS = 72
"""Twenty minutes each, noon to noon."""
_SHADES = ((0, " "), (39, "░"), (69, "▒"), (99, "▓"), (100, "█"))
SENSED = "?"
HOURS = "".join(f"{(12 + 3 * n) % 24:02d}".ljust(COLUMNS // 8) for n in range(8))
"""What stands over a picture: noon to noon."""

_TEXTS = {
    "lamps": ("{0} lamps: {1}", "{0} 盏灯：{1}"),
    "lamp": ("1 lamp: {1}", "1 盏灯：{1}"),
    "calendar": (
        "calendar {0}, latitude {1:g}, longitude {2:g}",
        "日历 {0}，纬度 {1:g}，经度 {2:g}",
    ),
    "legend": (
        "░ 1-39 %  ▒ 40-69 %  ▓ 70-99 %  █ 100 %  ? a sensor decides",
        "░ 1-39 %  ▒ 40-69 %  ▓ 70-99 %  █ 100 %  ? 由传感器决定",
    ),
    "night": ("night of", "夜晚"),
    "time": ("from", "起"),
    "level": ("level", "亮度"),
    "why": ("why", "原因"),
    "program": ("program", "方案"),
    "off": ("off", "关"),
    "sensors": ("? that level or off, by {0}", "? 该亮度或关，由 {0} 决定"),
    "night_begins": ("as before", "延续"),
    "active_period_begins": ("active period begins: {0}", "开灯时段开始：{0}"),
    "active_period_ends": ("active period ends: {0}", "开灯时段结束：{0}"),
    "fixed_time_control": ("fixed time {0}", "定时 {0}"),
    "astro_clock_time_control": ("astronomical: {0}", "经纬度（天文钟）控制：{0}"),
    "condition_begins": ("condition {0} begins", "条件 {0} 开始"),
    "condition_ends": ("condition {0} ends", "条件 {0} 结束"),
    "sun": ("{0}", "{0}"),
    "rule": (", rules[{0}]", "，rules[{0}]"),
    "sunset": ("sunset", "日落"),
    "sunrise": ("sunrise", "日出"),
    "min": (" min", " 分钟"),
}
DAYS = {"en": ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"), "zh": ("一", "二", "三", "四", "五", "六", "日")}


def parts(shown: Sequence["Shown"], zone: ZoneInfo, language: Language) -> Iterator[RenderableType]:
    """Yield what to print of lamps that do the same: who they are, their nights, each change and its why."""
    for one in shown:
        yield from _heading(one, language)
        yield _axis()
        for night in one.nights:
            label = f"{night.night:%d} {DAYS[language][night.night.weekday()]}"
            yield Text(f"{label}  {picture(night)}", style="yellow", no_wrap=True)
        yield Text(_text("legend", language), style="dim")
        yield ""
        yield _changes(one, zone, language)
        yield from _sensors(one, language)
        yield ""


def picture(night: "Night") -> str:
    """Return the night as shades, one for each 1/72 of it, by what is due in its middle."""
    shades = []
    width_ms = (night.ends_ms - night.begins_ms) / COLUMNS
    for column in range(COLUMNS):
        middle_ms = night.begins_ms + (column + 0.5) * width_ms
        step = [step for step in night.steps if step.start_ms <= middle_ms][-1]
        shades.append(SENSED if step.gates else shade(step.level))
    return "".join(shades).rstrip()


def words(names: Sequence["Lamp"]) -> str:
    """Return lamps in few words: those that are numbered one after the other as ``lamp-{1-8}``."""
    told = []
    for gateway, lamps in groupby(names, key=lambda lamp: lamp.gateway):
        told += [f"{gateway}/{name}" for name in _ranges([lamp.lamp for lamp in lamps])]
    return ", ".join(told)


def _ranges(names: Sequence[str]) -> Iterator[str]:
    run: list[str] = []
    for name in names:
        if run and _follows(run[-1], name):
            run.append(name)
            continue
        yield from _told(run)
        run = [name]
    yield from _told(run)


def _told(run: Sequence[str]) -> Iterator[str]:
    if len(run) < 2:
        yield from run
        return
    head = run[0].rstrip("0123456789")
    yield f"{head}{{{run[0][len(head) :]}-{run[-1][len(head) :]}}}"


def _follows(before: str, name: str) -> bool:
    head = before.rstrip("0123456789")
    digits = before[len(head) :]
    return bool(digits) and name == f"{head}{int(digits) + 1:0{len(digits)}d}"


def _heading(one: "Shown", language: Language) -> Iterator[RenderableType]:
    key = "lamps" if len(one.lamps) > 1 else "lamp"
    yield Text(_text(key, language, len(one.lamps), words(one.lamps)), style="bold")
    yield _text("calendar", language, one.calendar, one.place.latitude_deg, one.place.longitude_deg)


def _axis() -> Text:
    return Text(f"{'':7}{HOURS}".rstrip(), style="dim", no_wrap=True)


def _changes(one: "Shown", zone: ZoneInfo, language: Language) -> Table:
    table = plain_table()
    for name in ("night", "time", "level", "why", "program"):
        table.add_column(_text(name, language), overflow="fold", no_wrap=name in ("night", "time"))
    for night in one.nights:
        label = f"{night.night:%m-%d}"
        for index, step in enumerate(night.steps):
            if not index and not step.level and len(night.steps) > 1:
                continue  # off at noon needs no line
            at = dt.datetime.fromtimestamp(max(step.start_ms, night.begins_ms) / 1000, zone)
            why = step.cause.kind.value if index else "night_begins"
            table.add_row(
                label,
                f"{at:%H:%M:%S}",
                _level(step, language),
                _text(why, language, _detail(step.cause.detail, language)),
                step.program + (_text("rule", language, step.rule) if step.rule is not None else ""),
            )
            label = ""
    return table


def _level(step: "Step", language: Language) -> str:
    level = f"{step.level} %" if step.level else _text("off", language)
    return f"{level} {SENSED}" if step.gates else level


def _sensors(one: "Shown", language: Language) -> Iterator[RenderableType]:
    """Yield who decides where the table says that a sensor does."""
    steps = [step for night in one.nights for step in night.steps]
    points = dict.fromkeys(gate.point for step in steps for gate in step.gates)
    if points:
        yield Text(_text("sensors", language, ", ".join(points)), style="dim")


def _detail(detail: str, language: Language) -> str:
    """Return ``sunset-10`` as people say it."""
    for event in ("sunset", "sunrise"):
        if detail.startswith(event):
            rest = detail.removeprefix(event)
            return _text(event, language) + (f" {rest}{_text('min', language)}" if rest else "")
    return detail


def shade(level: int) -> str:
    return next(shade for most, shade in _SHADES if level <= most)


def _text(key: str, language: Language, *values: object) -> str:
    return _TEXTS[key][language == "zh"].format(*values)
