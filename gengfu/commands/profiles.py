"""``gengfu profiles``: what devices are known, and whether their files are sound."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="Device profiles: list, show, check.", no_args_is_help=True)

Files = Annotated[
    list[Path] | None,
    typer.Argument(help="Profile files; without any, all that are shipped.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command()
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
        Console().print(f"{good} profile{'s' * (good != 1)} checked, all sound")
    if problems:
        raise typer.Exit(1)
