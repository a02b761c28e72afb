"""Asking the centre over HTTP, for commands: what it refuses is told in its own words."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, BinaryIO, NoReturn

import httpx
import typer

TIMEOUT_S = 30.0
CHUNK_BYTES = 64 * 1024


def asked(
    method: str,
    url: str,
    path: str,
    *,
    body: Any = None,
    query: Any = None,
    options: Mapping[str, str] | None = None,
    file: BinaryIO | None = None,
    media_type: str = "",
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """Return the centre's answer as plain data; where there is none, say why on standard error and exit 1.

    ``options`` are what people wrote for what the centre is asked, as it may refuse that. A ``file`` of a
    ``media_type`` is sent as it is, in place of ``body``.
    """
    headers = {"content-type": media_type} if file is not None else {}
    try:
        answer = httpx.request(
            method,
            f"{url.rstrip('/')}/api/v1{path}",
            json=body,
            content=None if file is None else iter(partial(file.read, CHUNK_BYTES), b""),
            params=query,
            timeout=timeout_s,
            headers=headers,
        )
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        _end(f"the centre at {url} does not answer: {error}; is it running, and is --url right?")
    try:
        told = answer.json()
    except ValueError:
        _end(f"{url} answers {answer.status_code}, and nothing that a centre would say; is --url right?")
    if answer.is_success:
        return told
    detail = told.get("detail", told) if isinstance(told, dict) else told
    for line in detail if isinstance(detail, list) else [detail]:
        typer.echo(_sentence(line, options or {}), err=True)
    raise typer.Exit(1)


def _sentence(told: Any, options: Mapping[str, str]) -> str:
    if isinstance(told, dict) and "msg" in told:
        place = told.get("loc", ())[1:]  # the first says that it is the body
        where = " ".join(options.get(str(part), str(part)) for part in place)
        return told["msg"] if told.get("type") == "toml" or not where else f"{where}: {told['msg']}"
    return told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)


def _end(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)
