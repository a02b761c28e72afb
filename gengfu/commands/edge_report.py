"""``gengfu edge report``: the commissioning report of a cabinet, as a page and as JSON."""

import json
import os
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from gengfu import options
from gengfu.commands.edge_socket import DEFAULT_SETTINGS, Settings
from gengfu.language import language, said

NAME_CHARACTERS_MAX = 80


def report(
    technician: Annotated[str, typer.Option(metavar="NAME", help="Who has commissioned it, and signs.")],
    settings: Settings = DEFAULT_SETTINGS,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.html", help="Where; its JSON stands beside."),
    ] = None,
    chosen: Annotated[
        Literal["en", "zh"] | None,
        typer.Option("--language", metavar="en|zh", help="The page's; the terminal's by default."),
    ] = None,
    as_it_is: Annotated[
        bool, typer.Option("--as-it-is", help="What is known already: identify nobody, examine no line.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace files that are there.")] = False,
) -> None:
    """Write the commissioning report: every line and device, what each is, live values, what is not well.

    Devices are asked what they are, and lines on which somebody does not answer are examined; all of it
    reads only. Nothing is refused for what is not well: it is said. Print it from any browser, and sign it.
    """
    from gengfu import report_facts, report_page
    from gengfu.fresh_file import FileError, written

    who = options.who(technician, NAME_CHARACTERS_MAX)
    console = Console(stderr=True, highlight=False, markup=False)
    with console.status("") as status:
        told = report_facts.facts(
            settings, who, time.time_ns() // 1_000_000, ask=not as_it_is, tell=status.update
        )
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = output or Path(f"gengfu-report-{told.get('gateway', 'gateway')}-{moment}.html")
    page = report_page.page(told, chosen or language(os.environ))
    data = json.dumps(told, ensure_ascii=False, indent=1)
    try:
        for file, text in ((path, page), (path.with_suffix(".json"), data)):
            with written(file, replace=replace) as open_file:
                open_file.write(text.encode())
    except FileError as error:
        options.fail(str(error))
    count = len(told["not_well"])
    typer.echo(
        said(
            f"{path}: written, {count or 'nothing'} not well; {path.with_suffix('.json').name} beside it",
            f"{path}：已写入，异常 {count} 项；同目录有 {path.with_suffix('.json').name}",
        )
    )


def add_to(app: typer.Typer) -> None:
    """Add the command to its group."""
    app.command(short_help="Write the commissioning report of a cabinet.")(report)
