"""``gengfu command``: what the centre has a gateway do, once and in time, and how each command ended."""

import json
import re
import secrets
import time
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from contract.commands import TARGET_CHARACTERS_MAX, TARGET_PATTERN
from contract.limits import COMMAND_HOLD_MS_MAX, COMMAND_LIFE_MS_MAX
from gengfu.centre_options import DEFAULT_URL, AsJson, Count, Url, Who
from gengfu.language import said
from gengfu.options import duration_s, fail
from gengfu.options import who as person
from gengfu.terminal import print_json

POLL_S = 0.2
OPEN = ("waiting", "published")
HOLD_S_MAX, VALID_S_MAX = COMMAND_HOLD_MS_MAX / 1000, COMMAND_LIFE_MS_MAX / 1000
OPTIONS = {"target": "OUTPUT", "for_s": "--for", "valid_s": "--valid", "who": "--who", "id": "--id"}
"""What people write for what the interface is asked."""

app = typer.Typer(help="Commands to a gateway: once, in time, answered for.", no_args_is_help=True)

Gateway = Annotated[str, typer.Argument(metavar="GATEWAY", help="As the centre lists it.")]
Output = Annotated[str, typer.Argument(metavar="OUTPUT", help="device/point of a control.")]
Valid = Annotated[
    str, typer.Option("--valid", metavar="DURATION", help="A command that comes later does nothing.")
]
Id = Annotated[
    str, typer.Option("--id", metavar="ID", help="That of a command whose answer was lost: it is given once.")
]
Wait = Annotated[str, typer.Option("--wait", metavar="DURATION", help="Wait so long for the answer.")]

_STATES = {
    "waiting": ("not sent yet", "未发出"),
    "published": ("sent, no answer yet", "已发出，未回报"),
    "done": ("done", "已执行"),
    "refused": ("refused", "拒绝"),
    "failed": ("failed", "失败"),
    "indeterminate": ("nobody knows whether it was done", "是否执行不明"),
    "expired": ("no answer by its time", "到期未回报"),
}
_TEXTS = {
    "line": ("{at} {target} {what}: {state}", "{at} {target} {what}：{state}"),
    "on": ("on", "开"),
    "off": ("off", "关"),
    "release": ("release", "释放"),
    "reset_alarm": ("reset", "复位"),
    "read": (", reads {0}", "，读回 {0}"),
    "none": ("{0} was given no command yet", "尚未向 {0} 下发指令"),
    "id": ("--id: the id of a command has 32 digits of 0-9 and a-f", "--id：指令编号为 32 位 0-9、a-f"),
    "output": (
        "OUTPUT: {0!r} is none; write device/point as the settings of the gateway do, such as relays/relay_1",
        "OUTPUT：{0!r} 不是输出点；请按网关设置写成 设备/点位，如 relays/relay_1",
    ),
    "alarm": (
        "ALARM: {0!r} is none; write its name, or name/device/point, as the settings of the gateway do",
        "ALARM：{0!r} 不是报警；请按网关设置写报警名，或 报警名/设备/点位",
    ),
    "lost": (
        "whether the centre has the command is not known; this tells: gengfu command show {0} {1}\n"
        "the same again with --id {1} is no second command",
        "中心是否已收到指令不明，可查询：gengfu command show {0} {1}\n加 --id {1} 重发同一指令，不会执行两次",
    ),
    "look": (
        "this tells how it ends: gengfu command show {0} {1}",
        "查询结果：gengfu command show {0} {1}",
    ),
}


@app.command(short_help="Hold an output on or off for a time.")
def switch(
    gateway: Gateway,
    output: Output,
    state: Annotated[Literal["on", "off"], typer.Argument(help="What it is held at.")],
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="Such as 30min; it always ends.")
    ],
    valid: Valid = "60s",
    wait: Wait = "20s",
    id_: Id = "",
    who: Who = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Hold an output on or off for a time. Locks, inhibits and hands at the cabinet are stronger."""
    order = {"kind": "switch", "target": _output(output), "value": state == "on"}
    order["for_s"] = duration_s(duration, "--for", least_s=0.001, most_s=HOLD_S_MAX)
    _give(gateway, order, valid, wait, id_, who, url, as_json=as_json)


@app.command(short_help="Let go of an output that the centre holds.")
def release(
    gateway: Gateway,
    output: Output,
    valid: Valid = "60s",
    wait: Wait = "20s",
    id_: Id = "",
    who: Who = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Let go of an output that the centre holds: its rules have it again."""
    order = {"kind": "release", "target": _output(output)}
    _give(gateway, order, valid, wait, id_, who, url, as_json=as_json)


