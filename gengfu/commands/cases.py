"""``gengfu cases``: the cases of the centre, their lives, and the steps that people take with them."""

import os
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gengfu.centre_options import DEFAULT_URL, AsJson, Count, Url
from gengfu.durations import until_s
from gengfu.language import language
from gengfu.terminal import print_either

ID_CHARACTERS = 32
OPTIONS = {
    "note": "--note",
    "reason": "--reason",
    "department": "--to",
    "deadline_ms": "--until",
    "other": "--into",
    "class": "--class",
    "area": "--area",
}

app = typer.Typer(help="Cases: from an alarm to their end.", no_args_is_help=True)
rules = typer.Typer(help="Times and areas of which nothing is collected.", no_args_is_help=True)
app.add_typer(rules, name="no-collection")

Case = Annotated[str, typer.Argument(metavar="CASE", help="Its number, the platform's, or its id.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="What people read later.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]
NeededReason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; needed.")]
To = Annotated[str, typer.Option("--to", metavar="DEPARTMENT", help="Who is to do it.")]
Until = Annotated[
    str, typer.Option("--until", metavar="TIME", help="17:30 (the next one), 2026-11-27T17:30 or +2h.")
]


@app.command("list", short_help="The newest cases.")
def list_(
    stage: Annotated[str, typer.Option("--stage", metavar="STAGE", help="Such as dispatched.")] = "",
    case_class: Annotated[str, typer.Option("--class", metavar="CLASS", help="Code or problem.")] = "",
    area: Annotated[str, typer.Option("--area", metavar="DIGITS", help="First digits of the grid.")] = "",
    department: Annotated[str, typer.Option("--department", metavar="NAME", help="Dispatched to it.")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those that are late.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Closed ones as well.")] = False,
    count: Count = 20,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the newest cases that are open; with --all, or by a stage, others as well."""
    query: dict[str, Any] = {"limit": count}
    told = {"stage": stage, "class": case_class, "area": area, "department": department}
    query |= {key: value for key, value in told.items() if value}
    if overdue:
        query["overdue"] = True
    if not every and not stage:
        query["open"] = True
    items = _asked("GET", url, "/cases", query=query)["items"]
    from gengfu import cases_table

    print_either(items, cases_table.cases(items, language(os.environ)), as_json=as_json)


@app.command(short_help="One case with its life.")
def show(case: Case, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show a case: where it stands, its stages, its evidence, what is similar, and what may be done."""
    _show(_asked("GET", url, f"/cases/{_id(case, url)}"), as_json=as_json)


@app.command(short_help="File a collected case.")
def file(case: Case, note: Note = "", url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """File a collected case (立案)."""
    _step(case, "file", url, {"note": note}, as_json=as_json)


@app.command(short_help="Dispatch a filed case to a department.")
def dispatch(case: Case, to: To, note: Note = "", url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Dispatch a filed case (派遣); one that is with somebody already goes to another, which needs --note."""
    seen = _asked("GET", url, f"/cases/{_id(case, url)}")
    again = seen["stage"] in ("dispatched", "in_hand")
    told = {"department": to, "reason" if again else "note": note}
    _step(seen["id"], "redispatch" if again else "dispatch", url, told, as_json=as_json)


@app.command(short_help="Take a dispatched case in hand.")
def take(case: Case, note: Note = "", url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Take a dispatched case in hand (接单)."""
    _step(case, "take_in_hand", url, {"note": note}, as_json=as_json)


@app.command(short_help="Report what was done.")
def report(
    case: Case,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What was done; needed.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Report what was done (反馈): the case waits for verification then."""
    _step(case, "report", url, {"note": note}, as_json=as_json)


@app.command(short_help="Verify a reported case and close it.")
def verify(case: Case, note: Note = "", url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Verify a reported case and close it (核实结案). Where its sensor still alarms, it will come back."""
    _step(case, "verify", url, {"note": note}, as_json=as_json)


@app.command(short_help="Send a reported case back.")
def rework(case: Case, reason: NeededReason, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Send a reported case back to its department (返工)."""
    _step(case, "return_for_rework", url, {"reason": reason}, as_json=as_json)


@app.command(short_help="Evaluate a closed case.")
def evaluate(case: Case, note: Note = "", url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Evaluate a closed case (综合评价)."""
    _step(case, "evaluate", url, {"note": note}, as_json=as_json)


@app.command(short_help="Give a case more time, ask for it, or refuse it.")
def extend(
    case: Case,
    until: Until = "",
    reason: Reason = "",
    ask: Annotated[bool, typer.Option("--ask", help="Ask for it only, as a department.")] = False,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse what is asked for.")] = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Give a case more time (延期). Without --until, what is asked for is granted."""
    step = "refuse_extension" if refuse else "ask_extension" if ask else "extend"
    told = {"reason": reason, "deadline_ms": _moment_ms(until, "--until") if until else None}
    _step(case, step, url, told, as_json=as_json)


@app.command(short_help="Void a case that is none.")
def void(case: Case, reason: NeededReason, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Void a case (作废): there is no such problem."""
    _step(case, "void", url, {"reason": reason}, as_json=as_json)


@app.command(short_help="Merge a case into another.")
def merge(
    case: Case,
    into: Annotated[str, typer.Option("--into", metavar="CASE", help="The one that stays.")],
    note: Note = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Merge a case into another (并案): its alarms go there, and it is voided."""
    _step(case, "merge", url, {"other": _id(into, url), "note": note}, as_json=as_json)


@app.command(short_help="Answer whether a problem is there.")
def confirm(
    case: Case,
    is_there: Annotated[bool, typer.Option("--yes/--no", help="It is there, or it is not.")],
    note: Note = "",
    lon: Annotated[float | None, typer.Option("--lon", metavar="DEGREES", help="Where you stand.")] = None,
    lat: Annotated[float | None, typer.Option("--lat", metavar="DEGREES", help="Where you stand.")] = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Answer, as an inspector on the spot, whether the problem is there (核查)."""
    body = {"is_there": is_there, "note": note, "lon": lon, "lat": lat}
    _show(_asked("POST", url, f"/cases/{_id(case, url)}/confirmations", body=body), as_json=as_json)


@app.command(short_help="The city's classes; change or remove them.")
def classes(
    put: Annotated[
        Path | None,
        typer.Option("--put", metavar="FILE", help="Take over its [[case_classes]], a TOML file."),
    ] = None,
    remove: Annotated[str, typer.Option("--remove", metavar="PROBLEM", help="It makes no case.")] = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the city's classes of cases, after changing them where a change is asked for."""
    if put is not None:
        for entry in _entries(put):
            body = {"entry": entry}
            _asked("PUT", url, f"/case-classes/{entry['problem']}", body=body)
    if remove:
        _asked("DELETE", url, f"/case-classes/{remove}")
    items = _all(url, "/case-classes")
    from gengfu import cases_table

    print_either(items, cases_table.classes(items, language(os.environ)), as_json=as_json)


@rules.command("list", short_help="The rules there are.")
def list_rules(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show times and areas of which nothing is collected, and how many alarms made no case."""
    items = _all(url, "/no-collection")
    from gengfu import cases_table

    print_either(items, cases_table.rules(items, language(os.environ)), as_json=as_json)


@rules.command(short_help="Collect nothing for a time.")
def add(
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="17:30, 2026-11-27T17:30 or +2h.")],
    reason: NeededReason,
    area: Annotated[str, typer.Option("--area", metavar="DIGITS", help="First digits of the grid.")] = "",
    problem: Annotated[str, typer.Option("--problem", metavar="PROBLEM", help="Only of this class.")] = "",
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Have alarms of an area and class make no case until a time. What is active then makes one."""
    body = {
        "area": area,
        "problem": problem,
        "reason": reason,
        "from_ms": round(time.time() * 1000),
        "until_ms": _moment_ms(until, "--until"),
    }
    from gengfu import cases_table

    item = _asked("POST", url, "/no-collection", body=body)
    print_either(item, cases_table.rules([item], language(os.environ)), as_json=as_json)


@rules.command(short_help="End a rule before its time.")
def end(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Its id, or the beginning of it.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """End a rule of no collection before its time."""
    from gengfu import cases_table

    found = [item["id"] for item in _all(url, "/no-collection") if item["id"].startswith(rule)]
    if len(found) != 1:
        typer.echo(f"{len(found)} rules begin with {rule}; list them and write more of the id", err=True)
        raise typer.Exit(1)
    item = _asked("POST", url, f"/no-collection/{found[0]}/end")
    print_either(item, cases_table.rules([item], language(os.environ)), as_json=as_json)


def _step(case: str, step: str, url: str, told: Mapping[str, Any], *, as_json: bool) -> None:
    body = {key: value for key, value in told.items() if value not in (None, "")}
    _show(_asked("POST", url, f"/cases/{_id(case, url)}/{step}", body=body), as_json=as_json)


def _id(case: str, url: str) -> str:
    """Return a case's id by what people call it; where there is none, say so and exit 1."""
    if len(case) == ID_CHARACTERS and set(case) <= set("0123456789abcdef"):
        return case
    found = _asked("GET", url, "/cases", query={"number": case, "limit": 2})["items"]
    if len(found) != 1:
        typer.echo(
            f"{len(found) or 'no'} case is called {case}; gengfu cases list --all lists them", err=True
        )
        raise typer.Exit(1)
    return str(found[0]["id"])


def _all(url: str, path: str) -> list[dict[str, Any]]:
    from gengfu.centre_client import every

    return every(url, path, options=OPTIONS)


def _entries(path: Path) -> list[dict[str, Any]]:
    """Return the classes of a file; TomlFileError tells every mistake."""
    from collector.cases.settings import CaseClassFile
    from toml_files import TomlFile

    whole = TomlFile.read(path).parse(CaseClassFile)
    return [entry.model_dump(mode="json", by_alias=True) for entry in whole.case_classes]


def _moment_ms(text: str, option: str) -> int:
    try:
        return round((time.time() + until_s(text, datetime.now().astimezone())) * 1000)
    except ValueError as error:
        typer.echo(f"{option}: {error}", err=True)
        raise typer.Exit(1) from error


def _asked(method: str, url: str, path: str, **more: Any) -> Any:
    from gengfu.centre_client import asked

    return asked(method, url, path, options=OPTIONS, **more)


def _show(case: Mapping[str, Any], *, as_json: bool) -> None:
    from gengfu import cases_table

    print_either(case, cases_table.life(case, language(os.environ)), as_json=as_json)
