"""``gengfu demo``: a city block on this machine, with real bytes, a real broker and real databases."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from gengfu.language import language

EXTRAS = "the demo needs all parts: pip install gengfu[edge,collector,simulators]"


def demo(
    *,
    for_s: Annotated[
        float | None,
        typer.Option(
            "--for",
            min=1,
            max=86_400,
            help="Run so many seconds, without the live picture; the story takes about 70 s.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
    folder: Annotated[
        Path, typer.Option(help="Everything the demo writes is in here; emptied at the start.")
    ] = Path("demo-run"),
    seed: Annotated[int, typer.Option(help="The same seed gives the same noise.")] = 1,
    weaken: Annotated[
        Literal["none", "puback", "lamps"],
        typer.Option(
            help="Gateways as others have them. puback: they delete on the broker's word, data is lost. "
            "lamps: they switch lamps and do not dim them, which is not what the preview says."
        ),
    ] = "none",
    smtp: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Mail what people are told of incidents to this server, as duty@example.org.",
        ),
    ] = "",
) -> None:
    """Show a city block at work: dust and a sprinkler, a tilted manhole cover, a burst main, a killed broker.

    On a terminal it draws a live picture until Ctrl-C. Elsewhere it tells the story once, line by line.
    Exit status 0 only if nothing was lost or doubled, no lamp strayed from its preview and every part of the
    story happened; who ends the live picture early needs the same till then, but not the whole story.
    """
    try:
        from gengfu.demo.play import Options, play
        from gengfu.demo.processes import DemoError
        from simulators.mosquitto import BrokerError
    except ModuleNotFoundError as error:
        typer.echo(f"{EXTRAS} (missing: {error.name})", err=True)
        raise typer.Exit(1) from error
    live = sys.stdout.isatty() and for_s is None and not as_json
    options = Options(folder, for_s, live, seed, weaken, language(os.environ), smtp, quiet=as_json)
    try:
        outcome, figures = asyncio.run(play(options))
    except (DemoError, BrokerError) as error:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"demo: {error}")
        raise typer.Exit(1) from error
    except OSError as error:
        where = error.filename or folder
        typer.echo(
            f"demo: {where}: {error.strerror or error}; name a folder that can be written with --folder",
            err=True,
        )
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None
    if as_json:
        typer.echo(json.dumps({**figures, "verdict": outcome}))
    raise typer.Exit(0 if outcome == "good" or (live and outcome == "early") else 1)
