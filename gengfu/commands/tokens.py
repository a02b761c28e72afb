"""``gengfu tokens``: by which programs, and people's scripts, ask the centre."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from gengfu.commands.users import AsJson, RoleName
from gengfu.language import language
from gengfu.options import duration_s
from gengfu.people_asking import DEFAULT_URL, Offline, Where, asked, every
from gengfu.terminal import print_either

app = typer.Typer(help="Tokens of programs and scripts: create, list, revoke.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is for, such as dispatch.")]


@app.command(short_help="Make a token; it is told once.")
def create(
    name: Name,
    role: Annotated[RoleName, typer.Option("--role", metavar="ROLE", help="What it may do.")],
    user: Annotated[str, typer.Option(metavar="NAME", help="Whose it is; a program's own without.")] = "",
    expires: Annotated[
        str, typer.Option("--expires", metavar="DURATION", help="Such as 90d; never without.")
    ] = "",
    file: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write it there, for your eyes only.")
    ] = None,
    settings: Offline = None,
    url: Where = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Make a token: read_only, technician, lighting, command or administrator. It is told once.

    With --user it acts as that user, and never may more than they do.
    """
    expires_ms = round((time.time() + duration_s(expires, "--expires")) * 1000) if expires else None
    body = {"name": name, "role": role, "user": user, "expires_ms": expires_ms}
    if file is None:
        told = asked("POST", "/tokens", url, settings, body=body)
        typer.echo(json.dumps(told, ensure_ascii=False) if as_json else told["token"])
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        typer.echo(f"{file}: {(error.strerror or str(error)).lower()}; no token was made", err=True)
        raise typer.Exit(1) from error
    made = False
    with os.fdopen(descriptor, "w") as opened:
        try:
            told = asked("POST", "/tokens", url, settings, body=body)
            opened.write(told.pop("token") + "\n")
            made = True
        finally:
            if not made:
                file.unlink()
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else f"{name}: {role}, in {file}")


@app.command("list", short_help="All tokens, and when they were used.")
def list_(settings: Offline = None, url: Where = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List all tokens, whose they are, and when they were used last; not what they are."""
    from gengfu import people_tables

    items = every("/tokens", url, settings)
    print_either(items, [people_tables.tokens(items, language(os.environ))], as_json=as_json)


@app.command(short_help="Refuse a token from now on.")
def revoke(name: Name, settings: Offline = None, url: Where = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Refuse a token from now on."""
    told = asked("DELETE", f"/tokens/{name}", url, settings)
    typer.echo(json.dumps(told) if as_json else f"{name}: revoked")
