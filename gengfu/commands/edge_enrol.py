"""``gengfu edge enrol``: this gateway's own identity, from the centre, by a one-time code."""

import json
import sys
from datetime import datetime
from typing import Annotated

import typer

from gengfu.commands.edge_socket import DEFAULT_SETTINGS, Settings
from gengfu.language import said

_TEXTS = {
    "enrolled": (
        "{gateway}: enrolled; the certificate holds until {until}, and is renewed by the gateway",
        "{gateway}：注册完成；证书有效至 {until}，由网关自动续期",
    ),
    "already": (
        "{gateway}: has an identity already, until {until}; --again makes another, with a new code",
        "{gateway}：已有身份证书，有效至 {until}；如需重新注册请用 --again 和新的注册码",
    ),
    "settings": (
        "{settings}: filled in; broker {broker}",
        "{settings}：已填写；消息服务器 {broker}",
    ),
    "start": ("next: start the gateway, or start it again", "下一步：启动或重启网关"),
    "service": (
        "next: systemctl enable --now gengfu-edge\nthen: gengfu edge lines",
        "下一步：systemctl enable --now gengfu-edge\n然后：gengfu edge lines",
    ),
    "service_again": (
        "next: systemctl restart gengfu-edge\nthen: gengfu edge lines",
        "下一步：systemctl restart gengfu-edge\n然后：gengfu edge lines",
    ),
    "code": ("code from the centre: ", "中心给出的注册码："),
    401: (
        "have a code made at the centre: gengfu gateways code {gateway}",
        "请在中心重新生成注册码：gengfu gateways code {gateway}",
    ),
    0: ("the same code may be tried again", "可用同一注册码重试"),
}


def enrol(
    centre: Annotated[
        str,
        typer.Option("--centre", metavar="URL", help="The centre's port of enrolment, https://host:8781."),
    ],
    settings: Settings = DEFAULT_SETTINGS,
    gateway: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="As what it enrols; the settings get it, and the centre's district."
        ),
    ] = "",
    code: Annotated[str, typer.Option(metavar="CODE", help="The one-time code; asked for without.")] = "",
    fingerprint: Annotated[
        str, typer.Option(metavar="SHA256", help="Of the centre's authority, as the centre tells it.")
    ] = "",
    broker: Annotated[
        str, typer.Option(metavar="HOST[:PORT]", help="The broker, where it is not on the centre's host.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Though there is an identity: with a new key.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Give this gateway its own identity: key, certificate, whom to trust, and the settings that name them.

    The key is made here and never leaves. May be repeated: what is done already is not done twice.
    """
    from edge.identity import enrolling
    from edge.identity.errors import EnrolError, IdentityError
    from edge.settings import Settings as EdgeSettings
    from toml_files import SettingError, TomlFile

    told = TomlFile.read(settings).parse(EdgeSettings)
    try:
        if not code and enrolling.needs_code(settings, told, again=again):
            code = _asked()
        wish = enrolling.Wish(settings, centre, code, fingerprint, broker, again, gateway)
        done = enrolling.enrol(wish, told, enrolling.known(settings, told))
    except EnrolError as error:
        typer.echo(str(error), err=True)
        if error.status in _TEXTS:
            typer.echo(_text(error.status).format(gateway=gateway or told.gateway), err=True)
        raise typer.Exit(1) from error
    except (IdentityError, SettingError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"{error.filename or settings}: {(error.strerror or str(error)).lower()}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        figures = {"gateway": done.gateway, "not_after_ms": done.not_after_ms, "asked": done.asked}
        typer.echo(json.dumps({**figures, "broker": done.broker, "settings": str(done.settings)}))
        return
    until = f"{datetime.fromtimestamp(done.not_after_ms / 1000).astimezone():%Y-%m-%d %H:%M}"
    typer.echo(_text("enrolled" if done.asked else "already").format(gateway=done.gateway, until=until))
    typer.echo(_text("settings").format(settings=done.settings, broker=done.broker))
    if settings != DEFAULT_SETTINGS:
        typer.echo(_text("start"))
    else:
        typer.echo(_text("service" if done.asked and not again else "service_again"))


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Give this gateway its own identity, by a one-time code.")(enrol)


def _asked() -> str:
    if sys.stdin.isatty():
        typer.echo(_text("code"), nl=False)
    return sys.stdin.readline(200).strip()


def _text(key: str | int) -> str:
    return said(*_TEXTS[key])
