"""How a month of lamps looks at a terminal of 80 columns: the figures, failures, and the worst lamps."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gengfu.language import Language
from gengfu.terminal import plain_table

if TYPE_CHECKING:
    from collector.lamps.views import LampReportView

LAMPS_MAX = 10

_TEXTS = {
    "title": ("lamps of {0}, {1} to {2}", "{0} 照明，{1} 至 {2}"),
    "lit": ("lit rate", "亮灯率"),
    "intact": ("intact rate", "设施完好率"),
    "online": ("concentrators online", "集中控制器在线率"),
    "saved": ("energy saved", "节电率"),
    "of": ("{0} of {1} lamp-nights", "{0}/{1} 灯夜"),
    "unseen": ("{0}, {1} not seen enough", "{0}，{1} 灯夜观测不足"),
    "missing": ("{0}, {1} without a record", "{0}，{1} 灯夜无记录"),
    "mean": ("mean of {0}", "{0}平均"),
    "night": ("1 night", "1 夜"),
    "several": ("{0} nights", "{0} 夜"),
    "kwh": ("{0} kWh of {1} kWh", "{0} kWh，基准 {1} kWh"),
    "unknown": ("not known", "未知"),
    "astray": ("lit by day", "误亮"),
    "corrected": ("commands sent again", "补发指令"),
    "energy": ("energy", "用电量"),
    "one": ("lamp-night", "灯夜"),
    "nights": ("lamp-nights", "灯夜"),
    "class": ("{0}, {1}", "{0}，{1}"),
    "failures": ("failures", "故障"),
    "none": ("none", "无"),
    "lamp": ("lamp", "灯"),
    "part": ("city part", "部件标识码"),
    "dark": ("dark", "未亮"),
    "no record": ("no record", "无记录"),
    "lamps": ("lamps that failed, stayed dark, or have no record: {0}", "故障、未亮或无记录的灯：{0}"),
    "more": ("and {0} more: --format html or csv", "另有 {0} 盏：--format html 或 csv"),
}


def parts(report: "LampReportView", language: Language) -> Iterator[RenderableType]:
    """Yield what to print."""
    yield Text(_text("title", language, report.district, report.first, report.last), style="bold")
    yield ""
    yield _figures(report, language)
    yield ""
    yield Text(_text("lamps", language, report.troubled_lamps), style="bold")
    if report.troubled:
        yield _lamps(report, language)
    left = report.troubled_lamps - len(report.troubled[:LAMPS_MAX])
    if left:
        yield _text("more", language, left)


def _figures(report: "LampReportView", language: Language) -> Table:
    from collector.lamps.words import failure_words

    figures = report.figures
    lit = _text("of", language, figures.lit, figures.should)
    if figures.unseen:
        lit = _text("unseen", language, lit, figures.unseen)
    if figures.missing:
        lit = _text("missing", language, lit, figures.missing)
    known = [night for night in report.by_night if night.gateways]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    mean = _text("night" if len(known) == 1 else "several", language, len(known))
    rows = [
        ("lit", _percent(figures.lit_rate, language), lit),
        (
            "intact",
            _percent(figures.intact_rate, language),
            _text("of", language, figures.intact, figures.records),
        ),
        ("online", _percent(report.online_rate, language), _text("mean", language, mean)),
        (
            "saved",
            _percent(figures.saved_share, language),
            _text("kwh", language, _kwh(figures.compared_wh), _kwh(figures.baseline_wh)),
        ),
        ("energy", _kwh(figures.energy_wh), "kWh"),
        ("astray", str(figures.astray), _unit(figures.astray, language)),
        ("corrected", str(figures.corrected), ""),
    ]
    for name, value, note in rows:
        table.add_row(_text(name, language), value, note)
    for index, (name, count) in enumerate(sorted(figures.failures.items(), key=lambda each: -each[1])):
        note = _text("class", language, _unit(count, language), failure_words(name, language))
        table.add_row("" if index else _text("failures", language), str(count), note)
    return table


def _lamps(report: "LampReportView", language: Language) -> Table:
    from collector.lamps.words import failure_words

    table = plain_table()
    for name in ("lamp", "part", "dark", "no record", "failures"):
        table.add_column(_text(name, language), overflow="fold", no_wrap=name in ("dark", "no record"))
    table.columns[2].justify = table.columns[3].justify = "right"
    for lamp in report.troubled[:LAMPS_MAX]:
        failures = ", ".join(
            f"{failure_words(name, language)} {count}" for name, count in sorted(lamp.failures.items())
        )
        table.add_row(
            f"{lamp.gateway}/{lamp.lamp}", lamp.part, str(len(lamp.unlit_nights)), str(lamp.missing), failures
        )
    return table


def _unit(count: int, language: Language) -> str:
    return _text("one" if count == 1 else "nights", language)


def _percent(rate: float | None, language: Language) -> str:
    return _text("unknown", language) if rate is None else f"{100 * rate:.2f} %"


def _kwh(energy_wh: float) -> str:
    return f"{energy_wh / 1000:,.1f}"


def _text(key: str, language: Language, *values: object) -> str:
    return _TEXTS[key][language == "zh"].format(*values)
