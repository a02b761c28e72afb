"""``gengfu edge identify``: what the devices on serial lines are, and the settings that follow from it."""

import asyncio
import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from gengfu.commands.edge_scan import Formats, Hard, OfGateway, Ports, Turning, Units, scanned, show, wanted
from gengfu.commands.edge_socket import AsJson, no_answer
from gengfu.finding_words import text
from gengfu.language import said
from gengfu.options import fail
from gengfu.terminal import plain_table, print_json

if TYPE_CHECKING:
    from edge.commissioning.candidates import Candidate
    from edge.commissioning.judging import Identified, Ranked
    from edge.commissioning.scanning import Scan
    from edge.commissioning.writing import Place, Placed
    from edge.lines.line import Direction
    from gengfu.finding import Owner

REASONS_TOLD_MAX = 4
TIMEOUT_S_MIN, ANSWERS_PER_TIMEOUT = 0.5, 4
"""An answer that comes too late is taken for a register that is not there, and changes what the device is."""


def identify(
    ports: Ports = None,
    settings: OfGateway = None,
    effort: Hard = "usual",
    formats: Formats = None,
    units: Units = "",
    direction: Turning = "auto",
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Add what is found to these settings; shows it first."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Scan, then say what each device is: its profile, how sure that is, and why. Reads only.

    certain: the device names itself and has every register of its document. likely: its registers fit as no
    other's do. cannot tell: other profiles fit as well. unknown: none fits. With --write the certain and the
    likely are added to the settings, the others as comments; what stands there already stays as it is.
    """
    from edge.commissioning.candidates import candidates
    from gengfu.finding import NotScannedError, profiles_of

    told, own = scanned(ports, settings or write, wanted(effort, formats, units, direction), quiet=as_json)
    known = candidates(profiles_of(settings or write))
    scans = [scan for scan in told if not isinstance(scan, NotScannedError)]
    placed = [each for scan in scans for each in _identified(scan, own, known, direction)]
    if as_json:
        print_json([_data(each) for each in placed])
    else:
        show(told)
        _show(placed)
    if write is not None:
        _write(write, placed, yes=yes, quiet=as_json)
    if not placed:
        raise typer.Exit(1)


def _identified(
    scan: "Scan", own: "Owner | None", known: "list[Candidate]", direction: "Direction"
) -> "list[Placed]":
    """Ask every device of a scan what it is: through the gateway where the port is its own."""
    from edge.commissioning.writing import Placed

    line = own.of(scan.port) if own else None
    if own and line:
        told = [
            _through_gateway(own, line.line, device.unit_id, _timeout_s(device)) for device in scan.devices
        ]
    else:
        told = asyncio.run(on_port(scan, known, direction))
    return [
        Placed(scan.port, device, each)
        for device, each in zip(scan.devices, told, strict=True)
        if each is not None
    ]


def _timeout_s(device: object) -> float:
    return max(TIMEOUT_S_MIN, ANSWERS_PER_TIMEOUT * float(getattr(device, "answer_s", 0.0)))


async def on_port(
    scan: "Scan", known: "list[Candidate]", direction: "Direction" = "auto"
) -> "list[Identified | None]":
    """Open the port in each format in which somebody was found, and ask."""
    from edge.commissioning.identifying import fingerprint
    from edge.commissioning.judging import judged
    from edge.drivers.probing import ASCII, RTU
    from edge.lines.port import SerialSettings
    from edge.lines.serial_port import SerialLine
    from edge.lines.timing import Timing

    told: dict[int, Identified] = {}
    spoken = dict.fromkeys((device.format, device.transmission_mode) for device in scan.devices)
    for entry, mode in spoken:
        framing = ASCII.framing if mode == "ascii" else RTU.framing
        timing = Timing.of(entry.baud, entry.parity, entry.stop_bits, data_bits=entry.data_bits)
        line = SerialLine(scan.port, SerialSettings(scan.port, *entry, direction), timing, framing)
        try:
            for index, device in enumerate(scan.devices):
                if (device.format, device.transmission_mode) == (entry, mode):
                    taken = await fingerprint(
                        line, device.unit_id, known, baud=entry.baud, timeout_s=_timeout_s(device)
                    )
                    told[index] = judged(taken, known)
        finally:
            await line.close()
    return [told.get(index) for index in range(len(scan.devices))]


def _through_gateway(own: "Owner", line: str, unit_id: int, timeout_s: float) -> "Identified | None":
    from edge.local import client
    from edge.local.words import DeviceTold, IdentifyUnit, Refused

    try:
        for news in client.streamed(own.folder, IdentifyUnit(line, unit_id, min(5.0, timeout_s))):
            if isinstance(news, DeviceTold):
                return news.identified
            if isinstance(news, Refused):
                typer.echo(news.text, err=True)
    except client.NoAnswerError as error:
        typer.echo(no_answer(error), err=True)
    return None


def _show(placed: "Sequence[Placed]") -> None:
    if not placed:
        return
    console = Console(highlight=False, markup=False, emoji=False)
    table = plain_table()
    for name in ("port", "unit", "sure", "what"):
        table.add_column(text(name), justify="right" if name == "unit" else "left", overflow="fold")
    for each in placed:
        told = each.identified
        names = [_name(ranked) for ranked in told.candidates]
        what = names[0] if told.verdict in ("certain", "likely") else " / ".join(names) or "-"
        table.add_row(each.port, str(told.unit_id), text(str(told.verdict)), f"{what}\n{_why(told)}")
    console.print(table)


def _name(ranked: "Ranked") -> str:
    return "+".join((ranked.profile, *ranked.shims))


def _why(told: "Identified") -> str:
    """Return why, and why it is no surer; the facts that are worth most first."""
    parts = [text(told.doubt)] if told.doubt else []
    if told.candidates:
        reasons = sorted(told.candidates[0].reasons, key=lambda reason: -abs(reason.bits))
        parts += [
            text(reason.kind).format(reason.detail)
            for reason in reasons[:REASONS_TOLD_MAX]
            if reason.kind != "as_documented"
        ]
    elif told.product:
        parts.append(text("names_itself").format(f"{told.vendor} {told.product}".strip()))
    return "; ".join(parts)


def _write(path: Path, placed: "Sequence[Placed]", *, yes: bool, quiet: bool) -> None:
    """Show what would change, check it, and put it in place if that is wanted."""
    from edge.commissioning.writing import CannotWriteError, changed, checked, put_in_place

    try:
        change = changed(path.read_text(encoding="utf-8"), placed)
    except FileNotFoundError:
        fail(f"{path}: there is no such file; begin with `gengfu edge example > {path}`")
    except CannotWriteError as error:
        fail(f"{path}: {error}")
    if change.after == change.before:
        typer.echo(text("no_change").format(path), err=quiet)
        return
    difference = difflib.unified_diff(
        change.before.splitlines(), change.after.splitlines(), str(path), str(path), lineterm="", n=2
    )
    typer.echo("\n".join(difference), err=quiet)
    if problems := checked(path, change.after):
        typer.echo(text("not_written").format(path), err=True)
        fail("\n".join(map(str, problems)))
    if not yes and not typer.confirm(text("write"), err=quiet):
        raise typer.Exit(1)
    try:
        put_in_place(path, change)
    except (CannotWriteError, OSError) as error:
        fail(f"{path}: {error}")
    if change.added:
        typer.echo(text("added").format(path, _places(change.added)), err=quiet)
    if change.left:
        typer.echo(text("left").format(_places(change.left)), err=quiet)
    if change.added:
        enrolled = tomllib.loads(change.after).get("identity", {}).get("centre")
        typer.echo(text("next_start" if enrolled else "next_enrol"), err=quiet)


def _places(of: "Sequence[Place]") -> str:
    told = (
        text("placed").format(each.name, each.profile, each.unit_id, each.line)
        if each.name
        else text("place").format(each.unit_id, each.line)
        for each in of
    )
    return said("; ", "、").join(told)


def _data(placed: "Placed") -> object:
    import msgspec

    return {
        "port": placed.port,
        "device": msgspec.to_builtins(placed.device),
        "identified": msgspec.to_builtins(placed.identified),
    }


def add_to(app: typer.Typer) -> None:
    """Add the command to a group."""
    app.command("identify", short_help="Say what the devices on serial lines are; write the settings.")(
        identify
    )
