"""The wiring of the real gateway: ports, threads, clocks, randomness and signals stand here only."""

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import random
import signal
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from device_profiles.schema import Profile
from edge import checks
from edge.buffer.keeper import OnThread
from edge.buffer.store import Buffer, BufferUnusableError
from edge.clock import SystemClock
from edge.gateway import Gateway
from edge.lines.line import Line
from edge.lines.machine import Timing
from edge.lines.serial_port import SerialLine, SerialSettings
from edge.lines.tcp import TcpLine
from edge.recorder import Recorder
from edge.settings import SerialLine as SerialLineSettings
from edge.settings import Settings
from edge.settings import TcpLine as TcpLineSettings
from edge.uplink.mqtt import Uplink
from edge.uplink.session import Limits, Session

_log = logging.getLogger(__name__)


def fresh_id() -> str:
    """Return 128 random bits in hexadecimal."""
    return os.urandom(16).hex()


def serve(settings_file: Path, *, delete_on_puback: bool = False, ready: Callable[[], None]) -> None:
    """Run a gateway until SIGTERM or SIGINT; TomlFileError and BufferUnusableError say why it cannot.

    ``ready`` is called once lines, buffer and uplink are at work. ``delete_on_puback`` is for showing what
    is lost that way, never for service.
    """
    settings, profiles = checks.load(settings_file)
    state = settings_file.parent / settings.state_folder
    lock = _locked(state)
    _log.info(
        "gateway %s of district %s: %d lines, %d devices, %d alarms, %d controls; broker %s:%d; state in %s",
        settings.gateway,
        settings.district,
        len(settings.lines),
        len(settings.devices),
        len(settings.alarms),
        len(settings.controls),
        settings.broker.host,
        settings.broker.port,
        state,
    )
    buffer = Buffer(state / "buffer.db", settings.district, settings.gateway, fresh_id(), fresh_id)
    try:
        asyncio.run(_serve(settings, profiles, buffer, delete_on_puback=delete_on_puback, ready=ready))
    finally:
        os.close(lock)


def _locked(folder: Path) -> int:
    """Return a descriptor that holds the folder's lock: two gateways on one buffer would tear it apart."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BufferUnusableError(
            f"{folder}: cannot be used: {reason}; name another state_folder, or mend its permissions"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise BufferUnusableError(
            f"{folder} is in use by another gateway; stop that one, or give this one its own state_folder"
        ) from error
    return lock


async def _serve(
    settings: Settings,
    profiles: dict[str, Profile],
    buffer: Buffer,
    *,
    delete_on_puback: bool,
    ready: Callable[[], None],
) -> None:
    clock, keeper = SystemClock(), OnThread()
    gateway = Gateway(settings, profiles, _lines(settings), clock, fresh_id)
    randomness = random.Random()  # noqa: S311 - spreads retries, guards nothing
    [held] = await keeper.run(buffer.ranges)
    kept = settings.buffer
    limits = Limits(
        kept.window_batches_max,
        kept.window_bytes_max,
        kept.acknowledge_timeout_s,
        kept.acknowledge_timeout_max_s,
    )
    uplink = Uplink(
        settings.broker,
        Session(held.epoch, held.lanes, limits, randomness),
        buffer,
        keeper,
        clock,
        randomness,
        software=_software(),
        devices=settings.inventory,
        delete_on_puback=delete_on_puback,
    )
    recorder = Recorder(
        buffer,
        keeper,
        clock,
        flush_interval_s=kept.flush_interval_s,
        samples_per_batch_max=kept.samples_per_batch_max,
        bytes_max=kept.bytes_max,
        remembered=gateway.engine.remembered,
        on_stored=uplink.stored,
    )
    gateway.attach(recorder, buffer)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, gateway.stop)
    background = [asyncio.create_task(uplink.run()), asyncio.create_task(recorder.run())]
    for task in background:
        task.add_done_callback(lambda _: gateway.stop())  # neither ends but by an error of ours
    ready()
    gc.collect()
    gc.freeze()  # what stands now stays: collecting garbage need not look through it each time
    try:
        await gateway.run()
    finally:
        await recorder.flush()
        await _drained(uplink, kept.stop_drain_s)
        for task in background:
            task.cancel()
        ended = await asyncio.gather(*background, return_exceptions=True)
        await recorder.flush()
        await keeper.run(buffer.close)
        await keeper.close()
    for failure in ended:
        if isinstance(failure, Exception):
            raise failure


async def _drained(uplink: Uplink, limit_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while not uplink.drained:
                await asyncio.sleep(0.05)


def _lines(settings: Settings) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for entry in settings.lines:
        match entry:
            case SerialLineSettings():
                timing = Timing.of(
                    entry.baud,
                    entry.parity,
                    entry.stop_bits,
                    turnaround_s=entry.turnaround_s,
                    late_answer_s=entry.late_answer_s,
                )
                port = SerialSettings(entry.port, entry.baud, entry.parity, entry.stop_bits)
                lines[entry.name] = SerialLine(entry.name, port, timing)
            case TcpLineSettings():
                lines[entry.name] = TcpLine(entry.name, entry.host, entry.port, entry.connect_timeout_s)
    return lines


def _software() -> str:
    try:
        return f"gengfu {version('gengfu')}"
    except PackageNotFoundError:
        return "gengfu"
