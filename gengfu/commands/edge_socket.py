"""What the commands share that ask a running gateway over its local socket."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gengfu.language import language, said
from gengfu.options import fail
from gengfu.refusal_words import refusal
from gengfu.terminal import print_json

if TYPE_CHECKING:
    from edge.local.client import NoAnswerError
    from edge.local.words import Answer, News, Request, Streamed

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Settings = Annotated[
    Path,
    typer.Option(
        "--settings", metavar="FILE", envvar="GENGFU_EDGE_SETTINGS", help="The gateway's settings file."
    ),
]
_WHY = {
    "absent": "不存在，按此设置没有网关在运行；请用 `gengfu edge run` 启动，或用 --settings 指明其设置文件",
    "killed": "网关无应答：它被强行终止，留下了套接字；请重新启动",
    "denied": "无权请求；请用 root（sudo）或网关所用的用户",
    "silent": "{0} 秒内无应答；请查看其日志和 `gengfu edge lines`",
    "broken": "{0}；请重试",
    "foreign": "应答不属于本版本：{0}；更新后请重新启动网关",
}
"""Why there is no answer; see edge.local.client.NoAnswerError."""
DEFAULT_SETTINGS = Path("/etc/gengfu/edge.toml")


def told(settings: Path, request: "Request", words: "Callable[[Answer], str]", *, as_json: bool) -> None:
    """Ask, and print what came of it; where it is refused, say why on standard error and exit 1."""
    import msgspec

    answer = asked(settings, request)
    if as_json:
        print_json(msgspec.to_builtins(answer))
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
        fail(said(f"that cannot be asked: {error}", f"无法这样请求：{error}"))
    except client.NoAnswerError as error:
        fail(no_answer(error))


def streamed(settings: Path, request: "Streamed") -> "Iterator[News]":
    """Yield what the gateway with these settings tells; where there is none, say why and exit 1."""
    import msgspec

    from edge.local import client
    from edge.settings import Settings as EdgeSettings
    from toml_files import TomlFile

    folder = settings.parent / TomlFile.read(settings).parse(EdgeSettings).state_folder
    try:
        msgspec.json.decode(msgspec.json.encode(request), type=type(request))  # its own limits
        yield from client.streamed(folder, request)
    except msgspec.ValidationError as error:
        fail(said(f"that cannot be asked: {error}", f"无法这样请求：{error}"))
    except client.NoAnswerError as error:
        fail(no_answer(error))


def no_answer(error: "NoAnswerError") -> str:
    """Return why a gateway does not answer, in the language of this terminal."""
    return said(str(error), f"{error.where}：{_WHY[error.why].format(error.detail)}")
