"""``gengfu parts``: the register of city parts, listed, looked at, checked and imported."""

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from gengfu.centre_options import DEFAULT_URL, AsJson, Url
from gengfu.language import language
from gengfu.terminal import print_either, print_json

app = typer.Typer(help="The register of city parts: list, show, check, import.", no_args_is_help=True)

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV with the attributes of GB/T 30428.2, or GeoJSON.")
]
Gcj02 = Annotated[bool, typer.Option("--gcj02", help="The file's places are GCJ-02, of a Chinese web map.")]
RemoveGone = Annotated[bool, typer.Option("--remove-gone", help="Remove what is not in the file.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Look at the file, and write nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")]
Count = Annotated[int, typer.Option("--count", metavar="N", min=1, max=1_000, help="How many at most.")]
Code = Annotated[str, typer.Option("--code", metavar="DIGITS", help="Codes that begin so.")]


@app.command("import", short_help="Import parts: all of them, or none.")
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

    Nothing is written where a row is bad. Parts that are not in FILE stay, unless --remove-gone is given.
    """
    from gengfu.part_files import send

    send("parts", file, url, gcj02=gcj02, remove_gone=remove_gone, dry_run=dry_run, yes=yes, as_json=as_json)


@app.command("list", short_help="Parts by code, class, grid or place.")
def list_(
    code: Code = "",
    grid: Annotated[str, typer.Option("--grid", metavar="DIGITS", help="Grid codes that begin so.")] = "",
    minor: Annotated[str, typer.Option("--class", metavar="DIGITS", help="Class, such as 0118.")] = "",
    near: Annotated[str, typer.Option("--near", metavar="LON,LAT", help="Around a WGS 84 place.")] = "",
    within_m: Annotated[float, typer.Option("--within", metavar="METRES", help="How far from there.")] = 100,
    count: Count = 100,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show parts of the register; with --near those around a place, the nearest first."""
    from gengfu import part_tables
    from gengfu.centre_client import asked

    if near:
        found = re.fullmatch(r"\s*(-?[0-9.]+)\s*[,，]\s*(-?[0-9.]+)\s*", near)
        if not found or code or grid:
            typer.echo("--near: write LON,LAT, such as 106.55,29.56; without --code and --grid", err=True)
            raise typer.Exit(1)
        query: dict[str, Any] = {"lon": found[1], "lat": found[2], "distance_m": within_m}
        path, query = "/parts/near", query | {"minor": minor, "limit": count}
    else:
        path, query = "/parts", {"code": code, "grid": grid, "minor": minor, "limit": count}
    options = {"minor": "--class", "distance_m": "--within", "code": "--code", "grid": "--grid"}
    items = asked("GET", url, path, query=query, options=options)["items"]
    print_either(items, part_tables.part_list(items, language(os.environ)), as_json=as_json)


@app.command(short_help="Everything that is known of a part.")
def show(
    code: Annotated[str, typer.Argument(metavar="CODE", help="Its 16 digits.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show a part: class, grid, place (on a web map, too), departments."""
    from gengfu import part_tables
    from gengfu.centre_client import asked

    if not re.fullmatch("[0-9]{16}", code):
        typer.echo(f"{code} is no part code; it has 16 digits", err=True)
        raise typer.Exit(1)
    item = asked("GET", url, f"/parts/{code}")
    print_either(item, part_tables.one_part(item, language(os.environ)), as_json=as_json)


@app.command(short_help="Check a file of parts or grids without a centre.")
def check(
    file: File,
    grids: Annotated[bool, typer.Option("--grids", help="It is a file of grids.")] = False,
    gcj02: Gcj02 = False,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="The centre's: its classes, divisions, limits."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a file on this machine: every bad row is told. Grids that parts name are not looked at."""
    from collector.parts.importing import GRIDS, PARTS
    from collector.parts.settings import PartSettings
    from collector.parts.views import import_view
    from collector.settings import Settings
    from gengfu import part_tables
    from toml_files import TomlFile

    city = TomlFile.read(settings).parse(Settings).parts if settings else PartSettings()
    report = import_view(_looked(file, GRIDS if grids else PARTS, city, gcj02=gcj02)).model_dump()
    if as_json:
        print_json(report)
    elif report["bad"]:
        for line in part_tables.report(report, language(os.environ)):
            typer.echo(line)
    else:
        typer.echo(part_tables.text("sound", language(os.environ), file, report["rows"]))
    if report["bad"]:
        raise typer.Exit(1)


def _looked(file: Path, register: Any, city: Any, *, gcj02: bool) -> Any:
    from collector.parts.files import form_of
    from collector.parts.importing import Import

    try:
        with (
            file.open("rb") as opened,
            Import(register, opened, form_of(file), city.rules(gcj02=gcj02), city.limits()) as work,
        ):
            return work.look(None)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        typer.echo(f"{file}: cannot be read: {reason}; check the path", err=True)
        raise typer.Exit(1) from error
