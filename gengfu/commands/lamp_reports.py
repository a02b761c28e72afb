"""``gengfu lamps report`` and ``nights``: what lamps did, read from a centre."""

import datetime as dt
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from gengfu.centre_options import DEFAULT_URL, Url
from gengfu.language import Language, language
from gengfu.terminal import print_json, print_parts

EXTRA = "this command needs httpx: pip install gengfu[collector]"
LAST_MAX = 400
PATH = "/api/v1/lamps"


class Form(StrEnum):
    """In which form a report comes."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"


_SUFFIXES = {".json": Form.JSON, ".csv": Form.CSV, ".html": Form.HTML, ".htm": Form.HTML}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
MonthName = Annotated[
    dt.datetime | None,
    typer.Option("--month", metavar="YYYY-MM", formats=["%Y-%m"], help="Last month where nothing is said."),
]
FormName = Annotated[
    Form | None,
    typer.Option("--format", metavar="FORMAT", help="json, csv or html; else by the name of the file."),
]
Output = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Write the report there, not to the terminal.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Write over a file that is there.")]
Lamp = Annotated[str, typer.Option("--lamp", metavar="ADDRESS", help="Which one, as cabinet/lamp-3.")]
Last = Annotated[int, typer.Option("--last", metavar="N", min=1, max=LAST_MAX, help="How many nights.")]


def report(
    month: MonthName = None,
    form: FormName = None,
    output: Output = None,
    replace: Replace = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show a month of lamps: lit rate, intact rate, online rate, energy, failures; or write it to a file.

    Without --format and --output a short table; CSV has every lamp and night, HTML is a page with charts.
    """
    reads = language(os.environ)
    name = _month(month)
    form = _form(form, output, as_json)
    query = {"month": name, "lang": reads, "format": form or Form.JSON}
    with _told_plainly():
        from gengfu.centre_api import Centre

        with Centre(url) as centre:
            if output:
                with _working(f"{name}: {output}"):
                    _write(centre.chunks(f"{PATH}/report", **query), output, replace=replace)
            elif form:
                for chunk in centre.chunks(f"{PATH}/report", **query):
                    sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
            else:
                with _working(name):
                    told = centre.data(f"{PATH}/report", **query)
                _show(told, url, reads)


def _write(chunks: Iterable[bytes], output: Path, *, replace: bool) -> None:
    from gengfu.fresh_file import written

    with written(output, replace=replace) as file:
        for chunk in chunks:
            file.write(chunk)
    _say(f"{output}: {output.stat().st_size} bytes")


def _show(data: object, url: str, reads: Language) -> None:
    from collector.lamps.views import LampReportView
    from gengfu import lamp_figures
    from gengfu.centre_api import CentreError

    try:
        told = LampReportView.model_validate(data)
    except ValueError as error:
        raise CentreError(f"{url}: answers no report; is it a centre of this version?") from error
    print_parts(lamp_figures.parts(told, reads))


def nights(lamp: Lamp, last: Last = 7, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show what was planned, commanded and measured of one lamp in the last nights, as a picture."""
    gateway, slash, name = lamp.partition("/")
    if not (gateway and slash and name) or "/" in name:
        _fail(f"--lamp: {lamp!r} is no lamp's address; write the cabinet and the lamp, as cabinet/lamp-3")
    tonight = (dt.datetime.now().astimezone() - dt.timedelta(hours=12)).date()
    wanted = [tonight - dt.timedelta(days=back) for back in range(last, 0, -1)]
    query: dict[str, str | int] = {"gateway": gateway, "lamp": name, "limit": last + 1}
    query |= {"from": str(wanted[0]), "to": str(tonight)}
    with _told_plainly():
        from collector.lamps.views import LampNightView
        from collector.views import Page
        from gengfu import night_picture
        from gengfu.centre_api import Centre, CentreError

        with Centre(url) as centre:
            try:
                told = Page[LampNightView].model_validate(centre.data(f"{PATH}/nights", **query)).items
            except ValueError as error:
                raise CentreError(f"{url}: answers no nights; is it a centre of this version?") from error
    if as_json:
        print_json([night.model_dump(mode="json") for night in told])
        return
    print_parts(night_picture.parts(lamp, told, wanted, language(os.environ)))


def _month(month: dt.datetime | None) -> str:
    if month is None:
        month = dt.datetime.now().astimezone().replace(day=1) - dt.timedelta(days=1)
    return f"{month:%Y-%m}"


def _form(form: Form | None, output: Path | None, as_json: bool) -> Form | None:
    """Return in which form the report is to come; None for a table."""
    if as_json and form not in (None, Form.JSON):
        _fail(f"--json and --format {form} cannot both be; say one of them")
    if as_json:
        return Form.JSON
    if form is None and output is not None:
        try:
            return _SUFFIXES[output.suffix.lower()]
        except KeyError:
            _fail(
                f"--output: the name {output.name} does not say in which form; add --format json, csv or html"
            )
    return form


@contextmanager
def _working(what: str) -> Iterator[None]:
    """Show on a terminal that something is under way."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn what is in the way into one sentence and exit code 1."""
    try:
        from gengfu.centre_api import CentreError
        from gengfu.fresh_file import FileError
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "httpx":
            raise
        _fail(EXTRA)
    try:
        yield
    except (CentreError, FileError) as error:
        _fail(str(error))


def _say(sentence: str) -> None:
    Console(soft_wrap=True, highlight=False, markup=False).print(sentence)


def _fail(sentence: str) -> NoReturn:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(sentence)
    raise typer.Exit(1)
