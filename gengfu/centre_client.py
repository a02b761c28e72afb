"""Asking the centre over HTTP, for commands: what it refuses is told in its own words."""

import json
import os
from collections.abc import Mapping
from functools import partial
from typing import Any, BinaryIO, NoReturn

import httpx
import typer

from gengfu.language import language
from gengfu.language import said as one_of

TIMEOUT_S = 30.0
HINTS = {
    401: (
        "the centre does not know who asks: put a token into ~/.config/gengfu/token, or name its file with "
        "GENGFU_TOKEN_FILE; an administrator makes one: gengfu tokens create",
        "中心不知道是谁在请求：请把令牌存入 ~/.config/gengfu/token，或用 GENGFU_TOKEN_FILE 指明其文件；"
        "令牌由管理员用 gengfu tokens create 生成",
    ),
    403: ("the centre knows who asks, and does not allow it", "中心知道是谁在请求，但不允许此操作"),
}
SERVER_ERROR = 500
CHUNK_BYTES = 64 * 1024
PAGE = 1_000


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
    lost: str = "",
) -> Any:
    """Return the centre's answer as plain data; where there is none, say why on standard error and exit 1.

    ``options`` are what people wrote for what the centre is asked, as it may refuse that. A ``file`` of a
    ``media_type`` is sent as it is, in place of ``body``. ``lost`` is said as well where the centre may have
    done what it was asked, and nobody has heard so.
    """
    from gengfu import token_file

    headers: dict[str, str] = {"Accept-Language": language(os.environ)}
    if file is not None:
        headers["Content-Type"] = media_type
    try:
        answer = httpx.request(
            method,
            f"{url.rstrip('/')}/api/v1{path}",
            json=body,
            content=None if file is None else iter(partial(file.read, CHUNK_BYTES), b""),
            params=query,
            timeout=timeout_s,
            headers=headers | token_file.headers(url, os.environ),
            verify=token_file.verification(url, os.environ),
        )
    except token_file.TokenFileError as error:
        _end(str(error))
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        is_unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL)
        text = one_of(
            f"the centre at {url} does not answer: {error}; is it running, and is --url right?",
            f"中心 {url} 无应答：{error}；请确认其正在运行、--url 正确",
        )
        _end(text, "" if is_unsent else lost)
    return told(answer, url, options, lost)


def every(
    url: str, path: str, query: Mapping[str, Any] | None = None, options: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return a whole list of the centre, page by page; a refusal ends as that of ``asked`` does."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = asked(
            "GET", url, path, query={**(query or {}), "limit": PAGE, "cursor": cursor}, options=options
        )
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = page["next"]


def stepped(url: str, path: str, step: str, body: Mapping[str, Any], version: int | None) -> Any:
    """Take a step with what stands at a path; return it as it stands then.

    It is taken only where that has the version which somebody has seen; where they name none, the one that
    it has now.
    """
    seen = asked("GET", url, path)["version"] if version is None else version
    return asked("POST", url, f"{path}/{step}", body={**body, "version": seen})


def told(answer: httpx.Response, url: str, options: Mapping[str, str] | None = None, lost: str = "") -> Any:
    """Return what an answer holds; where it is a refusal, say so on standard error and exit 1."""
    code = answer.status_code
    try:
        said = answer.json()
    except ValueError:
        text = one_of(
            f"{url} answers {code}, and nothing that a centre would say; is --url right?",
            f"{url} 应答 {code}，不像是中心的应答；请确认 --url 正确",
        )
        _end(text, lost)
    if answer.is_success:
        return said
    if hint := HINTS.get(code):
        typer.echo(one_of(*hint), err=True)
    detail = said.get("detail", said) if isinstance(said, dict) else said
    for line in detail if isinstance(detail, list) else [detail]:
        typer.echo(_sentence(line, options or {}), err=True)
    if lost and code >= SERVER_ERROR:
        typer.echo(lost, err=True)
    raise typer.Exit(1)


def _sentence(told: Any, options: Mapping[str, str]) -> str:
    if isinstance(told, dict) and "msg" in told:
        place = told.get("loc", ())[1:]  # the first says that it is the body
        where = " ".join(options.get(str(part), str(part)) for part in place)
        return told["msg"] if told.get("type") == "toml" or not where else f"{where}: {told['msg']}"
    return told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)


def _end(text: str, lost: str = "") -> NoReturn:
    typer.echo(text, err=True)
    if lost:
        typer.echo(lost, err=True)
    raise typer.Exit(1)
