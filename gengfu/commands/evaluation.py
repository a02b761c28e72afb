"""``gengfu evaluation``: how departments, streets, districts and classes did, by formulas that are told."""

import csv
import io
import os
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gengfu.centre_options import DEFAULT_URL, AsJson, Url
from gengfu.language import Language, language
from gengfu.terminal import print_json

app = typer.Typer(help="Figures of cases: filed, closed, in time, reworked.", no_args_is_help=True)

Day = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY", help="The first day.")]
Until = Annotated[
    datetime, typer.Option("--until", formats=["%Y-%m-%d"], metavar="DAY", help="The day after the last.")
]
By = Annotated[str, typer.Option(metavar="WHAT", help="department, street, district or class.")]
Version = Annotated[
    str, typer.Option("--formulas", metavar="VERSION", help="As `evaluation formulas` lists.")
]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV with every count, rate and time.")]
PAGES_MAX = 100
SHORT = {
    "en": ("reported", "filed", "due", "closed", "in time", "urgent", "rework", "repeat"),
    "zh": ("上报", "立案率", "应结", "结案率", "按期", "紧急", "返工率", "重复"),
}
COLUMNS = (
    *("counts.reported", "rates.filing", "counts.due", "rates.closing", "rates.closing_in_time"),
    *("rates.urgent_closing", "rates.rework", "rates.repetition"),
)
BY_WORDS = {
    "en": {"department": "department", "street": "street", "district": "district", "class": "class"},
    "zh": {"department": "部门", "street": "街道", "district": "区", "class": "类别"},
}
TOTAL = {"en": "all", "zh": "合计"}
UNKNOWN = {"en": "(none)", "zh": "（无）"}
LEFT_OUT = {
    "en": "left out: {from_} to {until}, {where}: {reason}",
    "zh": "排除：{from_} 至 {until}，{where}：{reason}",
}
ANYWHERE = {"en": "everywhere", "zh": "全部区域"}
NOT_YET = {
    "en": "not due yet, and in no rate: {count}",
    "zh": "时限未到、不计入各率：{count}",
}
OPTIONS = {"from": "--from", "until": "--until", "by": "--by", "formulas": "--formulas"}


@app.command(short_help="The figures of a period.")
def show(
    first: Day,
    until: Until,
    by: By = "department",
    version: Version = "1",
    url: Url = DEFAULT_URL,
    as_csv: Csv = False,
    as_json: AsJson = False,
) -> None:
    """Show rates and counts of cases from a day to before another, with their formulas."""
    told = _asked(
        url, {"from": f"{first:%Y-%m-%d}", "until": f"{until:%Y-%m-%d}", "by": by, "formulas": version}
    )
    if as_json:
        print_json(told)
    elif as_csv:
        typer.echo(_csv(told), nl=False)
    else:
        _print(told, language(os.environ))


@app.command(short_help="Every version of the formulas, in words.")
def formulas(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show how each version counts."""
    from gengfu.centre_client import asked

    versions = asked("GET", url, "/evaluation/formulas")
    if as_json:
        print_json(versions)
        return
    spoken = language(os.environ)
    for version in versions:
        typer.echo(f"{version['version']}: {version['words'][spoken]}")
        for rate in version["rates"]:
            typer.echo(f"  {rate['title'][spoken]} = {rate['words'][spoken]}")
    for name, words in versions[-1]["counts"].items():
        typer.echo(f"  {name}: {words[spoken]}")


def _asked(url: str, query: dict[str, str]) -> dict[str, Any]:
    """Return the whole answer, its pages put together."""
    from gengfu.centre_client import asked

    whole: dict[str, Any] = asked("GET", url, "/evaluation", query=query, options=OPTIONS)
    for _ in range(PAGES_MAX):
        if whole["next"] is None:
            break
        page = asked("GET", url, "/evaluation", query=query | {"cursor": whole["next"]}, options=OPTIONS)
        whole["figures"] += page["figures"]
        whole["next"] = page["next"]
    return whole


def _print(told: dict[str, Any], spoken: Language) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(BY_WORDS[spoken][told["by"]], overflow="fold")
    for title in SHORT[spoken]:
        table.add_column(title, justify="right", no_wrap=True)
    for figures in told["figures"]:
        table.add_row(figures["key"] or UNKNOWN[spoken], *map(_shown, _values(figures)))
    table.add_row(TOTAL[spoken], *map(_shown, _values(told["total"])), style="bold")
    console = Console(soft_wrap=False, highlight=False, markup=False)
    console.print(table)
    version = told["formulas"]
    typer.echo(f"{told['first']} - {told['last']}, {version['version']}: {version['words'][spoken]}")
    for rate in version["rates"]:
        typer.echo(f"  {rate['title'][spoken]} = {rate['words'][spoken]}")
    if count := told["total"]["counts"]["not_due_yet"]:
        typer.echo(NOT_YET[spoken].format(count=count))
    for each in told["excluded"]:
        from_, until = (_local(each[name]) for name in ("from_ms", "until_ms"))
        where = " ".join(filter(None, (each["area"], each["class_code"]))) or ANYWHERE[spoken]
        typer.echo(LEFT_OUT[spoken].format(from_=from_, until=until, where=where, reason=each["reason"]))


def _values(figures: dict[str, Any]) -> list[Any]:
    return [figures[group][name] for group, name in (column.split(".") for column in COLUMNS)]


def _shown(value: int | float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if isinstance(value, float) else str(value)


def _local(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000).astimezone():%Y-%m-%d %H:%M}"


def _csv(told: dict[str, Any]) -> str:
    """Return a line for each key; the first column is the key, the last the version of the formulas."""
    out = io.StringIO()
    groups = ("counts", "rates", "times_s")
    names = [(group, name) for group in groups for name in told["total"][group]]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([told["by"], *(name for _, name in names), "first", "last", "formulas"])
    for figures in told["figures"]:
        values = ["" if figures[group][name] is None else figures[group][name] for group, name in names]
        end = (told["first"], told["last"], told["formulas"]["version"])
        writer.writerow([_harmless(figures["key"]), *values, *end])
    return out.getvalue()


def _harmless(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t"} else text
