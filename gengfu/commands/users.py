"""``gengfu collector users``: who may sign in at the centre, and as what."""

import json
import os
from typing import Annotated, Any, Literal

import typer

from gengfu.language import language
from gengfu.people_asking import DEFAULT_URL, Offline, PasswordFile, Where, asked, every, password
from gengfu.terminal import print_either

app = typer.Typer(help="Who may sign in at the centre, and as what.", no_args_is_help=True)

RoleName = Literal["read_only", "technician", "lighting", "command", "administrator"]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What is typed to sign in.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Areas = Annotated[
    list[str] | None, typer.Option("--area", metavar="AREA", help="Theirs; repeatable. None: all.")
]


@app.command(short_help="Add somebody; the first is an administrator.")
def add(
    name: Name,
    role: Annotated[RoleName, typer.Option("--role", metavar="ROLE", help="What they are there for.")],
    display_name: Annotated[str, typer.Option(metavar="TEXT", help="How people call them.")] = "",
    phone: Annotated[str, typer.Option(metavar="NUMBER", help="To tell them of alarms.")] = "",
    mail: Annotated[str, typer.Option(metavar="ADDRESS", help="To tell them of alarms.")] = "",
    areas: Areas = None,
    password_file: PasswordFile = "",
    settings: Offline = None,
    url: Where = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Add somebody who may sign in: read_only, technician, lighting, command or administrator.

    The first must be an administrator, and from then on everything needs a sign-in.
    """
    body = {
        "name": name,
        "role": role,
        "password": password(password_file),
        "display_name": display_name,
        "phone": phone,
        "mail": mail,
        "areas": areas or [],
    }
    _tell(asked("POST", "/users", url, settings, body=body), f"{name}: added as {role}", as_json=as_json)


@app.command("list", short_help="Everybody who may sign in.")
def list_(settings: Offline = None, url: Where = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List everybody who may sign in."""
    from gengfu import people_tables

    items = every("/users", url, settings)
    print_either(items, [people_tables.users(items, language(os.environ))], as_json=as_json)


@app.command(short_help="Make somebody something else.")
def role(
    name: Name,
    role: Annotated[RoleName, typer.Argument(metavar="ROLE", help="What they are there for.")],
    settings: Offline = None,
    url: Where = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Make somebody read_only, technician, lighting, command or administrator; it holds at once."""
    told = asked("PATCH", f"/users/{name}", url, settings, body={"role": role})
    _tell(told, f"{name}: is {role} now", as_json=as_json)


@app.command("password", short_help="Give somebody another password.")
def password_(
    name: Name,
    password_file: PasswordFile = "",
    settings: Offline = None,
    url: Where = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Give somebody another password; all their sessions end."""
    body = {"password": password(password_file)}
    told = asked("PUT", f"/users/{name}/password", url, settings, body=body)
    ended = told["sessions_ended"]
    _tell(told, f"{name}: has another password; sessions ended: {ended}", as_json=as_json)


@app.command(short_help="Let somebody sign in no more, or again.")
def disable(
    name: Name,
    again: Annotated[bool, typer.Option("--undo", help="Let them sign in again.")] = False,
    settings: Offline = None,
    url: Where = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Let somebody sign in no more, now and with any token; or, with --undo, again."""
    told = asked("PATCH", f"/users/{name}", url, settings, body={"disabled": not again})
    _tell(told, f"{name}: {'may sign in again' if again else 'is disabled'}", as_json=as_json)


@app.command(short_help="Remove somebody with their tokens.")
def remove(name: Name, settings: Offline = None, url: Where = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Remove somebody with their sessions and tokens; what they did stays on the audit trail."""
    told = asked("DELETE", f"/users/{name}", url, settings)
    _tell(told, f"{name}: removed", as_json=as_json)


def _tell(told: Any, sentence: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else sentence)
