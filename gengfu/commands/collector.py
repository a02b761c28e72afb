"""``gengfu collector``: the centre of a district."""

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from gengfu.words import counted

if TYPE_CHECKING:
    from collector.settings import Loaded

app = typer.Typer(help="The centre: set it up, check its settings, run it.", no_args_is_help=True)

EXTRA = "this command needs the collector: pip install gengfu[collector]"
PACKAGES = ("aiomqtt", "alembic", "fastapi", "httpx", "paho", "prometheus_client", "sqlalchemy", "uvicorn")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command(short_help="Run the centre until it is told to stop.")
def run(
    settings: Annotated[Path, typer.Option(metavar="FILE", help="The centre's settings file.")],
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every event.")] = False,
) -> None:
    """Run the centre until SIGTERM or Ctrl-C; one JSON line tells its URL when it is ready."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    from collector.settings import load

    loaded = load(settings)
    with _told_plainly():
        asyncio.run(_serve(loaded))


@app.command(short_help="Check a settings file and what it names.")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A settings file.")], as_json: AsJson = False
) -> None:
    """Check a settings file and what it names; every mistake is told with file, line, key and remedy."""
    from collector.settings import load
    from toml_files import TomlFileError

    try:
        loaded = load(file)
    except TomlFileError as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"good": False, "problems": [vars(problem) for problem in error.problems]}))
        raise typer.Exit(1) from error
    classes, parts, profiles = len(loaded.settings.case_classes), len(loaded.parts), len(loaded.profiles)
    if as_json:
        figures = {"case_classes": classes, "parts": parts, "profiles": profiles}
        typer.echo(json.dumps({"good": True, "problems": [], **figures}))
    else:
        counts = (classes, "case class"), (parts, "part"), (profiles, "profile")
        told = ", ".join(counted(count, noun) for count, noun in counts)
        Console(soft_wrap=True, highlight=False, markup=False).print(f"{file}: sound ({told})")


@app.command(short_help="Write commented settings and an empty part register.")
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder; made if it is not there.")],
) -> None:
    """Write a commented settings file and an empty part register; nothing that is there is overwritten."""
    from collector.parts import HEADER
    from collector.settings import EXAMPLE

    files = {"collector.toml": EXAMPLE.read_text(), "parts.csv": HEADER + "\n"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with (folder / name).open("x") as file:
                file.write(text)
    except FileExistsError as error:
        _fail(f"{error.filename or folder}: is there already; name another folder, or remove it")
    except OSError as error:
        _fail(f"{folder}: cannot be written: {(error.strerror or str(error)).lower()}; check its permissions")
    shown = folder / "collector.toml"
    Console(soft_wrap=True, highlight=False, markup=False).print(
        f"{shown} and {folder / 'parts.csv'} written\n"
        f"next: edit them, then  gengfu collector check {shown}  and  gengfu collector run --settings {shown}"
    )


async def _serve(loaded: "Loaded") -> None:
    from collector.service import World, running

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(loaded, World.real()) as collector:
        typer.echo(json.dumps({"url": collector.url}))
        sys.stdout.flush()
        await stop.wait()


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn a missing extra, and what keeps the centre from starting, into one sentence and exit code 1."""
    try:
        from collector.service import CollectorError
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in PACKAGES:
            raise
        _fail(EXTRA)
    try:
        yield
    except CollectorError as error:
        _fail(str(error))


def _fail(sentence: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(sentence)
    raise typer.Exit(1)
