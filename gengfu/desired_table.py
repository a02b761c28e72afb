"""Who has a document of the centre, who has not, and why, at a terminal of 80 columns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from gengfu.language import Language
from gengfu.report_age import ago
from gengfu.terminal import moment, plain_table

_TEXTS = {
    "gateway": ("gateway", "网关"),
    "number": ("no.", "序号"),
    "state": ("state", "状态"),
    "since": ("told", "回报"),
    "why": ("why", "原因"),
    "holds": ("holds", "现行"),
    "none": ("nothing was pushed yet", "尚未下发"),
    "all": ("in force at {0} of {0}", "{0} 台全部生效"),
    "some": ("in force at {0} of {1}", "{1} 台中 {0} 台生效"),
    "waiting": ("not sent yet", "未发出"),
    "sent": ("sent, no answer", "已发出，未回报"),
    "stored": ("stored, not due yet", "已存，未到生效时间"),
    "in_force": ("in force", "生效"),
    "refused": ("refused", "拒绝"),
    "rolled_back": ("rolled back", "已回退"),
    "expired": ("expired", "过期"),
    "overridden": ("changed at the gateway", "现场已改"),
    "superseded": ("superseded", "已被取代"),
    "offline": ("gateway is offline", "网关离线"),
    "due": ("from {0} on", "{0} 起"),
    "comma": (", ", "，"),
}


def parts(items: Sequence[Mapping[str, Any]], now_ms: int, language: Language) -> Iterator[RenderableType]:
    """Yield a line that says how far it is, and a row for each gateway."""
    if not items:
        yield _text("none", language)
        return
    done = sum(item["state"] == "in_force" for item in items)
    yield _text("all" if done == len(items) else "some", language, done, len(items))
    table = plain_table()
    for name in ("gateway", "number", "state", "holds", "since", "why"):
        numeric = name in ("number", "holds")
        table.add_column(_text(name, language), overflow="fold", justify="right" if numeric else "left")
    for item in items:
        reported = item["reported_ms"]
        table.add_row(
            item["gateway"],
            str(item["sequence"]),
            _text(item["state"], language),
            "-" if item["in_force"] is None else str(item["in_force"]),
            "-" if reported is None else ago(max(0.0, (now_ms - reported) / 1000), language),
            _why(item, language),
        )
    yield table


def _why(item: Mapping[str, Any], language: Language) -> str:
    stored = item["state"] == "stored"
    told = [_text("due", language, moment(item["effective_ms"])) if stored else item["reason"]]
    if item["online"] is False:
        told.append(_text("offline", language))
    return _text("comma", language).join(filter(None, told))


def _text(key: str, language: Language, *values: object) -> str:
    return _TEXTS[key][language == "zh"].format(*values)
