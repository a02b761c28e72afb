"""``gengfu on-call``: who would be told of what, and why."""

import os
from datetime import datetime
from typing import Annotated, Any

import typer

from gengfu.centre_options import DEFAULT_URL, AsJson, Moment, Url, epoch_ms
from gengfu.terminal import print_json

app = typer.Typer(help="On-call tables: who would be told.", no_args_is_help=True)


@app.callback()
def on_call() -> None:
    """Who would be told of what, and why."""


@app.command(short_help="Who would be told, in which order, and why.")
def show(
    area: Annotated[str, typer.Option("--area", metavar="CODE", help="An area or grid.")] = "",
    problem: Annotated[str, typer.Option("--class", metavar="CLASS", help="A problem class.")] = "",
    priority: Annotated[
        str, typer.Option("--priority", metavar="PRIORITY", help="low, medium, high or highest.")
    ] = "high",
    at: Moment = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show who would be told of such an incident, in which order, and why by that table."""
    from gengfu.centre_client import asked

    query: dict[str, Any] = {"area": area, "class": problem, "priority": priority}
    at_ms = epoch_ms(at)
    if at_ms is not None:
        query["at"] = at_ms
    told = asked("GET", url, "/on-call", query=query)
    if as_json:
        print_json(told)
        return
    from gengfu.language import language
    from gengfu.messages_table import on_call_lines

    for line in on_call_lines(told, datetime.now().astimezone().tzinfo, language(os.environ)):
        typer.echo(line)
