"""``gengfu collector``: the centre of a district."""

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from gengfu.importing import importing
from gengfu.service_manager import service_manager
from gengfu.words import counted

if TYPE_CHECKING:
    from collector.backup import Progress
    from collector.settings import Loaded

app = typer.Typer(help="The centre: set it up, check, run and back it up.", no_args_is_help=True)

EXTRA = "this command needs the collector: pip install gengfu[collector]"
PACKAGES = (
    "aiomqtt",
    "alembic",
    "argon2",
    "fastapi",
    "httpx",
    "joserfc",
    "paho",
    "prometheus_client",
    "psycopg",
    "sqlalchemy",
    "uvicorn",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command(short_help="Run the centre until it is told to stop.")
def run(
    settings: Annotated[Path, typer.Option(metavar="FILE", help="The centre's settings file.")],
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every event.")] = False,
) -> None:
    """Run the centre until SIGTERM or Ctrl-C; one JSON line tells its URL when it is ready."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    with importing():
        from collector.settings import load

    loaded = load(settings)
    with told_plainly():
        asyncio.run(_serve(loaded))


@app.command(short_help="Check a settings file and what it names, or the data.")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A settings file.")],
    data: Annotated[
        bool, typer.Option("--data", help="Check the data folder, too; the centre may run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a settings file and what it names; every mistake is told with file, line, key and remedy.

    With --data every batch and every block in the data folder is read. That takes a while.
    """
    from collector.parts import seeding
    from collector.settings import load
    from toml_files import TomlFileError

    try:
        loaded = load(file)
        listed = loaded.parts_file and seeding.check(loaded.parts_file, loaded.settings.parts)
    except TomlFileError as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"good": False, "problems": [vars(problem) for problem in error.problems]}))
        raise typer.Exit(1) from error
    if data:
        _check_data(loaded, as_json=as_json)
        return
    classes, profiles = len(loaded.settings.case_classes), len(loaded.profiles)
    parts = listed.rows if listed else 0
    if as_json:
        figures = {"case_classes": classes, "parts": parts, "profiles": profiles}
        typer.echo(json.dumps({"good": True, "problems": [], **figures}))
    else:
        counts = (classes, "case class"), (parts, "part"), (profiles, "profile")
        told = ", ".join(counted(count, noun) for count, noun in counts)
        Console(soft_wrap=True, highlight=False, markup=False).print(f"{file}: sound ({told})")


def _check_data(loaded: "Loaded", *, as_json: bool) -> None:
    """Print what was looked at and what was found; exit code 1 where something was."""
    from rich.table import Table

    with told_plainly():
        from collector import checking

        with _bars(as_json) as (_, progress):
            report = checking.check(loaded.data_folder, progress, state_elsewhere=loaded.state is not None)
    if as_json:
        typer.echo(json.dumps({"good": not report.findings, **asdict(report)}))
    else:
        table = Table("looked at", "count", box=None, pad_edge=False, header_style="bold")
        table.columns[1].justify = "right"
        for name, count in report.looked_at.items():
            table.add_row(name, str(count))
        if report.looked_at:
            Console().print(table)
        for finding in report.findings:
            _say(f"{finding.where}: {finding.what}; {finding.remedy}")
        if report.more:
            _say(f"and {report.more} more")
        if not report.findings:
            _say(f"{loaded.data_folder}: sound")
        if loaded.state:
            _say(f"{loaded.state.shown}: not looked at; use pg_amcheck (docs/how-to/postgresql.md)")
    if report.findings:
        raise typer.Exit(1)


