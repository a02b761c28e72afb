"""``gengfu configuration``: settings of gateways from the centre: pushed in waves, looked at, stopped."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gengfu import options
from gengfu.centre_options import DEFAULT_URL, AsJson, Url, Who
from gengfu.language import language
from gengfu.options import duration_s
from gengfu.terminal import print_either

POLL_S = 0.5
ID_CHARACTERS = 32
OPTIONS = {
    "documents": "FILE",
    "waves": "--waves",
    "failures_max": "--failures-max",
    "absent_after_s": "--absent-after",
    "note": "--note",
    "who": "--who",
}

app = typer.Typer(help="Settings of gateways, pushed in waves.", no_args_is_help=True)

RolloutId = Annotated[str, typer.Argument(metavar="ROLLOUT", help="The first letters of its id will do.")]


@app.command(short_help="Push settings to their gateways, in waves.")
def push(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Files of settings, or folders of such; each names its gateway."),
    ],
    waves: Annotated[
        str, typer.Option("--waves", metavar="N,N", help="So many gateways in each wave, then the rest.")
    ] = "1",
    failures_max: Annotated[
        int, typer.Option("--failures-max", metavar="N", min=0, help="So many may fail before it stops.")
    ] = 0,
    absent_after: Annotated[
        str, typer.Option("--absent-after", metavar="DURATION", help="Wait so long for one gateway.")
    ] = "1h",
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why; people read it later.")] = "",
    wait: Annotated[
        str, typer.Option("--wait", metavar="DURATION", help="Wait so long for its end.")
    ] = "15min",
    url: Url = DEFAULT_URL,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Push settings to their gateways, in waves; the next wave waits for the one before.

    Each gateway checks them, tries them, and keeps them once it was heard with them and its devices answer;
    else it goes back by itself and says why. Check a file first: gengfu edge check FILE
    """
    from gengfu.centre_client import asked

    body = {
        "documents": dict(_read(files)),
        "waves": _sizes(waves),
        "failures_max": failures_max,
        "absent_after_s": duration_s(absent_after, "--absent-after"),
        "note": note,
        "who": options.who(who),
    }
    begun = asked("POST", url, "/rollouts", body=body, options=OPTIONS)
    if not as_json:
        typer.echo(begun["id"], err=True)
    told = _awaited(url, begun, duration_s(wait, "--wait"), shows=not as_json)
    _show(told, as_json=as_json)
    if told["state"] == "stopped":
        raise typer.Exit(1)


@app.command(short_help="Which gateway has which settings.")
def status(
    gateway: Annotated[str, typer.Argument(metavar="GATEWAY", help="Only this one.")] = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Say which gateways have the newest settings that were pushed, which have not, and why."""
    from gengfu import desired_table
    from gengfu.centre_client import every

    items = every(url, "/desired/configuration", {"gateway": gateway})
    parts = desired_table.parts(items, round(time.time() * 1000), language(os.environ))
    print_either(items, parts, as_json=as_json)


@app.command("list", short_help="The newest rollouts.")
def list_(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show the newest rollouts."""
    from gengfu import rollouts_table
    from gengfu.centre_client import asked

    items = asked("GET", url, "/rollouts")["items"]
    print_either(items, rollouts_table.listed(items, language(os.environ)), as_json=as_json)


@app.command(short_help="One rollout with its gateways.")
def show(rollout: RolloutId, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show how far a rollout is, and where each of its gateways stands."""
    from gengfu.centre_client import asked

    _show(asked("GET", url, f"/rollouts/{_id(rollout, url)}"), as_json=as_json)


@app.command(short_help="Push to nobody else.")
def stop(rollout: RolloutId, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Push to nobody else; what was pushed stays, or goes back by itself."""
    from gengfu.centre_client import asked

    _show(asked("POST", url, f"/rollouts/{_id(rollout, url)}/stop"), as_json=as_json)


def _read(paths: Iterable[Path]) -> Iterable[tuple[str, str]]:
    """Yield the gateway and the text of each file; TomlFileError tells a mistake with its line."""
    from toml_files import Problem, TomlFile, TomlFileError

    seen: dict[str, Path] = {}
    files = [file for path in paths for file in (sorted(path.glob("*.toml")) if path.is_dir() else [path])]
    for path in files:
        file = TomlFile.read(path)
        gateway = file.data.get("gateway")
        if not isinstance(gateway, str):
            raise TomlFileError([file.problem(("gateway",), "is missing", "name the gateway it is for")])
        if gateway in seen:
            what = f"{gateway} has {seen[gateway].name} already"
            raise TomlFileError([Problem(str(path), 0, "gateway", what, "push one file for each gateway")])
        seen[gateway] = path
        yield gateway, path.read_text(encoding="utf-8-sig")


def _sizes(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"{text!r} is no list of numbers; write 1,5,20", param_hint="--waves")
    return [int(part) for part in parts]


def _awaited(url: str, begun: dict[str, Any], wait_s: float, *, shows: bool) -> dict[str, Any]:
    """Return the rollout once it does not run any more, or the time is over."""
    from gengfu.centre_client import asked

    told, until_s = begun, time.monotonic() + wait_s
    console = Console(stderr=True)
    with console.status("") as line:
        while told["state"] == "running" and time.monotonic() < until_s:
            if shows:
                from gengfu import rollouts_table

                line.update(str(next(iter(rollouts_table.one(told, language(os.environ))))))
            time.sleep(POLL_S)
            told = asked("GET", url, f"/rollouts/{begun['id']}")
    return told


def _id(given: str, url: str) -> str:
    from gengfu.centre_client import asked

    if len(given) == ID_CHARACTERS:
        return given
    found = [it["id"] for it in asked("GET", url, "/rollouts", query={"limit": 100})["items"]]
    found = [it for it in found if it.startswith(given)]
    if len(found) != 1:
        told = "no rollout begins" if not found else f"{len(found)} rollouts begin"
        typer.echo(f"{told} with {given}; see: gengfu configuration list", err=True)
        raise typer.Exit(1)
    return str(found[0])


def _show(item: dict[str, Any], *, as_json: bool) -> None:
    from gengfu import rollouts_table

    print_either(item, rollouts_table.one(item, language(os.environ)), as_json=as_json)
