"""``gengfu profiles``: what devices are known, and whether their files are sound."""

import difflib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gengfu.language import language
from gengfu.terminal import plain_table, print_json
from gengfu.words import counted

if TYPE_CHECKING:
    from device_profiles.schema import Point, Profile

app = typer.Typer(help="Device profiles: list, show, check.", no_args_is_help=True)

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FILE", help="Profile files; without any, all that are shipped.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Folders = Annotated[
    list[Path] | None,
    typer.Option(
        "--folder",
        metavar="FOLDER",
        help="A folder of own profiles beside the shipped ones; may be repeated.",
    ),
]
ProfileId = Annotated[str, typer.Argument(metavar="ID", help="Id of a profile, as `list` prints it.")]

_SHORT_TABLES = {
    "coil": "coil",
    "discrete_input": "discrete",
    "holding_register": "holding",
    "input_register": "input",
}


@app.command("list")
def list_profiles(folders: Folders = None, as_json: AsJson = False) -> None:
    """List every known device."""
    from device_profiles import catalogue

    profiles = sorted(catalogue.load_all(folders or ()).values(), key=lambda profile: profile.id)
    if as_json:
        rows = [
            {
                "id": profile.id,
                "title": profile.title.model_dump(),
                "vendor": profile.vendor,
                "models": profile.models,
                "points": len(profile.points),
            }
            for profile in profiles
        ]
        print_json(rows)
        return
    titles = language(os.environ)
    table = _table("id", "title", "vendor", "points")
    for profile in profiles:
        table.add_row(profile.id, getattr(profile.title, titles), profile.vendor, str(len(profile.points)))
    _console().print(table)


@app.command(short_help="Show one device: document, serial settings, points.")
def show(profile_id: ProfileId, folders: Folders = None, as_json: AsJson = False) -> None:
    """Show one device: its document, its serial settings, its points."""
    from device_profiles import catalogue

    profiles = catalogue.load_all(folders or ())
    if profile_id not in profiles:
        close = difflib.get_close_matches(profile_id, profiles, n=1)
        remedy = f"did you mean {close[0]}?" if close else "see `gengfu profiles list`"
        typer.echo(f"no profile is called {profile_id!r}; {remedy}", err=True)
        raise typer.Exit(1)
    profile = profiles[profile_id]
    if as_json:
        print_json(_as_data(profile))
        return
    console = _console()
    header = Table.grid(padding=(0, 2, 0, 0))
    for name, text in _header(profile):
        header.add_row(name, text)
    console.print(header)
    console.print()
    console.print(_points_table(profile))


@app.command(short_help="Check profile files.")
def check(paths: Files = None, as_json: AsJson = False) -> None:
    """Check profile files; every mistake is told with file, line, key and remedy."""
    from device_profiles import catalogue
    from toml_files import Problem, TomlFileError

    problems: list[Problem] = []
    good = 0
    if paths is None:
        good = len(catalogue.load_all())
    for path in paths or []:
        try:
            catalogue.load(path)
        except TomlFileError as error:
            problems += error.problems
        else:
            good += 1
    if as_json:
        typer.echo(json.dumps({"good": good, "problems": [vars(problem) for problem in problems]}))
    elif problems:
        raise TomlFileError(problems)
    else:
        Console().print(f"{counted(good, 'profile')} checked, all sound")
    if problems:
        raise typer.Exit(1)


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _table(*columns: str) -> Table:
    """Return an empty table in which only titles are broken over lines."""
    table = plain_table()
    for column in columns:
        table.add_column(column, no_wrap=column != "title", overflow="fold")
    return table


def _header(profile: "Profile") -> Iterable[tuple[str, str]]:
    other = "en" if language(os.environ) == "zh" else "zh"
    yield "id", profile.id
    yield "title", f"{getattr(profile.title, language(os.environ))} ({getattr(profile.title, other)})"
    yield "vendor", profile.vendor
    yield "models", ", ".join(profile.models)
    yield "document", profile.document
    if serial := profile.serial:
        yield "serial", f"{serial.baud} 8{serial.parity}{serial.stop_bits}, unit id {serial.unit_id}"


def _points_table(profile: "Profile") -> Table:
    titles = language(os.environ)
    table = _table("name", "title", "table", "address", "type", "scale", "unit", "range")
    for point in profile.points:
        table.add_row(
            point.name,
            getattr(point.title, titles),
            _SHORT_TABLES[point.table],
            f"0x{point.address:04X}" + ("" if point.bit is None else f".{point.bit}"),
            point.type + (" rw" if point.writable else ""),
            _scale(point),
            "" if point.unit == "1" else point.unit,
            f"{point.range[0]:g}..{point.range[1]:g}" if point.range else "",
        )
    for entry in profile.derived:
        of = ", ".join(entry.of)
        table.add_row(entry.name, f"{getattr(entry.title, titles)} ({of})", "derived", "", "", "", entry.unit)
    return table


def _scale(point: "Point") -> str:
    """Return how a raw value becomes one: a factor, an offset, or what the device itself says."""
    if point.type == "bool":
        return ""
    if point.decimals_at is not None or point.unit_at is not None:
        return "by device"
    return f"{point.scale:.4g}" + (f" {point.offset:+g}" if point.offset else "")


def _as_data(profile: "Profile") -> dict[str, Any]:
    """Return the profile as its file has it, with repeated points written out."""
    plain = profile.model_dump(mode="json", by_alias=True)
    return plain | {"points": [point.model_dump(mode="json") for point in profile.points]}