@app.command(short_help="Write commented settings, or make the signing key.")
def init(
    place: Annotated[
        Path,
        typer.Argument(metavar="FOLDER|FILE", help="A folder, made if it is not there, or a settings file."),
    ],
    district: Annotated[str, typer.Option(metavar="NAME", help="The district; with --host.")] = "",
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST", help="How gateways reach centre and broker; repeatable. Makes their authority."
        ),
    ] = None,
) -> None:
    """Write a commented settings file and an empty part register into FOLDER, and make the signing key.

    With --district and --host also the authority that gives gateways their identity, the certificates of
    centre and broker, and the broker's configuration. With FILE, a settings file, only the key is made, in
    the data folder. Nothing is overwritten.
    The key signs what gateways are to hold; its public line is for their settings.
    """
    if bool(district) != bool(host):
        _fail("--district and --host belong together; give both, or none")
    if host:
        if place.suffix == ".toml" or place.is_file():
            _fail(f"{place}: --host needs a new folder")
        _set_up(place, district, host)
        return
    if place.suffix == ".toml" or place.is_file():
        from collector.settings import load

        _make_key(load(place).data_folder)
        return
    from collector.parts.checking import PARTS_HEADER
    from collector.settings import EXAMPLE, load
    from owned_files import as_owner

    files = {"collector.toml": EXAMPLE.read_text(), "parts.csv": PARTS_HEADER + "\n"}
    try:
        with as_owner(place):
            place.mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                with (place / name).open("x") as file:
                    file.write(text)
    except FileExistsError as error:
        _fail(f"{error.filename or place}: is there already; name another folder, or remove it")
    except OSError as error:
        _fail(f"{place}: cannot be written: {(error.strerror or str(error)).lower()}; check its permissions")
    shown = place / "collector.toml"
    _say(f"{shown} and {place / 'parts.csv'} written")
    _make_key(load(shown).data_folder)
    _say(
        f"next: edit them, then  gengfu collector check {shown}  and  gengfu collector run --settings {shown}"
    )


def _set_up(place: Path, district: str, hosts: list[str]) -> None:
    """Write everything that a centre with a broker of its own needs."""
    import getpass

    from contract.names import checked_name

    checked_name(district, "district")
    with told_plainly():
        from collector.enrolment import host_names, setting_up
        from collector.parts.checking import PARTS_HEADER
        from collector.service import World
        from collector.settings import EXAMPLE, load

    world = World.real()
    try:
        site = setting_up.Site(district, tuple(map(host_names.checked, hosts)), getpass.getuser())
        made = setting_up.files(
            place, site, now_ms=world.now_ms(), new_serial=lambda: world.random.getrandbits(158) + 1
        )
        made["parts.csv"] = f"{PARTS_HEADER}\n".encode(), 0o644
        made["collector.toml"] = setting_up.settings(EXAMPLE.read_text(), site).encode(), 0o644
        setting_up.write(place, made)
    except (setting_up.SettingUpError, ValueError) as error:
        _fail(str(error))
    loaded = load(place / "collector.toml")
    assert loaded.enrolment  # noqa: S101 - it was written just now
    for name in sorted(made):
        _say(f"{place / name} written")
    _make_key(loaded.data_folder)
    _say(f"{place / 'ca/ca_key.pem'} makes identities: keep a copy in a safe place, and let nobody see it")
    _say(f"fingerprint of the authority (SHA-256): {loaded.enrolment.authority.fingerprint}")
    _say(
        f"next: mosquitto -c {place / 'broker/mosquitto.conf'}  and  gengfu collector run --settings "
        f"{place / 'collector.toml'} ; then  gengfu gateways code GATEWAY --for 2h"
    )


def _make_key(folder: Path) -> None:
    """Make the signing key and tell its public half."""
    from collector import key_file

    try:
        key = key_file.make(folder)
    except key_file.KeyFileError as error:
        _fail(str(error))
    _say(f"{folder / key_file.FILE_NAME} made; no backup holds it: keep a copy in a safe place")
    _say(f'for the settings of every gateway:\n[centre]\npublic_keys = ["{key.public.line}"]')


