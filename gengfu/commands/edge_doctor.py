"""``gengfu edge doctor``: what is wrong with a line, by what its bytes show."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from gengfu.commands.edge_socket import AsJson, no_answer
from gengfu.finding_words import CAUSES, SYMPTOMS, pick, text
from gengfu.options import fail
from gengfu.terminal import print_json

if TYPE_CHECKING:
    from device_profiles.schema import Profile
    from edge.commissioning.causes import Likely
    from edge.local.words import Examined
    from edge.settings import SerialLine, Settings
    from gengfu.finding import Owner

CAUSES_TOLD = 3


def doctor(
    settings: Annotated[Path, typer.Argument(metavar="FILE", help="The gateway's settings file.")],
    line: Annotated[str, typer.Option("--line", metavar="NAME", help="Only this line.")] = "",
    times: Annotated[
        int, typer.Option("--times", metavar="N", min=1, max=100, help="Ask each device so often.")
    ] = 12,
    as_json: AsJson = False,
) -> None:
    """Examine the serial lines of a gateway: likely causes of what goes wrong, and what to try next.

    It only reads. Each line is listened to, its devices are asked again and again, and those that are silent
    are looked for in other formats and at other units. A running gateway does it between its own questions.
    """
    from edge import checks
    from edge.settings import SerialLine
    from gengfu.finding import NotScannedError, owner

    loaded, profiles = checks.load(settings)
    lines = [entry for entry in loaded.lines if isinstance(entry, SerialLine) and line in ("", entry.name)]
    if not lines:
        fail(text("no_serial_lines").format(settings))
    try:
        own = owner(settings)
    except NotScannedError as error:
        fail(str(error))
    told = [_examined(own, loaded, profiles, entry, times) for entry in lines]
    if as_json:
        import msgspec

        print_json([msgspec.to_builtins(each) for each in told])
    else:
        console = Console(highlight=False, markup=False, emoji=False)
        for each in told:
            for row in _rows(each):
                console.print(row, soft_wrap=True)
    if any(each.diagnosis.causes for each in told):
        raise typer.Exit(1)


def _examined(
    own: "Owner | None", loaded: "Settings", profiles: "dict[str, Profile]", entry: "SerialLine", times: int
) -> "Examined":
    """Let the gateway do it if it runs, else do it on the port."""
    if own is not None:
        return _through_gateway(own, entry.name, times)
    from edge.commissioning.causes import diagnosed
    from edge.commissioning.doctoring import Expected, examined
    from edge.commissioning.symptoms import Evidence, symptoms
    from edge.lines.formats import Format
    from edge.lines.port import SerialSettings, opened
    from edge.lines.ports import lowered_latency_ms
    from edge.local.words import Examined

    spoken = Format(entry.baud, entry.parity, entry.stop_bits, entry.data_bits)
    devices = [
        Expected(device.name, device.unit_id, profiles[device.name], device.timeout_s)
        for device in loaded.devices
        if device.line == entry.name
    ]
    try:
        with opened(SerialSettings(entry.port, *spoken, direction=entry.direction)) as port:
            evidence = examined(
                port,
                spoken,
                entry.transmission_mode,
                devices,
                clock_s=time.monotonic,
                latency_ms=lowered_latency_ms(entry.port),
                times=times,
            )
    except OSError as error:
        evidence = Evidence(spoken, entry.transmission_mode, port_error=str(error))
    shown = symptoms(evidence)
    return Examined(entry.name, shown, diagnosed(shown))


def _through_gateway(own: "Owner", line: str, times: int) -> "Examined":
    from edge.local import client
    from edge.local.words import Examine, Examined, Refused

    why = text("stopped_early").format(line)
    try:
        for news in client.streamed(own.folder, Examine(line, times)):
            if isinstance(news, Examined):
                return news
            if isinstance(news, Refused):
                why = news.text
    except client.NoAnswerError as error:
        why = no_answer(error)
    return fail(why)


def _rows(told: "Examined") -> Iterator[str]:
    diagnosis = told.diagnosis
    if not diagnosis.causes:
        yield text("well").format(told.line)
        return
    yield text("likely_causes" if diagnosis.clear else "cannot_tell").format(told.line)
    for number, each in enumerate(diagnosis.causes[:CAUSES_TOLD], start=1):
        cause, remedy = (pick(texts) for texts in CAUSES[each.cause])
        units = f" ({text('units').format(', '.join(map(str, each.units)))})" if each.units else ""
        yield f"{number}. {cause}{units}"
        yield f"   {text('because').format(_because(each))}"
        yield f"   {text('try').format(remedy)}"


def _because(each: "Likely") -> str:
    seen = dict.fromkeys(pick(SYMPTOMS[symptom.kind]).format(symptom.detail) for symptom in each.because)
    return "; ".join(seen)


def add_to(app: typer.Typer) -> None:
    """Add the command to a group."""
    app.command("doctor", short_help="Say what is likely wrong with a line, and what to try.")(doctor)
