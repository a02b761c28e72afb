"""``gengfu messages``: what people were told, and a test message to somebody."""

import os
from typing import Annotated, Any

import typer

from gengfu.centre_options import DEFAULT_URL, AsJson, Count, Url
from gengfu.language import language
from gengfu.terminal import print_either, print_json

app = typer.Typer(help="Messages to people: list them, send a test.", no_args_is_help=True)


@app.command("list", short_help="The newest messages, and what became of them.")
def list_(
    person: Annotated[str, typer.Option("--person", metavar="NAME", help="Only theirs.")] = "",
    incident: Annotated[str, typer.Option("--incident", metavar="ID", help="Only of this one.")] = "",
    state: Annotated[
        str, typer.Option("--state", metavar="STATE", help="Such as waiting, sent, failed.")
    ] = "",
    count: Count = 20,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the newest messages, and what became of them."""
    from gengfu.centre_client import asked
    from gengfu.messages_table import parts

    wanted = {"person": person, "incident": incident, "state": state, "limit": count}
    query = {name: value for name, value in wanted.items() if value}
    items: list[dict[str, Any]] = asked("GET", url, "/messages", query=query)["items"]
    print_either(items, parts(items, language(os.environ)), as_json=as_json)


@app.command("test", short_help="Send somebody a test message.")
def send_test(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="As the people file names them.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Send somebody a test message over their first channel; the list tells what became of it."""
    from gengfu.centre_client import asked
    from gengfu.messages_table import text

    told = asked("POST", url, "/on-call/test", body={"person": person})
    if as_json:
        print_json(told)
        return
    typer.echo(text("test", language(os.environ), told["person"], told["channel"], told["id"]))
