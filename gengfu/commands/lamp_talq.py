"""``gengfu lamps export|import``: plans as JSON of the TALQ Smart City Protocol, and back."""

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="The lamp plan, a TOML file.")]
TalqFile = Annotated[Path, typer.Argument(metavar="TALQ", help="TALQ's objects, a JSON file.")]
Output = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Write it there, not to the terminal.")
]
Replace = Annotated[bool, typer.Option("--replace", "--force", help="Write over a file that is there.")]
FrameName = Annotated[
    Path | None,
    typer.Option("--frame", metavar="PLAN", help="A plan that says what TALQ has no place for."),
]


def export(plan_file: PlanFile, output: Output = None, replace: Replace = False) -> None:
    """Write a plan as objects of TALQ 2.7.1: control programs, calendars, groups, assignments.

    What TALQ has no place for stands beside them as x-gengfu-plan, so that import gives the same plan.
    """
    from lighting import checking, talq

    told = talq.exported(checking.load(plan_file))
    _give(json.dumps(told, ensure_ascii=False, indent=2) + "\n", output, replace=replace)


def import_(
    talq_file: TalqFile, output: Output = None, frame: FrameName = None, replace: Replace = False
) -> None:
    """Make a plan of TALQ's objects; what is left out is told, what would change the light is refused.

    Objects of another system need --frame: a plan, of which only name, time_zone, place, conditions,
    overrides and cabinets are taken, or a file with only these. A table [talq_addresses] there says
    what their addresses are called here: "4EB333B9-1/fLampActuator" = "cabinet/lamp-1".
    """
    from lighting import checking, talq
    from toml_files import FILE_BYTES_MAX, TomlFile

    known = talq.framed(TomlFile.read(frame)) if frame else None
    try:
        with talq_file.open("rb") as file:
            data = file.read(talq.BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        _fail(f"{talq_file}: cannot be read: {reason}; check the path and its permissions")
    try:
        plan, remarks = talq.imported(data, known)
    except talq.TalqError as error:
        _fail("\n".join(f"{talq_file}: {problem}" for problem in error.problems))
    text = checking.as_file(plan)
    if len(text.encode()) > FILE_BYTES_MAX:
        _fail(f"{talq_file}: its plan is longer than {FILE_BYTES_MAX} bytes; divide it")
    for remark in remarks:
        typer.echo(f"{talq_file}: {remark}", err=True)
    _give(text, output, replace=replace)


def add_to(app: typer.Typer) -> None:
    """Add the commands to their group."""
    app.command(short_help="Write a plan as TALQ's JSON.")(export)
    app.command("import", short_help="Make a plan of TALQ's JSON.")(import_)


def _give(text: str, output: Path | None, *, replace: bool) -> None:
    """Print a text, or put it into a file that is there whole or not at all."""
    from gengfu.fresh_file import FileError, written

    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        with written(output, replace=replace) as file:
            file.write(text.encode())
    except FileError as error:
        _fail(str(error))
    typer.echo(f"{output}: {output.stat().st_size} bytes")


def _fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)
