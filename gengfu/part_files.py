"""Sending a file of parts or grids to the centre: looked at first, written when that is wanted."""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import typer

from gengfu.language import language
from gengfu.terminal import print_json

TIMEOUT_S = 900.0
"""A district of 200,000 parts takes a while."""
MEDIA_TYPES = {".geojson": "application/geo+json", ".json": "application/geo+json"}
_QUESTION = ("Write this?", "写入？")
_NOT_WRITTEN = ("nothing is written; add --yes to write it", "未写入；加--yes写入")


def send(
    what: str,
    file: Path,
    url: str,
    *,
    gcj02: bool,
    remove_gone: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Have the centre look at a file of ``what`` (parts, grids) and, where it is sound, write it.

    Somebody at a terminal is asked before, with the counts; elsewhere ``yes`` says so. Exit 1 where it is
    refused, or was to be written and is not.
    """
    query = {"gcj02": gcj02, "source": file.name, "remove_gone": remove_gone}
    told = _sent(what, file, url, query | {"dry_run": True})
    if told["bad"] or dry_run:
        _show(told, as_json=as_json)
        if told["bad"]:
            raise typer.Exit(1)
        return
    if not yes:
        _show(told, as_json=as_json)
        index = language(os.environ) == "zh"
        if as_json or not _at_a_terminal() or not typer.confirm(_QUESTION[index]):
            _end(_NOT_WRITTEN[index])
    _show(_sent(what, file, url, query), as_json=as_json)


def _sent(what: str, file: Path, url: str, query: dict[str, Any]) -> Any:
    from gengfu.centre_client import asked

    try:
        with file.open("rb") as opened:
            return asked(
                "POST",
                url,
                f"/{what}/import",
                query=query,
                file=opened,
                media_type=MEDIA_TYPES.get(file.suffix.lower(), "text/csv"),
                timeout_s=TIMEOUT_S,
            )
    except OSError as error:
        _end(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}; check the path")


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _show(told: Any, *, as_json: bool) -> None:
    from gengfu import part_tables

    if as_json:
        print_json(told)
        return
    for line in part_tables.report(told, language(os.environ)):
        typer.echo(line)


def _end(line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(1)
