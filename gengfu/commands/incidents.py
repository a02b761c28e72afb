"""``gengfu incidents``: what operators are told of in place of each alarm, and acknowledging it."""

import os
from typing import Annotated, Any, Literal

import typer

from gengfu import incident_tables
from gengfu.centre_options import DEFAULT_URL, AsJson, Count, Url, Version
from gengfu.language import language
from gengfu.terminal import print_either

app = typer.Typer(help="Incidents at the centre: alarms that belong together.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="As `gengfu incidents list` shows it.")]


@app.command("list", short_help="The incidents, the newest first.")
def list_(
    state: Annotated[
        Literal["open", "closed", "all"],
        typer.Option("--state", metavar="STATE", help="open, closed or all."),
    ] = "open",
    rule: Annotated[
        str, typer.Option("--rule", metavar="RULE", help="Only what this brought together.")
    ] = "",
    area: Annotated[str, typer.Option("--area", metavar="AREA", help="Only of this one.")] = "",
    count: Count = 50,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the incidents, the newest first. What went over to another is told as part of that one."""
    from gengfu.centre_client import asked

    query: dict[str, Any] = {"rule": rule, "area": area, "limit": count}
    query |= {"open": state == "open"} if state != "all" else {}
    page = asked("GET", url, "/incidents", query=query)
    parts = incident_tables.listed(
        page["items"], more=page["next"] is not None, language=language(os.environ)
    )
    print_either(page["items"], parts, as_json=as_json)


@app.command(short_help="One incident with its newest alarms.")
def show(incident: Id, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show one incident with its newest alarms, and its version."""
    from gengfu.centre_client import asked

    _show(asked("GET", url, f"/incidents/{_checked(incident)}"), as_json=as_json)


@app.command(short_help="Acknowledge an incident with its alarms.")
def ack(incident: Id, version: Version = None, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Acknowledge an incident and the alarms that it holds; where somebody has, who it was."""
    from gengfu.centre_client import stepped

    path = f"/incidents/{_checked(incident)}"
    _show(stepped(url, path, "acknowledge", {}, version), as_json=as_json)


def _checked(incident: str) -> str:
    """Return an id as the centre writes it, which goes into an address."""
    if len(incident) != 32 or not set(incident) <= set("0123456789abcdef"):
        typer.echo(f"{incident!r} is no incident's id (`gengfu incidents list`)", err=True)
        raise typer.Exit(1)
    return incident


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    print_either(told, incident_tables.one(told, language(os.environ)), as_json=as_json)
