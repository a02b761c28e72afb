"""``gengfu relay``: passes messages of a centre without internet on, from the zone that has it."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import tzinfo

    from collector.telling.channels_file import Channels
    from collector.telling.relay import RelaySettings

app = typer.Typer(help="A relay for centres whose network has no internet.", no_args_is_help=True)

SettingsFile = Annotated[Path, typer.Argument(metavar="FILE", help="The relay's settings file.")]


@app.command(short_help="Make the key that centre and relay share.")
def key(file: Annotated[Path, typer.Argument(metavar="FILE", help="Where it is written.")]) -> None:
    """Make the key that centre and relay share, readable by you only; copy it to the other side safely."""
    from collector.telling.relay import new_key

    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        typer.echo(f"{file}: cannot be made: {reason}; name a file that is not there yet", err=True)
        raise typer.Exit(1) from error
    with os.fdopen(descriptor, "w") as opened:
        os.fchmod(descriptor, 0o600)  # whatever the umask is
        opened.write(new_key() + "\n")
    typer.echo(f"{file}: made; the centre's channels file and the relay's settings name it as key_file")


@app.command(short_help="Check a relay's settings and what they name.")
def check(file: SettingsFile) -> None:
    """Check a relay's settings and what they name; every mistake is told with file, line, key and remedy."""
    _, _, channels, _ = _loaded(file)
    typer.echo(f"{file}: sound ({', '.join(sorted(channels.names))})")


@app.command(short_help="Run a relay until it is told to stop.")
def run(file: SettingsFile) -> None:
    """Run a relay until SIGTERM or Ctrl-C; one JSON line tells its URL when it is ready."""
    settings, shared, channels, keys = _loaded(file)
    asyncio.run(_serve(settings, shared, channels, keys))


def _loaded(file: Path) -> "tuple[RelaySettings, bytes, Channels, dict[str, bytes]]":
    from collector.telling.channels_file import load_channels, read_key
    from collector.telling.files import unknown_to_apprise
    from collector.telling.relay import RelaySettings
    from toml_files import TomlFile, TomlFileError

    settings = TomlFile.read(file).parse(RelaySettings)
    channels, keys = load_channels(file.parent / settings.channels_file)
    if problems := unknown_to_apprise(file.parent / settings.channels_file, channels):
        raise TomlFileError(problems)
    return settings, read_key(file.parent / settings.key_file), channels, keys


async def _serve(
    settings: "RelaySettings", shared: bytes, channels: "Channels", keys: dict[str, bytes]
) -> None:
    import uvicorn

    from collector.telling.relay import Relay, relay_application
    from collector.telling.senders import Senders

    def now_ms() -> int:
        return time.time_ns() // 1_000_000

    zone = time_zone()
    async with Senders(threads_max=settings.concurrency_max, now_ms=now_ms, zone=zone) as senders:
        relay = Relay(
            shared,
            senders.made(channels, keys),
            waiting_max=settings.waiting_max,
            concurrency_max=settings.concurrency_max,
            now_ms=now_ms,
        )
        config = uvicorn.Config(
            relay_application(relay),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
        )
        server = uvicorn.Server(config)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        task = asyncio.create_task(server.serve())
        while not server.started and not task.done():
            await asyncio.sleep(0.02)
        if server.started:
            port = server.servers[0].sockets[0].getsockname()[1]
            typer.echo(json.dumps({"url": f"http://{settings.host}:{port}"}))
        await task


def time_zone() -> "tzinfo":
    """Return this machine's, for SMS gateways that want local time."""
    from datetime import UTC, datetime

    return datetime.now().astimezone().tzinfo or UTC