@app.command(short_help="Reset a latched alarm.")
def reset(
    gateway: Gateway,
    alarm: Annotated[str, typer.Argument(metavar="ALARM", help="Its name, or name/device/point.")],
    valid: Valid = "60s",
    wait: Wait = "20s",
    id_: Id = "",
    who: Who = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Reset a latched alarm whose cause is over."""
    if not _is_target(alarm):
        fail(_text("alarm").format(alarm))
    order = {"kind": "reset_alarm", "target": alarm}
    _give(gateway, order, valid, wait, id_, who, url, as_json=as_json)


@app.command(short_help="One command, and how it ended.")
def show(
    gateway: Gateway,
    command_id: Annotated[str, typer.Argument(metavar="ID", help="As it was told when it was given.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show one command, and how it ended."""
    from gengfu.centre_client import asked

    told = asked("GET", url, f"{_path(gateway)}/{quote(command_id, safe='')}", options=OPTIONS)
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else _line(told))


@app.command("list", short_help="The newest commands of a gateway, and how they ended.")
def list_(
    gateway: Gateway,
    count: Count = 20,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the newest commands of a gateway, and how they ended."""
    from gengfu.centre_client import asked

    items = asked("GET", url, _path(gateway), query={"limit": count})["items"]
    if as_json:
        print_json(items)
        return
    for item in items:
        typer.echo(_line(item))
    if not items:
        typer.echo(_text("none").format(gateway))


def _give(
    gateway: str,
    order: dict[str, Any],
    valid: str,
    wait: str,
    id_: str,
    who: str,
    url: str,
    *,
    as_json: bool,
) -> None:
    """Give the command, wait for its end, tell it; exit 1 where it is not done by then.

    Its id is chosen here: whoever hears no answer can look it up, and give the same command again.
    """
    from gengfu.centre_client import asked

    id_ = id_ or secrets.token_hex(16)
    if not re.fullmatch("[0-9a-f]{32}", id_):
        fail(_text("id"))
    valid_s = duration_s(valid, "--valid", least_s=1.0, most_s=VALID_S_MAX)
    until_s = time.monotonic() + duration_s(wait, "--wait")
    body, path = order | {"id": id_, "who": person(who), "valid_s": valid_s}, _path(gateway)
    told = asked("POST", url, path, body=body, options=OPTIONS, lost=_text("lost").format(gateway, id_))
    look = _text("look").format(gateway, told["id"])
    while told["state"] in OPEN and time.monotonic() < until_s:
        time.sleep(POLL_S)
        told = asked("GET", url, f"{path}/{told['id']}", lost=look)
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else _line(told))
    if told["state"] in OPEN and not as_json:
        typer.echo(look, err=True)
    if told["state"] != "done":
        raise typer.Exit(1)


def _path(gateway: str) -> str:
    return f"/gateways/{quote(gateway, safe='')}/commands"


def _is_target(name: str) -> bool:
    return len(name) <= TARGET_CHARACTERS_MAX and re.match(TARGET_PATTERN, name) is not None


def _output(name: str) -> str:
    if not _is_target(name) or name.count("/") != 1:
        fail(_text("output").format(name))
    return name


def _line(told: dict[str, Any]) -> str:
    """Return a command and its end in one line."""
    switch_to = "on" if told["value"] else "off"
    line = _text("line").format(
        at=f"{datetime.fromtimestamp(told['issued_ms'] / 1000).astimezone():%m-%d %H:%M:%S}",
        target=told["target"],
        what=_text(switch_to if told["kind"] == "switch" else told["kind"]),
        state=_state(told["state"]),
    )
    if told["read_back"] is not None:
        read = told["read_back"]
        line += _text("read").format(_text("on" if read else "off") if isinstance(read, bool) else read)
    why = ": ".join(each for each in (told["refusal"] or "", told["reason"]) if each)
    return f"{line} ({why})" if why and told["state"] != "expired" else line


def _state(state: str) -> str:
    return said(*_STATES[state])


def _text(key: str) -> str:
    return said(*_TEXTS[key])
