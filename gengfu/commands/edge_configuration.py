"""``gengfu edge configuration``: which settings a gateway runs with, and why."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from gengfu.commands.edge_socket import DEFAULT_SETTINGS, AsJson, Settings
from gengfu.language import Language, language
from gengfu.terminal import print_json

if TYPE_CHECKING:
    from edge.configuration.looking import Look

_TEXTS = {
    "file": ("{0} holds", "现用 {0}"),
    "document": (
        "configuration {0} of the centre holds, in place of {1}",
        "现用中心下发的配置 {0}，代替 {1}",
    ),
    "trial": (
        "configuration {0} of the centre is on trial, started {1} times; it stays once the centre was heard "
        "and who answered before answers",
        "中心下发的配置 {0} 试运行中，已启动 {1} 次；中心有应答、原有设备有应答后才保留",
    ),
    "waiting": ("configuration {0} waits to be tried", "配置 {0} 等待试运行"),
    "last": ("the last that came is configuration {0}: {1}", "最近收到的是配置 {0}：{1}"),
    "changed": (
        "{0} was changed since that came; from the next start on it holds",
        "{0} 在收到配置后有改动；下次启动起以它为准",
    ),
    "stored": ("stored", "已存"),
    "in_force": ("in force", "生效"),
    "refused": ("refused", "拒绝"),
    "rolled_back": ("rolled back", "已回退"),
    "expired": ("expired", "过期"),
    "overridden": ("changed by hand since", "现场已改"),
}


def configuration(
    settings: Settings = DEFAULT_SETTINGS,
    text: Annotated[bool, typer.Option("--print", help="Print the settings that hold, as TOML.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say which settings hold at the gateway, the file's or the centre's; --print prints them."""
    from edge.configuration.looking import look

    try:
        seen = look(settings)
    except OSError as error:
        typer.echo(f"{error.filename}: cannot be read: {error.strerror}; ask as root, or as gengfu", err=True)
        raise typer.Exit(1) from error
    if text:
        typer.echo(seen.text, nl=False)
    elif as_json:
        print_json(seen._asdict() | {"text": None})
    else:
        for line in sentences(seen, settings.name, language(os.environ)):
            typer.echo(line)


def add_to(app: typer.Typer) -> None:
    """Add the command to its group."""
    app.command(short_help="Which settings hold: the file's, or the centre's.")(configuration)


def sentences(seen: "Look", name: str, chosen: Language) -> Iterator[str]:
    """Yield which settings hold, in words; ``name`` is that of the file."""

    def say(key: str, *values: object) -> str:
        return _TEXTS[key][chosen == "zh"].format(*values)

    yield say("file", name) if seen.in_force is None else say("document", seen.in_force, name)
    if seen.on_trial is not None:
        yield say("trial", seen.on_trial, seen.starts)
    if seen.waiting is not None:
        yield say("waiting", seen.waiting)
    if seen.last is not None and seen.last_outcome is not None:
        yield say("last", seen.last, say(str(seen.last_outcome)))
    if seen.file_changed:
        yield say("changed", name)
