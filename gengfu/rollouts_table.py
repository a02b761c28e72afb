"""Rollouts at a terminal of 80 columns, in English and Chinese: the list, and one with its gateways."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from gengfu.language import Language
from gengfu.terminal import moment, plain_table

_TEXTS = {
    "none": ("no rollout was begun yet", "尚无下发批次"),
    "id": ("rollout", "批次"),
    "state": ("state", "状态"),
    "begun": ("begun", "开始"),
    "who": ("who", "下发人"),
    "gateways": ("gateways", "网关"),
    "note": ("note", "说明"),
    "gateway": ("gateway", "网关"),
    "wave": ("wave", "轮次"),
    "why": ("why", "原因"),
    "running": ("running", "进行中"),
    "stopped": ("stopped", "已停止"),
    "done": ("done", "已完成"),
    "waiting": ("waits for its wave", "等待本轮"),
    "pushed": ("pushed, on trial", "已下发，试运行"),
    "in_force": ("in force", "生效"),
    "failed": ("failed", "失败"),
    "absent": ("absent", "未应答"),
    "head": ("rollout {0}, {1}: in force at {2} of {3}", "批次 {0}，{1}：{3} 台中 {2} 台生效"),
    "reason": ("it was stopped: {0}", "停止原因：{0}"),
}
ID_CHARACTERS = 8


def listed(items: Sequence[Mapping[str, Any]], language: Language) -> Iterator[RenderableType]:
    """Yield a row for each rollout."""
    if not items:
        yield _text("none", language)
        return
    table = _table(("id", "state", "begun", "who", "gateways", "note"), language)
    for item in items:
        done, every = item["counts"].get("in_force", 0), sum(item["counts"].values())
        table.add_row(
            item["id"][:ID_CHARACTERS],
            _text(item["state"], language),
            moment(item["begun_ms"]),
            item["who"],
            f"{done}/{every}",
            item["note"],
        )
    yield table


def one(item: Mapping[str, Any], language: Language) -> Iterator[RenderableType]:
    """Yield how far it is, why it was stopped, and a row for each gateway."""
    done, every = item["counts"].get("in_force", 0), sum(item["counts"].values())
    state = _text(item["state"], language)
    yield _text("head", language, item["id"][:ID_CHARACTERS], state, done, every)
    if item["reason"]:
        yield _text("reason", language, item["reason"])
    table = _table(("gateway", "wave", "state", "why"), language)
    for target in item["targets"]:
        table.add_row(
            target["gateway"], str(target["wave"] + 1), _text(target["state"], language), target["reason"]
        )
    yield table


def _table(names: Sequence[str], language: Language) -> Table:
    table = plain_table()
    for name in names:
        table.add_column(_text(name, language), overflow="fold", no_wrap=name in ("id", "begun"))
    return table


def _text(key: str, language: Language, *values: object) -> str:
    return _TEXTS[key][language == "zh"].format(*values)
