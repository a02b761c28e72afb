"""``gengfu edge``: the gateway in the cabinet."""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console, RenderableType

from gengfu.commands import (
    edge_bundle,
    edge_configuration,
    edge_doctor,
    edge_enrol,
    edge_hand,
    edge_identify,
    edge_point,
    edge_report,
    edge_scan,
    edge_update,
    edge_watch,
    edge_why,
)
from gengfu.commands.edge_socket import DEFAULT_SETTINGS
from gengfu.importing import importing
from gengfu.proof import Proof
from gengfu.service_manager import service_manager
from gengfu.terminal import print_json
from gengfu.words import counted

if TYPE_CHECKING:
    from edge.progress import Standing

R = TypeVar("R")

app = typer.Typer(help="The gateway in the cabinet: run, check and watch it.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
SettingsFile = Annotated[
    Path, typer.Argument(metavar="FILE", envvar="GENGFU_EDGE_SETTINGS", help="The gateway's settings file.")
]


@app.command(short_help="Run the gateway until it is told to stop.")
def run(
    settings: Annotated[Path, typer.Option(metavar="FILE", help="The gateway's settings file.")],
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every event.")] = False,
) -> None:
    """Run the gateway until it is told to stop (SIGTERM or Ctrl-C)."""
    with importing():
        from edge.buffer.errors import BufferUnusableError
        from edge.run import serve

    manager = service_manager()
    proof = Proof.of_environment(os.environ)

    async def watch(standing: "Standing") -> None:
        async with asyncio.TaskGroup() as watching:
            watching.create_task(manager.watch(standing.stuck))
            watching.create_task(proof.give(standing.at_work, standing.connected))

    def ready() -> None:
        typer.echo(json.dumps({"ready": True}))
        manager.ready()

    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("edge.run").setLevel(logging.INFO)
    try:
        serve(settings, ready=ready, watch=watch, stopping=manager.stopping)
    except BufferUnusableError as error:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(str(error))
        raise typer.Exit(1) from error


@app.command(short_help="Check a settings file.")
def check(
    file: SettingsFile = DEFAULT_SETTINGS,
    against: Annotated[
        Path | None,
        typer.Option(metavar="RECORDING", help="Samples as JSON lines or CSV: show what the rules would do."),
    ] = None,
    first: Annotated[
        int, typer.Option(metavar="N", min=0, max=10_000, help="With it: show so many events in full.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """Check a settings file; every mistake is told with file, line, key and remedy.

    A group is what one broadcast reaches: all lamps of a profile on a line.
    With a recording of samples (time_ms, device, point, value, quality; in the order of time) its rules are
    tried on them: what would have been raised, cleared, started, inhibited. Nothing is switched.
    """
    from edge import checks
    from edge.lamps import fixtures
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
    lamps = fixtures.of(settings, profiles)
    if against is not None:
        from gengfu.commands import edge_replay

        edge_replay.against(settings, against, first=first, as_json=as_json)
        return
    figures = {
        "line": len(settings.lines),
        "device": len(settings.devices),
        "alarm": len(settings.alarms),
        "control": len(settings.controls),
        "lamp": len(lamps),
        "group": len({lamp.group for lamp in lamps if lamp.group}),
    }
    notes = list(checks.notes(settings, profiles))
    if as_json:
        counts = {f"{noun}s": count for noun, count in figures.items()}
        typer.echo(json.dumps({"good": True, "problems": [], "notes": notes, **counts}))
        return
    there = {noun: count for noun, count in figures.items() if count or noun not in ("lamp", "group")}
    told = ", ".join(counted(count, noun) for noun, count in there.items())
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{file}: sound ({told})")
    for note in notes:
        console.print(f"note: {note}")


@app.command(short_help="Show how lines and devices are doing.")
def lines(
    settings: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Show how lines and devices are doing: state, pace, share of the line's time, what went wrong.

    A running gateway renews the figures every ten seconds. Intervals are from one asking to the next, of the
    last 256; shares are of the last five minutes; timeouts and errors are counted since the start.
    """
    from edge import line_report
    from gengfu import lines_table
    from gengfu.language import language

    report = _read(settings, line_report.read)
    now_ms = time.time_ns() // 1_000_000
    _show(report, lines_table.parts(report, now_ms, language(os.environ)), now_ms, as_json=as_json)


@app.command(short_help="Show how the link to the centre is doing.")
def link(
    settings: SettingsFile = DEFAULT_SETTINGS,
    as_json: AsJson = False,
) -> None:
    """Show how the link to the centre is doing: connection, backlog, the month's bytes, report policies.

    A running gateway renews the figures every ten seconds. Bytes of the month are those of IP packets, both
    ways; what waits is told as it stands on disk; measured and reported samples are counted since the start.
    """
    from edge import link_report
    from gengfu import link_table
    from gengfu.language import language

    report = _read(settings, link_report.read)
    now_ms = time.time_ns() // 1_000_000
    _show(report, link_table.parts(report, now_ms, language(os.environ)), now_ms, as_json=as_json)


def _read(settings: Path, read: Callable[[Path], R]) -> R:
    """Return a report out of the state folder that the settings name, or say why there is none, and exit."""
    from edge.report_file import ReportUnreadableError
    from edge.settings import Settings
    from toml_files import TomlFile

    folder = settings.parent / TomlFile.read(settings).parse(Settings).state_folder
    try:
        return read(folder)
    except ReportUnreadableError as error:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(str(error))
        raise typer.Exit(1) from error


def _show(report: object, parts: Iterable[RenderableType], now_ms: int, *, as_json: bool) -> None:
    from gengfu import report_age

    if as_json:
        print_json(report_age.as_data(report, now_ms))
        return
    console = Console(highlight=False, markup=False, emoji=False)
    for part in parts:
        console.print(part)


@app.command(short_help="Print the commented example settings.")
def example() -> None:
    """Print the commented example, which is the manual of the settings file."""
    from edge.settings import EXAMPLE

    typer.echo(EXAMPLE.read_text(), nl=False)


for _commands in (edge_scan, edge_identify, edge_doctor):
    _commands.add_to(app)
edge_why.add_to(app)
edge_hand.add_to(app)
edge_point.add_to(app)
edge_watch.add_to(app)
edge_enrol.add_to(app)
edge_configuration.add_to(app)
edge_update.add_to(app)
edge_bundle.add_to(app)
edge_report.add_to(app)
