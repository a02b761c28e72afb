"""``gengfu platforms``: city platforms, what waits for a person, and requests before they are sent."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from gengfu.centre_options import DEFAULT_URL, AsJson, Url
from gengfu.language import language
from gengfu.terminal import print_json

PAGE = 1_000

app = typer.Typer(help="City platforms: what waits, and what a person decides.", no_args_is_help=True)

Settings = Annotated[Path, typer.Option("--settings", metavar="FILE", help="The centre's settings file.")]

_WORDS = {
    "platform": ("platform", "平台"),
    "kind": ("kind", "类型"),
    "can": ("can", "能力"),
    "waiting": ("waiting", "待发"),
    "asking": ("asking", "核对中"),
    "done": ("done", "已送达"),
    "person": ("person", "待人工"),
    "says": ("says", "平台回复"),
    "id": ("id", "编号"),
    "case": ("case", "案卷"),
    "why": ("why", "原因"),
    "has_key": ("key", "幂等键"),
    "can_look_up": ("look-up", "查询"),
    "has_callbacks": ("callbacks", "回调"),
    "can_poll": ("poll", "轮询"),
    "nothing": ("nothing waits for a person", "没有待人工处理的消息"),
    "sound": ("sound", "无误"),
    "none": ("platform {0} is not told of such messages ({1})", "平台 {0} 不接收此类消息（{1}）"),
    "desk": ("stays at the built-in desk", "由内置台账处理，不外发"),
    "taken": ("noted: the platform has it", "已记录：平台已收到"),
    "send_again": ("it is sent again", "将重新发送"),
}


@app.command("list", short_help="The platforms and what is on its way to each.")
def list_(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the platforms, what each can, and how many messages stand where."""
    from gengfu.centre_client import asked

    items = asked("GET", url, "/platforms")["items"]
    if as_json:
        print_json(items)
        return
    names = ("platform", "kind", "can", "waiting", "asking", "done", "person", "says")
    table = Table(*(_word(name) for name in names), box=None, pad_edge=False, header_style="bold")
    for each in items:
        counts = each["messages"]
        can = ", ".join(_word(name) for name, has in each["capabilities"].items() if has)
        waiting = counts.get("waiting", 0) + counts.get("sending", 0)
        figures = (waiting, counts.get("asking", 0), counts.get("done", 0), counts.get("needs_person", 0))
        table.add_row(each["name"], each["kind"], can, *map(str, figures), each["trouble"])
    Console().print(table)


@app.command(short_help="What a person has to decide on.")
def waiting(
    platform: Annotated[str, typer.Option("--platform", metavar="NAME", help="Only of this one.")] = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """List messages that wait for a person, and why; decide with `gengfu platforms resolve`."""
    from gengfu.centre_client import asked

    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = asked(
            "GET", url, "/platforms/waiting", query={"platform": platform, "limit": PAGE, "cursor": cursor}
        )
        items += page["items"]
        if not (cursor := page["next"] or ""):
            break
    if as_json:
        print_json(items)
        return
    if not items:
        typer.echo(_word("nothing"))
        return
    table = Table(
        *(_word(name) for name in ("id", "platform", "case", "kind", "why")),
        box=None, pad_edge=False, header_style="bold",
    )  # fmt: skip
    for each in items:
        table.add_row(str(each["id"]), each["platform"], each["case_number"], each["kind"], each["reason"])
    Console().print(table)


@app.command(short_help="Decide on a message that waits.")
def resolve(
    message: Annotated[int, typer.Argument(metavar="ID", help="As `waiting` lists it.")],
    decision: Annotated[
        Literal["taken", "again"], typer.Argument(help="The platform has it, or has it not.")
    ],
    number: Annotated[
        str, typer.Option("--number", metavar="NUMBER", help="What the platform calls the case.")
    ] = "",
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="For the audit trail.")] = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Decide: the platform has it (under this number), or it is sent again. Look there first."""
    from gengfu.centre_client import asked

    told = "taken" if decision == "taken" else "send_again"
    body = {"decision": told, "number": number, "note": note}
    answer = asked("POST", url, f"/platforms/waiting/{message}/resolve", body=body)
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else _word(told))


@app.command(short_help="Check a mapping file, or the platforms of a settings file.")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A mapping file or a centre's settings file.")],
    as_json: AsJson = False,
) -> None:
    """Check a file; every mistake is told with file, line, key and remedy."""
    from collector.platforms.mapping_file import load_mapping
    from collector.settings import load
    from toml_files import TomlFile, TomlFileError

    try:
        if "messages" in TomlFile.read(file).data:
            abilities = [load_mapping(file).capabilities]
        else:
            abilities = [each.mapping.capabilities for each in load(file).platforms if each.mapping]
    except TomlFileError as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"good": False, "problems": [vars(problem) for problem in error.problems]}))
        raise typer.Exit(1) from error
    can = [
        [name for name in ("has_key", "can_look_up", "has_callbacks", "can_poll") if getattr(each, name)]
        for each in abilities
    ]
    if as_json:
        typer.echo(json.dumps({"good": True, "problems": [], "can": can}))
        return
    told = "; ".join(", ".join(map(_word, each)) or "-" for each in can)
    typer.echo(f"{file}: {_word('sound')} ({told})")


@app.command("try", short_help="Print the exact requests of a case, and send nothing.")
def try_(
    case: Annotated[str, typer.Argument(metavar="CASE", help="Its number or id.")],
    settings: Settings,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Print what would be sent of a case by these settings and mapping files; nothing is sent.

    The case is read from the running centre, the files are read here: so a mapping can be tried before the
    centre is started with it. Secrets are masked.
    """
    from collector.platforms import previews
    from collector.settings import load
    from gengfu.centre_client import asked

    loaded = load(settings)
    messages = asked("GET", url, "/platforms/messages", query={"case": case})["items"]
    if not messages:
        typer.echo(f"{case}: the centre at {url} has no messages of such a case; see /api/v1/cases", err=True)
        raise typer.Exit(1)
    shown = [previews.preview(each, loaded.platforms) for each in messages]
    if as_json:
        print_json(shown)
        return
    for each in shown:
        typer.echo(f"# {each['n']} {each['kind']} -> {each['platform']}")
        if each["problem"]:
            typer.echo(each["problem"], err=True)
        elif each["request"] is None:
            typer.echo(
                _word("desk") if each["is_desk"] else _word("none").format(each["platform"], each["kind"])
            )
        else:
            _print_request(each["request"])
    if any(each["problem"] for each in shown):
        raise typer.Exit(1)


def _print_request(request: dict[str, Any]) -> None:
    typer.echo(f"{request['method']} {request['url']}")
    for name, value in request["headers"].items():
        typer.echo(f"{name}: {value}")
    typer.echo(f"\n{request['body']}\n" if request["body"] else "")


def _word(name: str) -> str:
    return _WORDS[name][language(os.environ) == "zh"]
