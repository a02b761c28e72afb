"""What the commands share that ask a running gateway over its local socket."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gengfu.language import language
from gengfu.refusal_words import refusal

if TYPE_CHECKING:
    from edge.local.words import Answer, Request

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Settings = Annotated[
    Path,
    typer.Option(
        "--settings", metavar="FILE", envvar="GENGFU_EDGE_SETTINGS", help="The gateway's settings file."
    ),
]
DEFAULT_SETTINGS = Path("/etc/gengfu/edge.toml")


def told(settings: Path, request: "Request", words: "Callable[[Answer], str]", *, as_json: bool) -> None:
    """Ask, and print what came of it; where it is refused, say why on standard error and exit 1."""
    import msgspec

    answer = asked(settings, request)
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(answer), ensure_ascii=False))
    elif not answer.refused:
        typer.echo(words(answer))
    if answer.refused:
        if not as_json:
            typer.echo(refusal(answer.refused, language(os.environ)), err=True)
        raise typer.Exit(1)


def asked(settings: Path, request: "Request") -> "Answer":
    """Return the answer of the gateway with these settings; where there is none, say why and exit 1."""
    import msgspec

    from edge.local import client
    from edge.settings import Settings as EdgeSettings
    from toml_files import TomlFile

    folder = settings.parent / TomlFile.read(settings).parse(EdgeSettings).state_folder
    try:
        msgspec.json.decode(msgspec.json.encode(request), type=type(request))  # its own limits
        return client.asked(folder, request)
    except msgspec.ValidationError as error:
        fail(f"that cannot be asked: {error}")
    except client.NoAnswerError as error:
        fail(str(error))


def words_of(texts: tuple[str, str]) -> str:
    """Return the one of two texts, English and Chinese, that is read at this terminal."""
    return texts[language(os.environ) == "zh"]


def fail(text: str) -> NoReturn:
    """Say it on standard error and exit 1."""
    typer.echo(text, err=True)
    raise typer.Exit(1)
