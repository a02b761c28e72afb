"""The monthly report of lamps as one HTML page that needs nothing else: no script, no font, no network."""

from collections.abc import Callable, Sequence
from html import escape

from collector.lamps import charts as lamp_charts
from collector.lamps.report import Report
from collector.lamps.words import Language, failure_words, rules
from lighting.figures import Figures

_TEXTS = {
    "title": ("Lamps of {0}: {1} to {2}", "{0} 照明月报：{1} 至 {2}"),
    "lit": ("Lit rate", "亮灯率"),
    "intact": ("Intact rate", "设施完好率"),
    "online": ("Concentrators online", "集中控制器在线率"),
    "saved": ("Energy saved", "节电率"),
    "of": ("{0} of {1} lamp-nights", "{0}/{1} 灯夜"),
    "unseen": ("{0} of them not seen long enough to judge", "其中 {0} 灯夜观测不足，无法判定"),
    "missing": ("{0} of them without a record", "其中 {0} 灯夜无记录"),
    "besides": ("{0} more without a record are not in it", "另有 {0} 灯夜无记录，未计入"),
    "no record": ("no record, lamp-nights", "无记录，灯夜"),
    "nights missing": ("nights without a record", "无记录夜数"),
    "kwh": ("{0} kWh of {1} kWh", "{0} kWh，基准 {1} kWh"),
    "mean": ("mean of {0} nights", "{0} 夜平均"),
    "unknown": ("not known", "未知"),
    "lit by night": ("Lit rate by night, %", "每夜亮灯率，%"),
    "energy by night": (
        "Energy by night, as far as it is compared, kWh (pale: baseline)",
        "每夜参与比较的用电量，kWh（浅色：基准）",
    ),
    "failures": ("Failures, lamp-nights", "故障，灯夜"),
    "none": ("none", "无"),
    "cabinets": ("Cabinets", "配电箱"),
    "cabinet": ("cabinet", "配电箱"),
    "lamp": ("lamp", "灯"),
    "part": ("city part", "部件标识码"),
    "lamps": ("Lamps that failed, stayed dark, or have no record", "故障、未亮或无记录的灯"),
    "more": ("and {0} more; the CSV has them all", "另有 {0} 盏，详见 CSV"),
    "nights": ("nights dark", "未亮夜数"),
    "corrected": ("commands sent again", "补发指令"),
    "astray": ("lit by day, lamp-nights", "误亮，灯夜"),
    "energy": ("energy, kWh", "用电量，kWh"),
    "rules": ("How this is counted", "统计规则"),
}
_STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;color:#1d2733;max-width:960px;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
.tiles{display:flex;flex-wrap:wrap;gap:12px}
.tile{flex:1 1 170px;border:1px solid #d7dde4;border-radius:8px;padding:12px 16px}
.tile b{display:block;font-size:1.8rem}.tile small{color:#5b6875;display:block}
svg{width:100%;height:auto}svg text{font-size:11px;fill:#5b6875}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:4px 10px 4px 0;border-bottom:1px solid #e6eaee}
td.n,th.n{text-align:right;padding-right:24px}td.n{white-space:nowrap}
td.wide{width:60%}.bar{background:#b4552d;height:10px}
.rules{color:#5b6875;font-size:13px}
@media print{body{margin:0}}
"""


def page(report: Report, language: Language) -> str:
    """Return the whole page."""

    def text(key: str, *values: object) -> str:
        return escape(_TEXTS[key][language == "zh"].format(*values))

    def failure(name: str) -> str:
        return escape(failure_words(name, language))

    title = text("title", report.district, report.first, report.last)
    parts = [
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>',
        f"<h1>{title}</h1>",
        _tiles(report, text),
        f"<h2>{text('lit by night')}</h2>",
        lamp_charts.lit(report),
        f"<h2>{text('energy by night')}</h2>",
        lamp_charts.energy(report),
        f"<h2>{text('failures')}</h2>",
        _failures(report.whole, text, failure),
        f"<h2>{text('cabinets')}</h2>",
        _cabinets(report, text),
        f"<h2>{text('lamps')}</h2>",
        _lamps(report, text, failure),
        f"<h2>{text('rules')}</h2>",
        '<ul class="rules">' + "".join(f"<li>{escape(rule)}</li>" for rule in rules(language)) + "</ul>",
        "</body></html>\n",
    ]
    return "\n".join(parts)


Text = Callable[..., str]


def _tiles(report: Report, text: Text) -> str:
    whole = report.whole
    lit = text("of", whole.lit, whole.should)
    if whole.unseen:
        lit += f"<br>{text('unseen', whole.unseen)}"
    if whole.missing:
        lit += f"<br>{text('missing', whole.missing)}"
    intact = text("of", whole.intact, whole.records)
    if whole.missing:
        intact += f"<br>{text('besides', whole.missing)}"
    saved = text("kwh", f"{whole.compared_wh / 1000:,.1f}", f"{whole.baseline_wh / 1000:,.1f}")
    tiles = [
        ("lit", whole.lit_rate, lit),
        ("intact", whole.intact_rate, intact),
        ("online", report.online_rate, text("mean", len(report.online))),
        ("saved", whole.saved_share, saved),
    ]
    shown = "".join(
        f'<div class="tile">{text(name)}<b>{_percent(value, text)}</b><small>{note}</small></div>'
        for name, value, note in tiles
    )
    return f'<div class="tiles">{shown}</div>'


def _percent(value: float | None, text: Text) -> str:
    return text("unknown") if value is None else f"{100 * value:.2f} %"


def _failures(figures: Figures, text: Text, failure: Text) -> str:
    if not figures.failures:
        return f"<p>{text('none')}</p>"
    most = max(figures.failures.values())
    rows = "".join(
        f'<tr><td>{failure(name)}</td><td class="n">{count}</td>'
        f'<td class="wide"><div class="bar" style="width:{100 * count / most:.1f}%"></div></td></tr>'
        for name, count in sorted(figures.failures.items(), key=lambda entry: -entry[1])
    )
    return f"<table>{rows}</table>"


def _cabinets(report: Report, text: Text) -> str:
    head = ("cabinet", "lit", "no record", "intact", "astray", "corrected", "energy")
    rows = [
        (
            escape(gateway),
            _percent(figures.lit_rate, text),
            str(figures.missing),
            _percent(figures.intact_rate, text),
            str(figures.astray),
            str(figures.corrected),
            f"{figures.energy_wh / 1000:,.1f}",
        )
        for gateway, figures in sorted(report.by_gateway.items())
    ]
    return _table([text(key) for key in head], rows)


def _lamps(report: Report, text: Text, failure: Text) -> str:
    if not report.troubled:
        return f"<p>{text('none')}</p>"
    rows = [
        (
            escape(f"{lamp.gateway}/{lamp.lamp}"),
            escape(lamp.part),
            str(len(lamp.unlit_nights)),
            str(lamp.figures.missing),
            ", ".join(f"{failure(name)} {count}" for name, count in sorted(lamp.figures.failures.items())),
        )
        for lamp in report.troubled
    ]
    table = _table(
        [text(key) for key in ("lamp", "part", "nights", "nights missing", "failures")], rows, numbers=(2, 3)
    )
    left = report.troubled_lamps - len(report.troubled)
    return table + (f"<p>{text('more', left)}</p>" if left > 0 else "")


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = (1, 2, 3, 4, 5, 6)
) -> str:
    def cells(kind: str, row: Sequence[str]) -> str:
        return "".join(
            f'<{kind} class="n">{cell}</{kind}>' if index in numbers else f"<{kind}>{cell}</{kind}>"
            for index, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{cells('th', head)}</tr>{body}</table>"
