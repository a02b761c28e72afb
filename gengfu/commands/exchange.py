"""``gengfu exchange``: what a centre tells upward, pulled into a file that proves it is the same."""

import json
import os
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gengfu.centre_options import AsJson
from gengfu.language import language

app = typer.Typer(help="What a centre tells a province: parts, cases, sensing.", no_args_is_help=True)

TIMEOUT_S = 60.0
Feeds = Annotated[
    list[str] | None, typer.Option("--feed", metavar="FEED", help="Repeatable; all if none is named.")
]
SAID = {
    "en": "{feed}: {lines} lines taken, {items} things are there\n  line {generation}:{sequence}\n"
    "  SHA-256 {sha256}\n  SM3     {sm3}",
    "zh": "{feed}：取得 {lines} 行，现有 {items} 项\n  行号 {generation}:{sequence}\n"
    "  SHA-256 {sha256}\n  SM3     {sm3}",
}


@app.command(short_help="Bring a file up to what a centre tells.")
def pull(
    url: Annotated[str, typer.Argument(metavar="URL", help="The centre's, as http://127.0.0.1:8780.")],
    into: Annotated[Path, typer.Option("--into", metavar="FILE", help="A SQLite file, made if not there.")],
    feeds: Feeds = None,
    limit: Annotated[int, typer.Option(min=1, max=5_000, help="Lines in a page.")] = 1_000,
    anew: Annotated[bool, typer.Option("--anew", help="Begin at the first line again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Pull feeds, proving each page by count, SHA-256 and SM3; after a break it goes on where it was."""
    import httpx

    from collector.exchange.pulling import listed
    from collector.exchange.pulling import pull as pulled
    from collector.exchange.receiving import Receiver, ReceivingError
    from gengfu import token_file

    told = []
    try:
        headers, verify = token_file.headers(url, os.environ), token_file.verification(url, os.environ)
        with (
            closing(Receiver(into)) as receiver,
            httpx.Client(
                base_url=url, timeout=TIMEOUT_S, trust_env=False, headers=headers, verify=verify
            ) as client,
        ):
            for feed in feeds or listed(client):
                if anew:
                    receiver.begin_anew(feed)
                told.append(pulled(client, receiver, feed, limit=limit))
                if not as_json:
                    typer.echo(SAID[language(os.environ)].format(**asdict(told[-1])))
    except (ReceivingError, token_file.TokenFileError) as error:
        _end(str(error))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _end(f"the centre at {url} does not answer: {error}; is it running, and is the URL right?")
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in told]))


def _end(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)
