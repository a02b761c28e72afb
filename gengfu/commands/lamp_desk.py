"""``gengfu lamps push|status|override|cancel|condition``: what the lighting team asks of the centre."""

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gengfu.centre_options import DEFAULT_URL, AsJson, Moment, Url, Who, epoch_ms
from gengfu.language import language
from gengfu.options import duration_s
from gengfu.options import who as person
from gengfu.terminal import print_either, print_json, print_parts

PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="The lamp plan, a TOML file.")]
Lamps = Annotated[
    list[str], typer.Argument(metavar="ADDRESS", help="cabinet/lamp-1, cabinet/*, or a group of the plan.")
]
OPTIONS = {
    "addresses": "ADDRESS",
    "level": "--level",
    "reason": "--reason",
    "for_s": "--for",
    "start_ms": "--from",
    "condition": "CONDITION",
    "gateways": "--cabinet",
    "who": "--who",
    "cabinets": "cabinet",
}
"""What people write for what the interface is asked."""


def push(
    plan_file: PlanFile,
    effective: Moment = None,
    url: Url = DEFAULT_URL,
    who: Who = "",
    wait: Annotated[
        str, typer.Option("--wait", metavar="DURATION", help="Wait so long for the cabinets' answers.")
    ] = "10s",
    as_json: AsJson = False,
) -> None:
    """Push a plan: every cabinet gets its part, signed; or none, where anything is wrong with it."""
    from gengfu.centre_client import asked
    from lighting import checking
    from toml_files import TomlFile

    file = TomlFile.read(plan_file)
    checking.parsed(file)
    body = {
        "text": plan_file.read_text(encoding="utf-8-sig"),
        "file": plan_file.name,
        "who": person(who),
        "effective_ms": epoch_ms(effective),
    }
    told = asked("PUT", url, "/lamps/plan", body=body, options=OPTIONS)
    for remark in told["remarks"]:
        typer.echo(remark, err=True)
    _show(_answers(url, "lamp_plan", told["gateways"], duration_s(wait, "--wait")), as_json=as_json)


def status(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Say which cabinets have the plan, which have not, and why; and what was said by hand."""
    items = _items(url, "lamp_plan")
    standing = _standing(url)
    if as_json:
        print_json({"plan": items, "standing": standing})
        return
    _show(items, as_json=False)
    _show_standing(standing)


def override(
    addresses: Lamps,
    level: Annotated[int, typer.Option("--level", metavar="PERCENT", min=0, max=100, help="0 is off.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; people read it later.")],
    duration: Annotated[
        str,
        typer.Option("--for", metavar="DURATION", help="Such as 45min or 2h; the plan's default otherwise."),
    ] = "",
    begins: Moment = None,
    url: Url = DEFAULT_URL,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Put lamps at a level for a time, whatever their plan says. It always ends."""
    body = {
        "addresses": addresses,
        "level": level,
        "reason": reason,
        "who": person(who),
        "for_s": duration_s(duration, "--for") if duration else None,
        "start_ms": epoch_ms(begins),
    }
    tell("POST", "/lamps/overrides", "lamp_overrides", url, body, as_json=as_json)


def cancel(addresses: Lamps, url: Url = DEFAULT_URL, who: Who = "", as_json: AsJson = False) -> None:
    """Let lamps follow their plan again, before their override ends."""
    body = {"addresses": addresses, "who": person(who)}
    tell("POST", "/lamps/overrides/cancel", "lamp_overrides", url, body, as_json=as_json)


def condition(
    name: Annotated[str, typer.Argument(metavar="CONDITION", help="One that the plan names, such as fog.")],
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="Such as 6h; 0s: it holds no more.")
    ],
    gateways: Annotated[
        list[str] | None,
        typer.Option(
            "--cabinet", metavar="GATEWAY", help="Only there; repeatable. All of the plan otherwise."
        ),
    ] = None,
    begins: Moment = None,
    url: Url = DEFAULT_URL,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Say that a condition of the plan holds for a time: fog, rain, an event night."""
    body = {
        "condition": name,
        "who": person(who),
        "for_s": duration_s(duration, "--for"),
        "gateways": gateways or [],
        "start_ms": epoch_ms(begins),
    }
    tell("POST", "/lamps/conditions", "lamp_conditions", url, body, as_json=as_json)


def add_to(app: typer.Typer) -> None:
    """Add the commands to their group."""
    app.command(short_help="Push a plan to its cabinets, and see who has it.")(push)
    app.command(short_help="Who has the plan, who has not, and why.")(status)
    app.command(short_help="Put lamps at a level for a time.")(override)
    app.command(short_help="End an override before its time.")(cancel)
    app.command(short_help="Say that a condition of the plan holds for a time.")(condition)


def tell(
    method: str,
    path: str,
    kind: str,
    url: str,
    body: dict[str, Any],
    *,
    as_json: bool,
    options: dict[str, str] = OPTIONS,
) -> list[str]:
    """Have the centre tell gateways something by a document of a kind, show who has heard it; return them."""
    from gengfu.centre_client import asked

    told = asked(method, url, path, body=body, options=options)
    for remark in told["remarks"]:
        typer.echo(remark, err=True)
    _show(_answers(url, kind, told["gateways"], 5.0), as_json=as_json)
    if not as_json:
        _show_standing([each for each in _standing(url) if each["gateway"] in told["gateways"]])
    gateways: list[str] = told["gateways"]
    return gateways


def _standing(url: str) -> list[dict[str, Any]]:
    """Return what was said by hand, of those gateways for which anything was."""
    from gengfu.centre_client import asked

    items = asked("GET", url, "/lamps/standing")["items"]
    return [each for each in items if each["overrides"] or each["conditions"]]


def _show_standing(standing: list[dict[str, Any]]) -> None:
    from gengfu import standing_table

    print_parts(standing_table.parts(standing, round(time.time() * 1000), language(os.environ)))


def _answers(url: str, kind: str, gateways: list[str], wait_s: float) -> list[dict[str, Any]]:
    """Return where the documents of these gateways stand, once all have answered or the time is over."""
    until_s = time.monotonic() + wait_s
    while True:
        items = [item for item in _items(url, kind) if item["gateway"] in gateways]
        if time.monotonic() >= until_s or all(item["state"] not in ("waiting", "sent") for item in items):
            return items
        time.sleep(0.2)


def _items(url: str, kind: str) -> list[dict[str, Any]]:
    from gengfu.centre_client import every

    return every(url, f"/desired/{kind}")


def _show(items: list[dict[str, Any]], *, as_json: bool) -> None:
    from gengfu import desired_table

    parts = desired_table.parts(items, round(time.time() * 1000), language(os.environ))
    print_either(items, parts, as_json=as_json)
