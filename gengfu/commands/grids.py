"""``gengfu grids``: the grids of the city, listed and imported."""

import os
from typing import Annotated, Literal

import typer

from gengfu.centre_options import DEFAULT_URL, AsJson, Url
from gengfu.commands.parts import Code, Count, DryRun, File, Gcj02, RemoveGone, Yes
from gengfu.language import language
from gengfu.terminal import print_either

app = typer.Typer(help="Unit, responsibility and handling grids: list, import.", no_args_is_help=True)


@app.command("import", short_help="Import grids: all of them, or none.")
def import_(
    file: File,
    gcj02: Gcj02 = False,
    remove_gone: RemoveGone = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Have the centre look at FILE, tell every bad row and what would change, and write it when you say so.

    GeoJSON polygons with BGID, and Kind (unit, responsibility, handling), Name and Parent where known; or
    CSV without polygons. Import grids before parts, so that parts are held against them.
    """
    from gengfu.part_files import send

    send("grids", file, url, gcj02=gcj02, remove_gone=remove_gone, dry_run=dry_run, yes=yes, as_json=as_json)


@app.command("list", short_help="Grids by code and kind.")
def list_(
    kind: Annotated[
        Literal["unit", "responsibility", "handling"] | None,
        typer.Option("--kind", metavar="KIND", help="unit, responsibility or handling."),
    ] = None,
    code: Code = "",
    count: Count = 100,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show grids of the register."""
    from gengfu import part_tables
    from gengfu.centre_client import asked

    query = {"code": code, "limit": count} | ({"kind": kind} if kind else {})
    items = asked("GET", url, "/grids", query=query, options={"code": "--code"})["items"]
    print_either(items, part_tables.grid_list(items, language(os.environ)), as_json=as_json)
