"""Users, tokens and the audit trail at a terminal of 80 columns."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from gengfu.language import Language
from gengfu.terminal import plain_table

_TEXTS = {
    "name": ("name", "用户"),
    "token": ("token", "令牌"),
    "called": ("called", "姓名"),
    "role": ("role", "角色"),
    "reached": ("phone, mail", "电话、邮箱"),
    "areas": ("areas", "区域"),
    "all": ("all", "全部"),
    "disabled": ("disabled", "停用"),
    "user": ("user", "用户"),
    "program": ("program", "程序"),
    "expires": ("expires", "到期"),
    "used": ("used", "最近使用"),
    "never": ("never", "从不"),
    "at": ("at", "时间"),
    "who": ("who", "操作人"),
    "action": ("action", "操作"),
    "target": ("target", "对象"),
    "detail": ("detail", "详情"),
    "read_only": ("read only", "只读"),
    "technician": ("technician", "技术员"),
    "lighting": ("lighting", "照明"),
    "command": ("command", "指挥"),
    "administrator": ("administrator", "管理员"),
    "no_users": (
        "no users: whoever is on the centre's machine may do everything",
        "没有用户：中心本机的任何人可做一切",
    ),
    "no_tokens": ("no tokens", "没有令牌"),
    "no_notes": ("nothing of that kind", "没有记录"),
    "comma": (", ", "、"),
}


def users(items: Sequence[Mapping[str, Any]], language: Language) -> RenderableType:
    """Return a row a user."""
    if not items:
        return _text("no_users", language)
    table = _table(("name", "called", "role", "reached", "areas"), language)
    for each in items:
        role = _text(each["role"], language)
        table.add_row(
            each["name"],
            each["display_name"],
            f"{role} ({_text('disabled', language)})" if each["disabled"] else role,
            "\n".join(it for it in (each["phone"], each["mail"]) if it),
            _text("comma", language).join(each["areas"]) or _text("all", language),
        )
    return table


def tokens(items: Sequence[Mapping[str, Any]], language: Language) -> RenderableType:
    """Return a row a token."""
    if not items:
        return _text("no_tokens", language)
    table = _table(("token", "role", "user", "expires", "used"), language)
    for each in items:
        table.add_row(
            each["name"],
            _text(each["role"], language),
            each["user"] or _text("program", language),
            *(_moment(each[key], language) for key in ("expires_ms", "used_ms")),
        )
    return table


def notes(items: Sequence[Mapping[str, Any]], language: Language) -> RenderableType:
    """Return a row a note of the audit trail, the newest first."""
    if not items:
        return _text("no_notes", language)
    table = _table(("at", "who", "action", "target", "detail"), language)
    for each in items:
        told = (
            f"{key}={_plain(value)}" for key, value in each["detail"].items() if value not in (None, "", [])
        )
        moment = datetime.fromtimestamp(each["at_ms"] / 1000).astimezone()
        table.add_row(f"{moment:%m-%d %H:%M:%S}", each["who"], each["action"], each["target"], " ".join(told))
    return table


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _moment(time_ms: int | None, language: Language) -> str:
    if time_ms is None:
        return _text("never", language)
    return f"{datetime.fromtimestamp(time_ms / 1000).astimezone():%Y-%m-%d %H:%M}"


def _table(columns: Sequence[str], language: Language) -> Table:
    table = plain_table()
    for name in columns:
        table.add_column(_text(name, language), overflow="fold")
    return table


def _text(key: str, language: Language) -> str:
    return _TEXTS[key][language == "zh"]
