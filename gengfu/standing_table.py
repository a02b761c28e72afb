"""What was said by hand for lamps, and is not over, at a terminal of 80 columns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from gengfu.language import Language
from gengfu.terminal import moment, plain_table

_TEXTS = {
    "title": ("by hand, in this machine's time", "人工设定（本机时间）"),
    "gateway": ("gateway", "网关"),
    "what": ("what", "内容"),
    "until": ("until", "截止"),
    "lamps": ("lamps", "灯"),
    "why": ("why", "原因"),
    "all": ("all", "全部"),
    "off": ("off", "关"),
    "span": ("{0} to\n{1}", "{0} 至\n{1}"),
}


def parts(standing: Sequence[Mapping[str, Any]], now_ms: int, language: Language) -> Iterator[RenderableType]:
    """Yield a title and a row for each override and condition; nothing where there is none."""
    rows = [row for each in standing for row in _rows(each, now_ms, language)]
    if not rows:
        return
    yield ""
    yield Text(_text("title", language), style="bold")
    table = plain_table()
    for name in ("gateway", "what", "until", "lamps", "why"):
        table.add_column(_text(name, language), overflow="fold", no_wrap=name in ("what", "until"))
    for row in rows:
        table.add_row(*row)
    yield table


def _rows(each: Mapping[str, Any], now_ms: int, language: Language) -> Iterator[Sequence[str]]:
    from gengfu.lamp_picture import words
    from lighting.addresses import Lamp

    gateway = each["gateway"]
    for override in each["overrides"]:
        level = f"{override['level']} %" if override["level"] else _text("off", language)
        lamps = words([Lamp(gateway, lamp) for lamp in override["lamps"]]).replace(f"{gateway}/", "")
        span = _span(override["start_ms"], override["expiration_ms"], now_ms, language)
        yield gateway, level, span, lamps, override["reason"]
    for condition in each["conditions"]:
        span = _span(condition["from_ms"], condition["until_ms"], now_ms, language)
        yield gateway, condition["condition"], span, _text("all", language), ""


def _span(from_ms: int, until_ms: int, now_ms: int, language: Language) -> str:
    until = moment(until_ms)
    return until if from_ms <= now_ms else _text("span", language, moment(from_ms), until)


def _text(key: str, language: Language, *values: object) -> str:
    return _TEXTS[key][language == "zh"].format(*values)
