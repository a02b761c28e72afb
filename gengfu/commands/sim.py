"""``gengfu sim``: cabinets on real ptys and ports, a city platform that misbehaves, a real broker."""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gengfu.language import language
from gengfu.stop import Stop
from gengfu.terminal import print_json

app = typer.Typer(help="Simulators: cabinets, a broker, a city platform.", no_args_is_help=True)

EXTRA = "this command needs the simulators: pip install gengfu[simulators]"
BROKER_LOOK_INTERVAL_S = 0.2
FAULTS = {
    "timeout": "timeout",
    "timeout-lost": "timeout_lost",
    "500": "error_500",
    "500-kept": "error_500_kept",
    "429": "error_429",
    "429-bare": "error_429_bare",
    "garbage": "garbage",
    "half": "half_body",
    "drip": "drip",
    "redirect": "redirect",
    "conflict": "conflict",
}

CALLBACK_FAULTS = {name: name for name in ("lost", "repeated", "reordered")}

Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same noise and faults.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command("list")
def list_cabinets(as_json: AsJson = False) -> None:
    """List the cabinets that come with the product."""
    with _told_plainly():
        from simulators import cabinet_file

        plans = [cabinet_file.load(name) for name in cabinet_file.shipped()]
    stories_s = [max((entry.at_s for entry in plan.file.story), default=0) for plan in plans]
    if as_json:
        rows = [
            {
                "name": plan.name,
                "title": plan.file.title.model_dump(),
                "lines": [{"name": line.name, "kind": line.kind} for line in plan.file.lines],
                "devices": [device.name for device in plan.file.devices],
                "story_s": story_s,
            }
            for plan, story_s in zip(plans, stories_s, strict=True)
        ]
        print_json(rows)
        return
    titles = language(os.environ)
    table = Table("cabinet", "title", "lines", "devices", "story", box=None)
    for plan, story_s in zip(plans, stories_s, strict=True):
        lines = ", ".join(f"{line.name} ({line.kind})" for line in plan.file.lines)
        devices = ", ".join(device.name for device in plan.file.devices)
        table.add_row(plan.name, getattr(plan.file.title, titles), lines, devices, f"{story_s:g} s")
    Console().print(table)


@app.command()
def run(
    cabinet: Annotated[str, typer.Argument(help="A cabinet file, or the name of a shipped cabinet.")],
    *,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where links to the serial ports appear; without it, a temporary folder."),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="A JSON-lines file of everything the devices serve; its folder must exist."),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="A JSON file of all values and outputs, renewed twice a second.")
    ] = None,
    seed: Seed = 0,
    for_s: Annotated[float | None, typer.Option("--for", min=0, help="End after so many seconds.")] = None,
) -> None:
    """Run a cabinet until SIGTERM or Ctrl-C; one JSON line tells when it is ready, and where."""
    stop = Stop()
    failures: list[Exception] = []

    def failed(error: Exception) -> None:
        failures.append(error)
        stop.set()

    with _told_plainly(), _folder(folder) as links:
        from simulators import cabinet_file
        from simulators.running import RunningCabinet

        running = RunningCabinet(
            cabinet_file.load(cabinet),
            links,
            now_ms=_now_ms,
            seed=seed,
            ledger=ledger,
            truth=truth,
            on_failure=failed,
        )
        with running:
            ready = {"cabinet": running.plan.name, "folder": str(links), "lines": running.lines}
            typer.echo(json.dumps(ready))
            sys.stdout.flush()
            stop.wait(for_s)
        if failures:
            raise failures[0]


