"""``gengfu edge scan``: who answers on the serial lines of this machine."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from gengfu.commands.edge_socket import AsJson
from gengfu.finding_words import text
from gengfu.options import fail
from gengfu.terminal import plain_table, print_json

if TYPE_CHECKING:
    from edge.commissioning.scanning import Scan
    from edge.lines.formats import Format
    from edge.lines.line import Direction
    from gengfu.finding import NotScannedError, Owner, Wanted

Ports = Annotated[
    list[str] | None,
    typer.Argument(metavar="PORT", help="Serial ports, by place; all of this machine without one."),
]
OfGateway = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        envvar="GENGFU_EDGE_SETTINGS",
        help="The gateway's settings: if it runs, its own ports are asked through it.",
    ),
]
Hard = Annotated[
    Literal["quick", "usual", "thorough"],
    typer.Option(
        "--effort",
        metavar="EFFORT",
        help="quick (about a minute), usual (a few minutes) or thorough (everything there may be).",
    ),
]
Formats = Annotated[
    list[str] | None,
    typer.Option("--format", metavar="FORMAT", help="Only this format, such as 9600-8N1; may be repeated."),
]
Units = Annotated[str, typer.Option("--units", metavar="UNITS", help="Only these units: 1-32 or 1,2,40.")]
Turning = Annotated[
    Literal["auto", "kernel", "rts", "rts_inverted"],
    typer.Option(
        "--direction", metavar="WHO", help="Who turns an RS-485 port round: auto, kernel, rts, rts_inverted."
    ),
]
Unheard = Annotated[
    bool, typer.Option("--at-once", help="Do not listen first. Only where nobody else can be on the line.")
]


def scan(
    ports: Ports = None,
    settings: OfGateway = None,
    effort: Hard = "usual",
    formats: Formats = None,
    units: Units = "",
    direction: Turning = "auto",
    at_once: Unheard = False,
    as_json: AsJson = False,
) -> None:
    """Find the devices on serial lines: baud, parity, mode and unit, the likeliest first. Reads only.

    Each line is listened to first; where another master speaks nothing is sent. Ctrl-C ends it with what is
    found so far, and leaves the ports as they were.
    """
    from gengfu.finding import NotScannedError

    looked_for = wanted(effort, formats, units, direction, at_once=at_once)
    told, _ = scanned(ports, settings, looked_for, quiet=as_json)
    if as_json:
        print_json([_data(each) for each in told])
    else:
        show(told)
    if any(isinstance(each, NotScannedError) or each.outcome != "finished" for each in told):
        raise typer.Exit(1)


def scanned(
    ports: Sequence[str] | None, settings: Path | None, looked_for: "Wanted", *, quiet: bool
) -> "tuple[list[Scan | NotScannedError], Owner | None]":
    """Scan, and return what came of each port, and the gateway that runs here, if one does."""
    from edge.lines.ports import serial_ports
    from gengfu.finding import NotScannedError, owner, profiles_of, scan_all

    try:
        own = owner(settings)
    except NotScannedError as error:
        fail(str(error))
    names = list(ports or [each.port for each in own.ports] if own else ports or serial_ports())
    if not names:
        fail(text("no_ports"))
    return scan_all(names, profiles_of(settings), looked_for, own, quiet=quiet), own


def wanted(
    effort: str,
    formats: Sequence[str] | None,
    units: str,
    direction: "Direction" = "auto",
    *,
    at_once: bool = False,
) -> "Wanted":
    """Return what is looked for; a mistake in an option ends the command."""
    from edge.commissioning.finds import Effort
    from edge.commissioning.scanning import LISTEN_S
    from gengfu.finding import Wanted

    hard: Effort = Effort[effort.upper()]
    return Wanted(
        hard,
        [_format(each) for each in formats] if formats else None,
        _units(units) if units else None,
        0.0 if at_once else LISTEN_S,
        direction,
    )


def _format(told: str) -> "Format":
    from edge.lines.formats import read_format

    try:
        return read_format(told)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--format") from error


def _units(told: str) -> list[int]:
    found: set[int] = set()
    for part in told.split(","):
        first, _, last = part.partition("-")
        try:
            found.update(range(int(first), int(last or first) + 1))
        except ValueError:
            found.add(0)
    if not found or not found <= set(range(1, 248)):
        raise typer.BadParameter(f"{told!r}: units are 1 to 247, as 1-32 or 1,2,40", param_hint="--units")
    return sorted(found)


def show(told: "Iterable[Scan | NotScannedError]") -> None:
    """Print what was found, port by port."""
    from gengfu.finding import NotScannedError

    console = Console(highlight=False, markup=False, emoji=False)
    for each in told:
        if isinstance(each, NotScannedError):
            typer.echo(str(each), err=True)
            continue
        for line in _lines(each):
            console.print(line, soft_wrap=True)
        if each.devices:
            console.print(_table(each))


def _lines(told: "Scan") -> Iterable[str]:
    if told.outcome == "live":
        heard = ""
        if told.overheard and told.overheard.asked:
            heard += text("live_asks").format(_listed(told.overheard.asked))
        if told.overheard and told.overheard.answering:
            heard += text("live_hears").format(_listed(told.overheard.answering))
        yield text("live").format(told.port, heard, text("more_was" if told.asked else "was"))
        return
    yield text("scan_head").format(
        told.port, len(told.devices), told.asked, told.took_s, told.of_minimum, told.minimum_s
    )
    if told.outcome == "stopped":
        yield text("stopped")
    if told.echo:
        yield text("echo")
    for each in told.unclear:
        yield text("unclear").format(each.unit_id, each.format)


def _table(told: "Scan") -> Table:
    table = plain_table()
    for name in ("unit", "format", "mode", "answered", "answer_ms"):
        table.add_column(text(name), justify="right" if name in ("unit", "answer_ms") else "left")
    for device in sorted(told.devices, key=lambda each: (str(each.format), each.unit_id)):
        table.add_row(
            str(device.unit_id),
            str(device.format),
            device.transmission_mode.upper(),
            text(device.answered),
            f"{1000 * device.answer_s:.0f}",
        )
    return table


def _data(told: "Scan | NotScannedError") -> object:
    import msgspec

    from gengfu.finding import NotScannedError

    if isinstance(told, NotScannedError):
        return {"error": str(told)}
    return msgspec.to_builtins(told) | {"of_minimum": round(told.of_minimum, 3)}


def _listed(units: Iterable[int]) -> str:
    return ", ".join(map(str, units))


def add_to(app: typer.Typer) -> None:
    """Add the command to a group."""
    app.command("scan", short_help="Find the devices on serial lines.")(scan)
