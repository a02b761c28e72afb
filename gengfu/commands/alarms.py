"""``gengfu alarms``: the alarms of the centre, and what operators do with them."""

import json
import os
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import typer

from gengfu.commands.lamp_desk import DEFAULT_URL, AsJson, Url
from gengfu.options import duration_s

app = typer.Typer(help="Alarms at the centre: lists, operators' steps, silences.", no_args_is_help=True)

Row = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As `gengfu alarms list` shows it.")]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="For others, and the audit trail.")]
Seen = Annotated[
    int | None,
    typer.Option("--version", metavar="N", help="Only if it stands as `show` told; else as it stands now."),
]
Count = Annotated[int, typer.Option("--count", metavar="N", min=1, max=1_000, help="How many.")]
Lists = Literal["active", "unacked", "latched", "shelved", "suppressed", "out_of_service", "all"]


@app.command("list", short_help="The alarms of a list, those raised last first.")
def list_(
    state: Annotated[
        Lists,
        typer.Option(
            "--state",
            metavar="LIST",
            help="active, unacked, latched, shelved, suppressed, out_of_service or all.",
        ),
    ] = "active",
    gateway: Annotated[str, typer.Option("--gateway", metavar="GATEWAY", help="Only of this one.")] = "",
    problem: Annotated[str, typer.Option("--problem", metavar="PROBLEM", help="Only of this one.")] = "",
    count: Count = 50,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the alarms of a list, those raised last first. What is shelved is in no other list."""
    from gengfu import alarm_tables
    from gengfu.centre_client import asked

    query: dict[str, Any] = {"gateway": gateway, "problem": problem, "limit": count}
    query |= {"state": state} if state != "all" else {}
    page = asked("GET", url, "/conditions", query=query)
    if as_json:
        _print_json(page["items"])
        return
    _print(alarm_tables.listed(page["items"], more=page["next"] is not None, language=_language()))


@app.command(short_help="All that is known of one alarm.")
def show(row: Row, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show all that is known of one alarm, with its version."""
    from gengfu.centre_client import asked

    _tell(asked("GET", url, f"/conditions/{row}"), as_json=as_json)


@app.command(short_help="Acknowledge an alarm.")
def ack(
    row: Row, comment: Comment = "", seen: Seen = None, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Acknowledge an alarm; where somebody has, who it was."""
    _act("acknowledge", row, {"comment": comment}, seen, url, as_json=as_json)


@app.command(short_help="End a latched alarm that is over.")
def reset(
    row: Row, comment: Comment = "", seen: Seen = None, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """End an alarm that is over and was latched at the centre."""
    _act("reset", row, {"comment": comment}, seen, url, as_json=as_json)


@app.command(short_help="Put an alarm aside for a time.")
def shelve(
    row: Row,
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="Such as 2h; it always ends.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Until it returns to normal.")] = False,
    comment: Comment = "",
    seen: Seen = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Put an alarm aside for a time, or once until it returns to normal. Not the highest priority."""
    if once is bool(duration):
        typer.echo("give either --for or --once", err=True)
        raise typer.Exit(1)
    how = {"one_shot": True} if once else {"for_s": duration_s(duration, "--for")}
    _act("shelve", row, how | {"comment": comment}, seen, url, as_json=as_json)


@app.command(short_help="Take a shelved alarm back.")
def unshelve(
    row: Row, comment: Comment = "", seen: Seen = None, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Take a shelved alarm back; where it is active, it is to be acknowledged again."""
    _act("unshelve", row, {"comment": comment}, seen, url, as_json=as_json)


@app.command(short_help="Suppress an alarm for a reason, or no longer.")
def suppress(
    row: Row,
    reason: Annotated[str, typer.Option("--reason", metavar="WORD", help="Why.")] = "maintenance",
    end: Annotated[bool, typer.Option("--end", help="No longer for this reason.")] = False,
    comment: Comment = "",
    seen: Seen = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Suppress an alarm for a reason, or no longer. The highest priority only for maintenance."""
    step = "unsuppress" if end else "suppress"
    _act(step, row, {"reason": reason, "comment": comment}, seen, url, as_json=as_json)


@app.command(short_help="Take an alarm source out of service, or put it in.")
def service(
    row: Row,
    where: Annotated[Literal["out", "in"], typer.Argument(help="Out of service, or in service again.")],
    comment: Comment = "",
    seen: Seen = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Take an alarm source out of service, or put it in service again."""
    step = "out-of-service" if where == "out" else "in-service"
    _act(step, row, {"comment": comment}, seen, url, as_json=as_json)


@app.command(short_help="Tell nobody of the alarms that match, for a time.")
def silence(
    matchers: Annotated[
        list[str] | None,
        typer.Argument(metavar="MATCHER", help='gateway="gw-1", with =, !=, =~ or !~; all must hold.'),
    ] = None,
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="Such as 2h.")] = "",
    comment: Comment = "",
    end: Annotated[str, typer.Option("--end", metavar="ID", help="End this one instead.")] = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Tell nobody of the alarms that match, for a time; the highest priority is told all the same."""
    from gengfu import alarm_tables
    from gengfu.centre_client import asked

    if end:
        told = asked("DELETE", url, f"/silences/{end}")
    elif not matchers or not duration or not comment:
        typer.echo("give MATCHER, --for and --comment; or --end ID", err=True)
        raise typer.Exit(1)
    else:
        body = {"matchers": matchers, "for_s": duration_s(duration, "--for"), "comment": comment}
        told = asked("POST", url, "/silences", body=body, options={"matchers": "MATCHER", "for_s": "--for"})
    if as_json:
        _print_json(told)
        return
    _print(alarm_tables.silenced([told], _language()))


@app.command(short_help="The silences.")
def silences(
    state: Annotated[
        Literal["pending", "active", "expired", "all"],
        typer.Option("--state", metavar="STATE", help="pending, active, expired or all."),
    ] = "active",
    count: Count = 50,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the silences, the newest first."""
    from gengfu import alarm_tables
    from gengfu.centre_client import asked

    query = {"limit": count} | ({"state": state} if state != "all" else {})
    items = asked("GET", url, "/silences", query=query)["items"]
    if as_json:
        _print_json(items)
        return
    _print(alarm_tables.silenced(items, _language()))


@app.command(short_help="How the alarms do, against the targets.")
def figures(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show how the alarms of the last day do, against the targets of ISA-18.2."""
    from gengfu import alarm_tables
    from gengfu.centre_client import asked

    told = asked("GET", url, "/alarms/figures")
    if as_json:
        _print_json(told)
        return
    _print(alarm_tables.figures(told, _language()))


def _act(step: str, row: int, body: dict[str, Any], seen: int | None, url: str, *, as_json: bool) -> None:
    from gengfu.centre_client import asked

    version = seen if seen is not None else asked("GET", url, f"/conditions/{row}")["version"]
    _tell(asked("POST", url, f"/conditions/{row}/{step}", body=body | {"version": version}), as_json=as_json)


def _tell(told: dict[str, Any], *, as_json: bool) -> None:
    from gengfu import alarm_tables

    if as_json:
        _print_json(told)
        return
    for line in alarm_tables.one(told, _language()):
        typer.echo(line)


def _print(parts: Iterable[Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    for part in parts:
        console.print(part)


def _print_json(told: Any) -> None:
    typer.echo(json.dumps(told, ensure_ascii=False))


def _language() -> Literal["en", "zh"]:
    from gengfu.language import language

    return language(os.environ)
