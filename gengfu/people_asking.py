"""Asking about people: a running centre over HTTP, or the data folder of one that does not run."""

import asyncio
import getpass
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gengfu.centre_options import DEFAULT_URL

PASSWORD_BYTES_MAX = 1_000

Where = Annotated[
    str, typer.Option("--url", metavar="URL", envvar="GENGFU_URL", help="A running centre's interface.")
]
Offline = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="The settings file of a centre that does not run."),
]
PasswordFile = Annotated[
    str, typer.Option("--password-file", metavar="FILE", help="Read the password there; - is the input.")
]
OPTIONS = {
    "name": "NAME",
    "role": "--role",
    "display_name": "--display-name",
    "phone": "--phone",
    "mail": "--mail",
    "areas": "--area",
    "user": "--user",
    "expires_ms": "--expires",
}


def asked(
    method: str, path: str, url: str, settings: Path | None, *, body: Any = None, query: Any = None
) -> Any:
    """Return the answer as plain data; a refusal ends with 1 and its words on standard error."""
    from gengfu import centre_client

    if settings is None:
        return centre_client.asked(method, url, path, body=body, query=query, options=OPTIONS)
    from gengfu.commands.collector import told_plainly

    with told_plainly():
        from collector.people import offline
        from collector.service import World, people_offline
        from collector.settings import load

        with people_offline(load(settings), World.real()) as desk:
            answer = asyncio.run(offline.asked(desk, method, path, body=body, query=query))
    return centre_client.told(answer, str(settings), OPTIONS)


def every(path: str, url: str, settings: Path | None) -> list[dict[str, Any]]:
    """Return a whole list, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = asked("GET", path, url, settings, query={"limit": 1_000, "cursor": cursor})
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = page["next"]


def password(file: str) -> str:
    """Return a new password: of a file or the input, or as it is typed twice on a terminal."""
    if file == "-" or (not file and not sys.stdin.isatty()):
        told = sys.stdin.readline(PASSWORD_BYTES_MAX)
    elif file:
        try:
            with Path(file).open(encoding="utf-8") as opened:
                told = opened.readline(PASSWORD_BYTES_MAX)
        except (OSError, ValueError) as error:
            typer.echo(f"{file}: {str(getattr(error, 'strerror', '') or error).lower()}", err=True)
            raise typer.Exit(1) from error
    else:
        told = getpass.getpass("new password: ")
        if told != getpass.getpass("once more: "):
            typer.echo("the two are not alike; nothing was changed", err=True)
            raise typer.Exit(1)
    return told.rstrip("\r\n")


__all__ = ["DEFAULT_URL", "Offline", "PasswordFile", "Where", "asked", "every", "password"]