@app.command()
def platform(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(help=f"NAME=PROBABILITY; names: {', '.join(FAULTS)}. May be repeated."),
    ] = None,
    seed: Seed = 0,
    has_key: Annotated[bool, typer.Option("--key/--no-key", help="Whether it knows a repetition.")] = True,
    look_up: Annotated[
        bool, typer.Option("--look-up", help="It can be asked whether it has a case.")
    ] = False,
    hang_s: Annotated[float, typer.Option(min=0, max=300, help="How long it hangs or drips.")] = 30.0,
    stage_s: Annotated[
        float | None, typer.Option(min=0.01, help="Its cases have another stage after so long each.")
    ] = None,
    last: Annotated[str, typer.Option(help="The last stage of its cases.")] = "closed",
    callback: Annotated[str, typer.Option(help="A URL that it tells of stages, signed.")] = "",
    callback_secret: Annotated[
        Path | None, typer.Option(help="A file with what it signs callbacks with.")
    ] = None,
    callback_fault: Annotated[
        list[str] | None, typer.Option(help="NAME=PROBABILITY; names: lost, repeated, reordered.")
    ] = None,
) -> None:
    """Run a city platform until SIGTERM or Ctrl-C; one JSON line tells its URL."""
    stop = Stop()
    chances = _chances(fault or [], FAULTS, "--fault")
    told = _chances(callback_fault or [], CALLBACK_FAULTS, "--callback-fault")
    with _told_plainly():
        from simulators.city_callbacks import STAGES, Telling
        from simulators.city_platform import Abilities, CasePlatform, Faults, PlatformServer

        if last not in STAGES:
            raise typer.BadParameter(f"{last!r}: one of {', '.join(STAGES)}", param_hint="--last")
        try:
            faults = Faults(**chances)
            secret = callback_secret.read_text().strip() if callback_secret else ""
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--fault") from error
        except OSError as error:
            raise typer.BadParameter(str(error), param_hint="--callback-secret") from error
        telling = Telling(callback, secret, stage_s, last, **told) if stage_s else None
        platform = CasePlatform(
            faults,
            seed=seed,
            now_ms=_now_ms,
            hang_s=hang_s,
            abilities=Abilities(has_key, look_up),
            telling=telling,
        )
        with PlatformServer(platform, port) as server:
            typer.echo(json.dumps({"url": server.url}))
            sys.stdout.flush()
            stop.wait()


@app.command()
def broker(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one.")] = 0,
    folder: Annotated[
        Path | None,
        typer.Option(help="Its configuration, log and queues, kept; without it, a temporary folder."),
    ] = None,
) -> None:
    """Run mosquitto on the loopback interface until SIGTERM or Ctrl-C; one JSON line tells where.

    Anybody on this machine may use it without a password: it is for trials, not for service.
    """
    stop = Stop()
    with _told_plainly(), _folder(folder) as place:
        from simulators.mosquitto import BrokerError, Mosquitto
        from simulators.servers import HOST

        mosquitto = Mosquitto(place, port or None)
        try:
            mosquitto.start()
            typer.echo(json.dumps({"host": HOST, "port": mosquitto.port}))
            sys.stdout.flush()
            while not stop.wait(BROKER_LOOK_INTERVAL_S):
                if mosquitto.pid is None:
                    raise BrokerError(f"mosquitto ended by itself; it said: {mosquitto.last_words()}")
        finally:
            mosquitto.stop()


def _chances(faults: list[str], known: dict[str, str], option: str) -> dict[str, float]:
    chances: dict[str, float] = {}
    for text in faults:
        name, _, number = text.partition("=")
        try:
            chances[known[name]] = float(number)
        except (KeyError, ValueError) as error:
            names = ", ".join(known)
            raise typer.BadParameter(
                f"{text!r}: write NAME=PROBABILITY, for example timeout=0.2; names are {names}",
                param_hint=option,
            ) from error
    return chances


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn a missing extra, and what is in a simulator's way, into one sentence and exit code 1."""
    from simulators.errors import SimulatorError

    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pymodbus", "serial", "fastapi", "uvicorn", "httpx"):
            raise
        _fail(EXTRA)
    except SimulatorError as error:
        _fail(str(error))


def _fail(sentence: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(sentence)
    raise typer.Exit(1)


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given:
        yield given.absolute()
        return
    made = Path(tempfile.mkdtemp(prefix="gengfu-sim-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
