"""How old a report of a gateway is, in words; so that nobody takes last week's figures for now."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from gengfu.language import Language
from gengfu.words import counted

LATE_S = 30
"""A running gateway renews its reports three times as often."""
DAY_S = 86_400
_UNITS = ((DAY_S, "day", "天"), (3600, "h", "小时"), (60, "min", "分钟"), (1, "s", "秒"))
_TEXTS = {
    "as of": ("gateway {0}, as of {1}", "网关 {0}，截至 {1}"),
    "ago": ("{0} ago", "{0}前"),
    "to come": (
        "that is still to come: this clock or the gateway's was set back",
        "该时刻尚未到来：本机或网关的时钟曾被回拨",
    ),
    "stopped": ("the gateway was stopped then", "当时网关已停止"),
    "late": (
        "the gateway may not be running: it renews these figures every ten seconds",
        "网关可能未在运行：运行时每十秒更新这些数据",
    ),
}


class Dated(Protocol):
    """What every report has."""

    @property
    def gateway(self) -> str:
        """Whose it is."""

    @property
    def written_ms(self) -> int:
        """When it was written."""

    @property
    def stopped(self) -> bool:
        """Whether it was the last."""


def when(report: Dated, now_ms: int, language: Language = "en") -> Iterator[str]:
    """Yield whose report it is and how old, and what to think of that."""
    age_s = (now_ms - report.written_ms) / 1000
    written = datetime.fromtimestamp(report.written_ms / 1000).astimezone()
    today = timedelta(seconds=abs(age_s)) < timedelta(days=1)
    moment = f"{written:%H:%M:%S}" if today else f"{written:%Y-%m-%d %H:%M:%S}"
    head = _text("as of", language).format(report.gateway, moment)
    if age_s < -1:
        yield head
        yield _text("to come", language)
        return
    yield head + (", " if language == "en" else "，") + ago(max(0.0, age_s), language)
    if report.stopped:
        yield _text("stopped", language)
    elif age_s > LATE_S:
        yield _text("late", language)


def ago(age_s: float, language: Language = "en") -> str:
    """Return "4 min ago"."""
    return _text("ago", language).format(span(age_s, language))


def span(age_s: float, language: Language = "en") -> str:
    """Return "4 min", in the largest unit that it fills."""
    for unit_s, unit, zh in _UNITS:
        if age_s >= unit_s > 1:
            number = int(age_s // unit_s)
            if language == "zh":
                return f"{number} {zh}"
            return counted(number, unit) if unit == "day" else f"{number} {unit}"
    return f"{age_s:.0f} {'s' if language == 'en' else '秒'}"


def as_data(report: Any, now_ms: int) -> dict[str, Any]:
    """Return the report as it is, with its age and whether a gateway is still renewing it."""
    plain: dict[str, Any] = msgspec.to_builtins(report)
    age_s = (now_ms - report.written_ms) / 1000
    return plain | {"age_s": age_s, "current": not report.stopped and 0 <= age_s <= LATE_S}


def _text(name: str, language: Language) -> str:
    return _TEXTS[name][language == "zh"]
