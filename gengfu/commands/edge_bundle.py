"""``gengfu edge bundle``: what somebody needs who is to help, in one file, without secrets."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from gengfu.commands.edge_socket import DEFAULT_SETTINGS, AsJson, Settings
from gengfu.language import said
from gengfu.options import fail


def bundle(
    settings: Settings = DEFAULT_SETTINGS,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.tar.gz", help="Where; new, never replaced.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a support bundle: settings, states, figures, versions, journal; no secrets, no history of values.

    Passwords, tokens and keys are taken out of every part, by their names and by what they look like. What
    cannot be read is named with its reason. Look through it all the same before you give it away.
    """
    from edge.bundle import bundling
    from edge.bundle.parts import limits_of, parts
    from gengfu.fresh_file import FileError, written

    now_s, environment = int(time.time()), dict(os.environ)
    text = bundling.settings_text(settings)
    raw = bundling.raw_settings(text)
    limits, literals = limits_of(raw), bundling.literals_of(text, raw, environment)
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    name = f"gengfu-{_safe(str(raw.get('gateway', 'gateway')))}-{moment}"
    path = output or Path(f"{name}.tar.gz")
    before = os.umask(0o077)
    try:
        with written(path, replace=False) as file:
            told = bundling.write(
                file, name, parts(settings, raw, limits, environment), literals, limits, now_s
            )
    except FileError as error:
        fail(str(error))
    finally:
        os.umask(before)
    if as_json:
        typer.echo(
            json.dumps({"file": str(path), "parts": [it._asdict() for it in told]}, ensure_ascii=False)
        )
        return
    for part in told:
        if part.missing:
            typer.echo(said(f"without {part.name}: {part.missing}", f"缺少 {part.name}：{part.missing}"))
    there, octets = sum(not part.missing for part in told), path.stat().st_size
    typer.echo(
        said(
            f"{path}: {there} of {len(told)} parts, {octets} bytes; look through it before you give it away",
            f"{path}：{len(told)} 部分中的 {there} 部分，{octets} 字节；交给他人前请先过目",
        )
    )


def add_to(app: typer.Typer) -> None:
    """Add the command to its group."""
    app.command(short_help="Write a support bundle without secrets.")(bundle)


def _safe(text: str) -> str:
    return "".join(each for each in text if each.isalnum() or each in "-_")[:60] or "gateway"
