"""``gengfu alarms``: the alarms of the centre, and what operators do with them."""

import os
from typing import Annotated, Any, Literal

import typer

from gengfu import alarm_tables
from gengfu.centre_options import DEFAULT_URL, AsJson, Count, Url, Version
from gengfu.language import language
from gengfu.options import duration_s
from gengfu.terminal import print_either, print_json

app = typer.Typer(help="Alarms at the centre: lists, operators' steps, silences.", no_args_is_help=True)

Row = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As `gengfu alarms list` shows it.")]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="For others, and the audit trail.")]
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
    from gengfu.centre_client import asked

    query: dict[str, Any] = {"gateway": gateway, "problem": problem, "limit": count}
    query |= {"state": state} if state != "all" else {}
    page = asked("GET", url, "/conditions", query=query)
    parts = alarm_tables.listed(page["items"], more=page["next"] is not None, language=language(os.environ))
    print_either(page["items"], parts, as_json=as_json)


@app.command(short_help="All that is known of one alarm.")
def show(row: Row, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show all that is known of one alarm, with its version."""
    from gengfu.centre_client import asked

    _show(asked("GET", url, f"/conditions/{row}"), as_json=as_json)


@app.command(short_help="Acknowledge an alarm.")
def ack(
    row: Row, comment: Comment = "", version: Version = None, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Acknowledge an alarm; where somebody has, who it was."""
    _act("acknowledge", row, {"comment": comment}, version, url, as_json=as_json)


@app.command(short_help="End a latched alarm that is over.")
def reset(
    row: Row, comment: Comment = "", version: Version = None, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """End an alarm that is over and was latched at the centre."""
    _act("reset", row, {"comment": comment}, version, url, as_json=as_json)


@app.command(short_help="Put an alarm aside for a time.")
def shelve(
    row: Row,
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="Such as 2h; it always ends.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Until it returns to normal.")] = False,
    comment: Comment = "",
    version: Version = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Put an alarm aside for a time, or once until it returns to normal. Not the highest priority."""
    if once is bool(duration):
        typer.echo("give either --for or --once", err=True)
        raise typer.Exit(1)
    how = {"one_shot": True} if once else {"for_s": duration_s(duration, "--for")}
    _act("shelve", row, how | {"comment": comment}, version, url, as_json=as_json)


@app.command(short_help="Take a shelved alarm back.")
def unshelve(
    row: Row, comment: Comment = "", version: Version = None, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Take a shelved alarm back; where it is active, it is to be acknowledged again."""
    _act("unshelve", row, {"comment": comment}, version, url, as_json=as_json)


@app.command(short_help="Suppress an alarm for a reason, or no longer.")
def suppress(
    row: Row,
    reason: Annotated[str, typer.Option("--reason", metavar="WORD", help="Why.")] = "maintenance",
    end: Annotated[bool, typer.Option("--end", help="No longer for this reason.")] = False,
    comment: Comment = "",
    version: Version = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Suppress an alarm for a reason, or no longer. The highest priority only for maintenance."""
    step = "unsuppress" if end else "suppress"
    _act(step, row, {"reason": reason, "comment": comment}, version, url, as_json=as_json)


@app.command(short_help="Take an alarm source out of service, or put it in.")
def service(
    row: Row,
    where: Annotated[Literal["out", "in"], typer.Argument(help="Out of service, or in service again.")],
    comment: Comment = "",
    version: Version = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Take an alarm source out of service, or put it in service again."""
    step = "out-of-service" if where == "out" else "in-service"
    _act(step, row, {"comment": comment}, version, url, as_json=as_json)


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
    from gengfu.centre_client import asked

    if end:
        told = asked("DELETE", url, f"/silences/{end}")
    elif not matchers or not duration or not comment:
        typer.echo("give MATCHER, --for and --comment; or --end ID", err=True)
        raise typer.Exit(1)
    else:
        body = {"matchers": matchers, "for_s": duration_s(duration, "--for"), "comment": comment}
        told = asked("POST", url, "/silences", body=body, options={"matchers": "MATCHER", "for_s": "--for"})
    print_either(told, alarm_tables.silenced([told], language(os.environ)), as_json=as_json)


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
    from gengfu.centre_client import asked

    query = {"limit": count} | ({"state": state} if state != "all" else {})
    items = asked("GET", url, "/silences", query=query)["items"]
    print_either(items, alarm_tables.silenced(items, language(os.environ)), as_json=as_json)


@app.command(short_help="How the alarms do, against the targets.")
def figures(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show how the alarms of the last day do, against the targets of ISA-18.2."""
    from gengfu.centre_client import asked

    told = asked("GET", url, "/alarms/figures")
    print_either(told, alarm_tables.figures(told, language(os.environ)), as_json=as_json)


def _act(step: str, row: int, body: dict[str, Any], version: int | None, url: str, *, as_json: bool) -> None:
    from gengfu.centre_client import stepped

    _show(stepped(url, f"/conditions/{row}", step, body, version), as_json=as_json)


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
    else:
        typer.echo("\n".join(alarm_tables.one(told, language(os.environ))))
