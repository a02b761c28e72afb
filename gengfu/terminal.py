"""What commands print: JSON for scripts; for people text, moments and tables within 80 columns."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table


def print_json(data: Any) -> None:
    """Print plain data in one line."""
    typer.echo(json.dumps(data, ensure_ascii=False))


def print_parts(parts: Iterable[RenderableType]) -> None:
    """Print text and tables one below the other, as wide as the terminal; nothing in them is markup."""
    console = Console(highlight=False, markup=False)
    for part in parts:
        console.print(part)


def print_either(data: Any, parts: Iterable[RenderableType], *, as_json: bool) -> None:
    """Print the data as JSON, or the parts that show it to people."""
    if as_json:
        print_json(data)
    else:
        print_parts(parts)


def plain_table() -> Table:
    """Return a table without lines, its columns still to be added."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")


def folding_table(*titles: str) -> Table:
    """Return a plain table whose last column folds what is too long; the others are shown whole."""
    table = plain_table()
    for title in titles:
        table.add_column(title, no_wrap=title != titles[-1], overflow="fold")
    return table


def moment(time_ms: int) -> str:
    """Return a moment as this machine's clock shows it, without the year."""
    return f"{datetime.fromtimestamp(time_ms / 1000).astimezone():%m-%d %H:%M}"
