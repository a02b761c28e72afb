"""``gengfu gateways``: which gateways have an identity, who may get one, and who lost theirs."""

import json
from datetime import datetime
from typing import Annotated, Any

import typer

from gengfu.centre_options import DEFAULT_URL, AsJson, Url
from gengfu.language import said
from gengfu.options import duration_s
from gengfu.terminal import print_json

app = typer.Typer(help="Identities of gateways: codes, certificates, revocation.", no_args_is_help=True)

Gateway = Annotated[str, typer.Argument(metavar="GATEWAY", help="As its settings call it.")]

_TEXTS = {
    "code": (
        "{gateway}: code {code}, once, until {until}\non the gateway:",
        "{gateway}：一次性注册码 {code}，有效至 {until}\n在网关上执行：",
    ),
    "enrol": (
        "gengfu edge enrol --centre {url} --gateway {gateway} --code {code} --fingerprint {fingerprint}",
        "gengfu edge enrol --centre {url} --gateway {gateway} --code {code} --fingerprint {fingerprint}",
    ),
    "revoked": (
        "{gateway}: all that was issued to it is revoked; certificates known here: {certificates}",
        "{gateway}：此前签发的全部证书均已吊销；其中本中心有记录的 {certificates} 张",
    ),
    "cut": (
        "the broker refuses them after {refused:.1f} s; the session was ended after {ended:.1f} s",
        "{refused:.1f} 秒后消息服务器拒绝该证书；{ended:.1f} 秒后会话已断开",
    ),
    "uncertain": ("the session may live on: {problem}", "会话可能仍在：{problem}"),
    "unknown": (
        "not known: {count}; the centre had no record of them when they were renewed. A backup was put back "
        "since they were issued; if none was, somebody else has the authority's key",
        "无记录：{count} 张；续期时本中心查无此证书。应是签发之后恢复过备份；若从未恢复，则签发密钥已外泄",
    ),
    "none": ("nothing was issued yet", "尚未签发证书"),
}
_COLUMNS = {
    "gateway": ("gateway", "网关"),
    "serial": ("serial", "序列号"),
    "origin": ("by", "依据"),
    "issued": ("issued", "签发"),
    "until": ("until", "到期"),
    "state": ("state", "状态"),
}
_ORIGINS = {
    "code": ("code", "注册码"),
    "renewal": ("renewal", "续期"),
    "expired": ("late renewal", "过期续期"),
    "unknown": ("not known", "无记录"),
}
_STATES = {"valid": ("valid", "有效"), "over": ("over", "已过期"), "revoked": ("revoked: {0}", "已吊销：{0}")}


@app.command(short_help="Make a one-time code by which a gateway enrols.")
def code(
    gateway: Gateway,
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long it holds, such as 2h.")
    ] = "2h",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Make a one-time code by which a gateway enrols; it is told once, with the command to type there.

    A new code takes the place of the gateway's last one.
    """
    from gengfu.centre_client import asked

    body = {"for_s": duration_s(duration, "--for")}
    told = asked("POST", url, f"/gateways/{gateway}/enrolment-code", body=body)
    if as_json:
        typer.echo(json.dumps(told))
        return
    typer.echo(_text("code").format(**told, until=_when(told["expires_ms"])))
    typer.echo(_text("enrol").format(**told | {"url": told["url"] or "https://HOST:8781"}))


@app.command(short_help="Take a gateway's identity back, and cut it off.")
def revoke(
    gateway: Gateway,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="For the audit trail.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Revoke whatever was issued to a gateway until now, and its code; its session is cut within seconds.

    Exit status 1 where nobody can tell whether it was cut. A new code gives it an identity again.
    """
    from gengfu.centre_client import asked

    told = asked("POST", url, f"/gateways/{gateway}/revocation", body={"reason": reason})
    if as_json:
        print_json(told)
    else:
        typer.echo(_text("revoked").format(**told))
        if not told["problem"]:
            typer.echo(_text("cut").format(refused=told["refused_after_s"], ended=told["ended_after_s"]))
    if told["problem"]:
        if not as_json:
            typer.echo(_text("uncertain").format(**told), err=True)
        raise typer.Exit(1)


@app.command(short_help="What was issued, and what is revoked.")
def certificates(
    gateway: Annotated[str, typer.Argument(metavar="GATEWAY", help="Of this one only.")] = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """List what was issued to gateways, the newest first, and what is revoked."""
    import time

    from gengfu.centre_client import every

    items = every(url, "/certificates", {"gateway": gateway})
    if as_json:
        print_json(items)
        return
    _show(items, time.time_ns() // 1_000_000)


def _show(items: list[dict[str, Any]], now_ms: int) -> None:
    from rich.console import Console
    from rich.table import Table

    if not items:
        typer.echo(_text("none"))
        return
    table = Table(*map(_pick, _COLUMNS.values()), box=None, pad_edge=False, header_style="bold")
    for item in items:
        state = "revoked" if item["revoked_ms"] else "over" if item["not_after_ms"] < now_ms else "valid"
        table.add_row(
            item["gateway"],
            item["serial"],
            _pick(_ORIGINS[item["origin"]]),
            _when(item["issued_ms"]),
            _when(item["not_after_ms"]),
            _pick(_STATES[state]).format(item["reason"] or ""),
        )
    Console(highlight=False, markup=False, emoji=False).print(table)
    if unknown := sum(item["origin"] == "unknown" and not item["revoked_ms"] for item in items):
        typer.echo(_text("unknown").format(count=unknown), err=True)


def _when(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000).astimezone():%Y-%m-%d %H:%M}"


def _text(key: str) -> str:
    return _pick(_TEXTS[key])


def _pick(texts: tuple[str, str]) -> str:
    return said(*texts)