@app.command(short_help="Copy the databases, while the centre runs or not.")
def backup(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for the backup.")],
    settings: Annotated[Path, typer.Option(metavar="FILE", help="The centre's settings file.")],
    as_json: AsJson = False,
) -> None:
    """Copy journal, state and series as they are at one moment; the centre may go on working."""
    from collector import backup as backups
    from collector.settings import load

    loaded = load(settings)
    if loaded.state:
        _fail(backups.IN_POSTGRESQL)
    with _backed_up(as_json) as progress:
        manifest = backups.take(
            loaded.data_folder,
            target,
            district=loaded.settings.district,
            now_ms=time.time_ns() // 1_000_000,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(manifest)))
        return
    size = sum(file.bytes for file in manifest.files.values())
    _say(f"{target}: {manifest.last_id} journal entries, {size / 1024**2:.1f} MiB")


@app.command(short_help="Put a backup back in place of the databases.")
def restore(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="A backup.")],
    settings: Annotated[Path, typer.Option(metavar="FILE", help="The centre's settings file.")],
    replace: Annotated[bool, typer.Option("--replace", help="Move databases that are there aside.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup back; the centre must not run. What gateways delivered since then is told as gaps."""
    from collector import backup as backups
    from collector.settings import load

    loaded = load(settings)
    if loaded.state:
        _fail(backups.IN_POSTGRESQL)
    with _backed_up(as_json) as progress:
        manifest, aside = backups.put_back(
            source,
            loaded.data_folder,
            district=loaded.settings.district,
            replace=replace,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps({"replaced": str(aside or ""), **msgspec.to_builtins(manifest)}))
        return
    _say(f"{loaded.data_folder}: as it was at {_utc(manifest.taken_ms)}, {manifest.last_id} journal entries")
    if aside:
        _say(f"what was there is in {aside}")
    _say("what gateways were acknowledged since then is gone; they will name it, and it is recorded as gaps")


@app.command(short_help="Decode again what an older version could not.")
def redo(
    settings: Annotated[Path, typer.Option(metavar="FILE", help="The centre's settings file.")],
    as_json: AsJson = False,
) -> None:
    """Decode journalled batches again that could not be decoded, after an upgrade; the centre must not run.

    Samples go where they belong; alarms found so late notify nobody, and make a case only if still active.
    """
    from collector.settings import load

    loaded = load(settings)
    with told_plainly():
        from collector.service import World
        from collector.service import redo as again

        done = asyncio.run(again(loaded, World.real()))
    if as_json:
        typer.echo(json.dumps({name: asdict(told) for name, told in done.items()}))
        return
    for name, told in done.items():
        _say(
            f"{name}: batches decoded {told.decoded}, still undecodable {told.undecodable}, "
            f"no longer in the journal {told.gone}"
        )


@contextmanager
def _backed_up(as_json: bool) -> Iterator["Progress"]:
    """Show progress on a terminal; turn what is in the way into one sentence and exit code 1."""
    with told_plainly():
        from collector.backup import BackupError

        with _bars(as_json) as (bars, progress):
            try:
                yield progress
            except BackupError as error:
                bars.stop()
                _fail(str(error))


@contextmanager
def _bars(as_json: bool) -> Iterator[tuple[Bars, "Progress"]]:
    """Show progress on a terminal."""
    console = Console(stderr=True)
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        console=console,
        disable=as_json or not console.is_terminal,
        transient=True,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total)

        yield bars, progress


def _utc(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _say(sentence: str) -> None:
    Console(soft_wrap=True, highlight=False, markup=False).print(sentence)


async def _serve(loaded: "Loaded") -> None:
    with importing():
        from collector.service import World, running

    stop, manager = asyncio.Event(), service_manager()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(loaded, World.real()) as collector:
        enrolment = {"enrolment_url": collector.enrolment.url} if collector.enrolment.url else {}
        typer.echo(json.dumps({"url": collector.url, **enrolment}))
        sys.stdout.flush()
        watching = asyncio.create_task(manager.watch(collector.pulse.stuck))
        manager.ready()
        await stop.wait()
        manager.stopping()
        watching.cancel()


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn a missing extra, and what keeps the centre from starting, into one sentence and exit code 1."""
    try:
        from collector.service import CollectorError
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in PACKAGES:
            raise
        _fail(EXTRA)
    try:
        yield
    except CollectorError as error:
        _fail(str(error))


def _fail(sentence: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(sentence)
    raise typer.Exit(1)
