"""``gengfu audit``: who changed what at the centre."""

import os
import time
from typing import Annotated, Any

import typer

from gengfu.commands.users import AsJson
from gengfu.language import language
from gengfu.options import duration_s
from gengfu.people_asking import DEFAULT_URL, Offline, Where, asked
from gengfu.terminal import print_either

PAGE = 1_000

app = typer.Typer(help="Who changed what at the centre.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Who changed what at the centre."""


@app.command("list", short_help="The newest changes, by whom and when.")
def list_(
    who: Annotated[str, typer.Option(metavar="NAME", help="Only of this one.")] = "",
    action: Annotated[str, typer.Option(metavar="ACTION", help="Only such: user, or user.add.")] = "",
    target: Annotated[str, typer.Option(metavar="TARGET", help="Only of this: user/lee.")] = "",
    since: Annotated[str, typer.Option(metavar="DURATION", help="Only of the last 7d.")] = "",
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=100_000, help="How many.")] = 50,
    settings: Offline = None,
    url: Where = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """List what was changed, by whom and when, the newest first."""
    from gengfu import people_tables

    query: dict[str, Any] = {"who": who, "action": action, "target": target}
    if since:
        query["from_ms"] = max(0, round((time.time() - duration_s(since, "--since")) * 1000))
    items: list[dict[str, Any]] = []
    cursor = ""
    while len(items) < count:
        more = query | {"limit": min(PAGE, count - len(items)), "cursor": cursor}
        page = asked("GET", "/audit", url, settings, query=more)
        items += page["items"]
        if page["next"] is None:
            break
        cursor = page["next"]
    print_either(items, [people_tables.notes(items, language(os.environ))], as_json=as_json)
