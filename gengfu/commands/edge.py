"""``gengfu edge``: the gateway in the cabinet."""

import json
import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="The gateway in the cabinet: run it, check its settings.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command()
def run(
    settings: Annotated[Path, typer.Option(help="The gateway's settings file.")],
    verbose: Annotated[bool, typer.Option(help="Log every event.")] = False,
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


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A settings file.")], as_json: AsJson = False) -> None:
    """Check a settings file; every mistake is told with file, line, key and remedy."""
    from edge import checks
    from toml_files import TomlFileError

    try:
        settings, _ = checks.load(file)
    except TomlFileError as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"good": False, "problems": [vars(problem) for problem in error.problems]}))
        raise typer.Exit(1) from error
    figures = {
        "lines": len(settings.lines),
        "devices": len(settings.devices),
        "alarms": len(settings.alarms),
        "controls": len(settings.controls),
    }
    if as_json:
        typer.echo(json.dumps({"good": True, "problems": [], **figures}))
    else:
        told = ", ".join(f"{count} {name}" for name, count in figures.items())
        Console(soft_wrap=True, highlight=False).print(f"{file}: sound ({told})")


@app.command()
def example() -> None:
    """Print the commented example, which is the manual of the settings file."""
    from edge.settings import EXAMPLE

    typer.echo(EXAMPLE.read_text(), nl=False)
