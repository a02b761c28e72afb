"""``gengfu lamps``: plans of lamps: what they will do, pushing them, overrides, how it stands, reports."""

import datetime as dt
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from gengfu.commands import lamp_desk, lamp_reports, lamp_talq
from gengfu.language import language
from gengfu.terminal import print_parts

NIGHTS_MAX = 400

app = typer.Typer(help="Lamps: what a plan will do, who has it, what lamps did.", no_args_is_help=True)
lamp_desk.add_to(app)


PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="The lamp plan, a TOML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Nights = Annotated[int, typer.Option("--nights", metavar="N", min=1, max=NIGHTS_MAX, help="How many nights.")]
From = Annotated[
    dt.datetime | None,
    typer.Option(
        "--from",
        metavar="YYYY-MM-DD",
        formats=["%Y-%m-%d"],
        help="The first night; tonight where nothing is said.",
    ),
]
Lamps = Annotated[
    list[str] | None,
    typer.Option(
        "--lamp", metavar="ADDRESS", help="Only these: cabinet/lamp-1, cabinet/*, a group; repeatable."
    ),
]
Conditions = Annotated[
    list[str] | None,
    typer.Option("--condition", metavar="NAME", help="As if this condition held all the time; repeatable."),
]


@app.command(short_help="Print a commented plan, which is its own manual.")
def example() -> None:
    """Print a commented plan, which is its own manual."""
    from lighting import EXAMPLE

    typer.echo(EXAMPLE.read_text(encoding="utf-8"), nl=False)


@app.command(short_help="What lamps will do in the next nights, and why.")
def preview(
    plan_file: PlanFile,
    nights: Nights = 3,
    first: From = None,
    lamps: Lamps = None,
    conditions: Conditions = None,
    as_json: AsJson = False,
) -> None:
    """Show what lamps will do in the next nights: a picture, and every change with its reason."""
    from lighting import checking
    from lighting import nights as night_times
    from lighting.addresses import AddressError
    from lighting.preview import previewed, viewed

    plan = checking.load(plan_file)
    zone = night_times.zone(plan.time_zone)
    tonight = first.date() if first else (dt.datetime.now(zone) - dt.timedelta(hours=12)).date()
    if unknown := sorted(set(conditions or ()) - set(plan.conditions)):
        known = ", ".join(plan.conditions) or "none"
        _refuse(f"--condition: the plan has no condition {unknown[0]!r}; it has: {known}")
    try:
        shown = previewed(plan, tonight, nights, lamps or (), conditions or ())
    except AddressError as error:
        _refuse(f"--lamp: {error}; {error.remedy}")
    if as_json:
        typer.echo(
            json.dumps([viewed(one, zone).model_dump(mode="json") for one in shown], ensure_ascii=False)
        )
        return
    from gengfu import lamp_picture

    print_parts(lamp_picture.parts(shown, zone, language(os.environ)))


def _refuse(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(1)


app.command("report", short_help="A month of lamps: rates, energy, failures.")(lamp_reports.report)
app.command("nights", short_help="What one lamp did in the last nights.")(lamp_reports.nights)
lamp_talq.add_to(app)
