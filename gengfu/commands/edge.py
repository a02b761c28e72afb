"""``gengfu edge``: the gateway in the cabinet."""

import json
import logging
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gengfu.words import counted

app = typer.Typer(help="The gateway in the cabinet: run it, check it, watch its lines.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command(short_help="Run the gateway until it is told to stop.")
def run(
    settings: Annotated[Path, typer.Option(metavar="FILE", help="The gateway's settings file.")],
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every event.")] = False,
) -> None:
    """Run the gateway until it is told to stop (SIGTERM or Ctrl-C)."""
    from edge.buffer.store import BufferUnusableError
    from edge.run import serve

    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("edge.run").setLevel(logging.INFO)
    try:
        serve(settings, ready=lambda: typer.echo(json.dumps({"ready": True})))
    except BufferUnusableError as error:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(str(error))
        raise typer.Exit(1) from error


@app.command(short_help="Check a settings file.")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A settings file.")], as_json: AsJson = False
) -> None:
    """Check a settings file; every mistake is told with file, line, key and remedy."""
    from edge import checks
    from toml_files import TomlFileError

    try:
        settings, profiles = checks.load(file)
    except TomlFileError as error:
        if not as_json:
            raise
        typer.echo(
            json.dumps(
                {"good": False, "problems": [vars(problem) for problem in error.problems], "notes": []}
            )
        )
        raise typer.Exit(1) from error
    figures = {
        "line": len(settings.lines),
        "device": len(settings.devices),
        "alarm": len(settings.alarms),
        "control": len(settings.controls),
    }
    notes = list(checks.notes(settings, profiles))
    if as_json:
        counts = {f"{noun}s": count for noun, count in figures.items()}
        typer.echo(json.dumps({"good": True, "problems": [], "notes": notes, **counts}))
        return
    told = ", ".join(counted(count, noun) for noun, count in figures.items())
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{file}: sound ({told})")
    for note in notes:
        console.print(f"note: {note}")


@app.command(short_help="Show how lines and devices are doing.")
def lines(
    settings: Annotated[Path, typer.Argument(metavar="FILE", help="The gateway's settings file.")],
    as_json: AsJson = False,
) -> None:
    """Show how lines and devices are doing: state, pace, share of the line's time, what went wrong.

    A running gateway renews the figures every ten seconds. Intervals are from one asking to the next, of the
    last 256; shares are of the last five minutes; timeouts and errors are counted since the start.
    """
    from edge import line_report
    from edge.settings import Settings
    from gengfu import lines_table
    from toml_files import TomlFile

    folder = settings.parent / TomlFile.read(settings).parse(Settings).state_folder
    try:
        report = line_report.read(folder)
    except line_report.ReportUnreadableError as error:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(str(error))
        raise typer.Exit(1) from error
    now_ms = time.time_ns() // 1_000_000
    if as_json:
        typer.echo(json.dumps(lines_table.as_data(report, now_ms), ensure_ascii=False))
        return
    console = Console(highlight=False, markup=False, emoji=False)
    for part in lines_table.parts(report, now_ms):
        console.print(part)


@app.command(short_help="Print the commented example settings.")
def example() -> None:
    """Print the commented example, which is the manual of the settings file."""
    from edge.settings import EXAMPLE

    typer.echo(EXAMPLE.read_text(), nl=False)
