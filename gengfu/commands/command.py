"""``gengfu command``: what the centre has a gateway do, once and in time, and how each command ended."""

import getpass
import json
import os
import time
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from gengfu.commands.lamp_desk import DEFAULT_URL, AsJson, Url, Who, duration_s

POLL_S = 0.2
OPEN = ("waiting", "published")

app = typer.Typer(help="Commands to a gateway: once, in time, answered for.", no_args_is_help=True)

Gateway = Annotated[str, typer.Argument(metavar="GATEWAY", help="As the centre lists it.")]
Output = Annotated[str, typer.Argument(metavar="OUTPUT", help="device/point of a control.")]
Valid = Annotated[
    str, typer.Option("--valid", metavar="DURATION", help="A command that comes later does nothing.")
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
    who: Who = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Hold an output on or off for a time. Locks, inhibits and hands at the cabinet are stronger."""
    order = {"kind": "switch", "target": output, "value": state == "on"}
    order["for_s"] = duration_s(duration, "--for")
    _give(gateway, order, valid, wait, who, url, as_json=as_json)


@app.command(short_help="Let go of an output that the centre holds.")
def release(
    gateway: Gateway,
    output: Output,
    valid: Valid = "60s",
    wait: Wait = "20s",
    who: Who = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Let go of an output that the centre holds: its rules have it again."""
    _give(gateway, {"kind": "release", "target": output}, valid, wait, who, url, as_json=as_json)


@app.command(short_help="Reset a latched alarm.")
def reset(
    gateway: Gateway,
    alarm: Annotated[str, typer.Argument(metavar="ALARM", help="Its name, or name/device/point.")],
    valid: Valid = "60s",
    wait: Wait = "20s",
    who: Who = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Reset a latched alarm whose cause is over."""
    _give(gateway, {"kind": "reset_alarm", "target": alarm}, valid, wait, who, url, as_json=as_json)


@app.command("list", short_help="The newest commands of a gateway, and how they ended.")
def list_(
    gateway: Gateway,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=1_000, help="How many.")] = 20,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the newest commands of a gateway, and how they ended."""
    from gengfu.centre_client import asked

    items = asked("GET", url, f"/gateways/{gateway}/commands", query={"limit": count})["items"]
    if as_json:
        typer.echo(json.dumps(items, ensure_ascii=False))
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
    who: str,
    url: str,
    *,
    as_json: bool,
) -> None:
    """Give the command, wait for its end, tell it; exit 1 where it is not done by then."""
    from gengfu.centre_client import asked

    body = order | {"who": who or getpass.getuser(), "valid_s": duration_s(valid, "--valid")}
    until_s = time.monotonic() + duration_s(wait, "--wait")
    path = f"/gateways/{gateway}/commands"
    told = asked("POST", url, path, body=body)
    while told["state"] in OPEN and time.monotonic() < until_s:
        time.sleep(POLL_S)
        told = asked("GET", url, f"{path}/{told['id']}")
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else _line(told))
    if told["state"] != "done":
        raise typer.Exit(1)


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
    return _pick(_STATES[state])


def _text(key: str) -> str:
    return _pick(_TEXTS[key])


def _pick(texts: tuple[str, str]) -> str:
    from gengfu.language import language

    return texts[language(os.environ) == "zh"]
