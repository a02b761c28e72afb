"""``gengfu periods``: event periods of rules, which the centre tells gateways: such as a flood watch."""

from datetime import datetime
from typing import Annotated

import typer

from gengfu.centre_options import DEFAULT_URL, AsJson, Moment, Url, Who, epoch_ms
from gengfu.commands.lamp_desk import tell
from gengfu.language import said
from gengfu.options import DAY_S, duration_s, fail
from gengfu.options import who as person
from gengfu.terminal import print_json

HOLD_S_MAX = 31 * DAY_S
OPTIONS = {
    "period": "PERIOD",
    "gateways": "--gateway",
    "for_s": "--for",
    "start_ms": "--from",
    "who": "--who",
    "gateway": "GATEWAY",
}
"""What people write for what the interface is asked."""

app = typer.Typer(help="Event periods that rules heed: hold, end and list them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="PERIOD", help="As the rules call it, such as flood-watch.")]
Gateways = Annotated[list[str], typer.Option("--gateway", metavar="GATEWAY", help="There; repeatable.")]


@app.command(short_help="Say that a period holds for a time.")
def hold(
    name: Name,
    gateways: Gateways,
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="Such as 6h; it always ends.")],
    begins: Moment = None,
    url: Url = DEFAULT_URL,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Say that a period holds for a time, in place of what was said of it before; and see who has heard."""
    if not (for_s := duration_s(duration, "--for", most_s=HOLD_S_MAX)):
        fail(
            said(
                f"--for: give more than nothing; to end it: gengfu periods end {name}",
                f"--for：应大于 0；如需结束：gengfu periods end {name}",
            )
        )
    _tell(name, gateways, for_s, epoch_ms(begins), url, who, as_json=as_json)


@app.command(short_help="End a period before its time.")
def end(
    name: Name, gateways: Gateways, url: Url = DEFAULT_URL, who: Who = "", as_json: AsJson = False
) -> None:
    """End a period before its time; where it does not hold, nothing is told."""
    _tell(name, gateways, 0.0, None, url, who, as_json=as_json)


@app.command("list", short_help="The periods of a gateway that are not over.")
def list_(
    gateway: Annotated[str, typer.Argument(metavar="GATEWAY", help="As the centre lists it.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the periods of a gateway that are not over."""
    from gengfu.centre_client import asked

    items = asked("GET", url, "/periods", query={"gateway": gateway}, options=OPTIONS)["items"]
    if as_json:
        print_json(items)
        return
    for item in items:
        begins, ends = (
            f"{datetime.fromtimestamp(item[key] / 1000).astimezone():%m-%d %H:%M}"
            for key in ("from_ms", "until_ms")
        )
        typer.echo(f"{item['period']}: {begins} - {ends}")
    if not items:
        typer.echo(said(f"no period holds at {gateway}", f"{gateway} 当前无事件时段"))


def _tell(
    name: str, gateways: list[str], for_s: float, start_ms: int | None, url: str, who: str, *, as_json: bool
) -> None:
    body = {
        "period": name,
        "gateways": gateways,
        "who": person(who),
        "for_s": for_s,
        "start_ms": start_ms,
    }
    told = tell("POST", "/periods", "lamp_conditions", url, body, as_json=as_json, options=OPTIONS)
    if others := ", ".join(gateway for gateway in gateways if gateway not in told):
        typer.echo(said(f"{name} did not hold at {others}", f"{name} 在 {others} 并未生效"), err=True)
