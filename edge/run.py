"""The wiring of the real gateway: ports, threads, clocks, randomness and signals stand here only."""

import asyncio
import contextlib
import gc
import logging
import os
import random
import signal
import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from contract.desired import DesiredKind
from contract.events import ClockStepped, DesiredReport
from contract.samples import ClockState
from contract.signing import KeyRing
from device_profiles.catalogue import load_all
from device_profiles.schema import Profile
from edge import kernel_time, known_time, link_report, state_folder
from edge.asking import Asking
from edge.buffer.keeper import OnThread
from edge.buffer.store import NOTHING_HELD, Buffer
from edge.clock import Step, SystemClock, Timeline, wall_is_credible
from edge.configuration import choosing
from edge.configuration.choosing import Chosen, Ended
from edge.configuration.desk import ConfigurationDesk, Seen
from edge.controls import lock_file
from edge.controls.lock_file import KeepingLocks
from edge.desired.documents import Documents
from edge.desired.judging import Verifier, of_body
from edge.desired.shelf import Shelf
from edge.following import Following
from edge.gateway import Gateway
from edge.identity import folder as identity_folder
from edge.identity import link_tls
from edge.identity.folder import IdentityFolder
from edge.identity.renewal import Knowing, Renewing
from edge.keeping_time import KeepingTime
from edge.lamps.night_file import KeepingNights
from edge.lines import from_settings
from edge.local.commissioning import Commissioning
from edge.local.points import Points
from edge.local.watching import Watching
from edge.progress import Standing
from edge.recorder import Recorder
from edge.report_renewal import Renewal
from edge.settings import Buffer as BufferSettings
from edge.settings import Settings
from edge.uplink.budget import Plan
from edge.uplink.mqtt import Uplink
from edge.uplink.session import Limits, Session

_log = logging.getLogger(__name__)

OPEN_PATIENCE_S = 10.0
"""A large buffer takes a while to be checked; what is measured meanwhile waits in memory."""


Watch = Callable[[Standing], Coroutine[Any, Any, None]]
"""Runs beside the gateway, and may ask how it is doing."""


async def nobody_watches(_standing: Standing) -> None:
    """Do nothing."""


def _nothing() -> None:
    """Nobody wants to know, or knows already."""


@dataclass(frozen=True)
class _Supervision:
    """Who is told when the process is at work, watches each life of the gateway, and is told of its end."""

    ready: Callable[[], None]
    watch: Watch
    stopping: Callable[[], None]


def fresh_id() -> str:
    """Return 128 random bits in hexadecimal."""
    return os.urandom(16).hex()


def serve(
    settings_file: Path,
    *,
    delete_on_puback: bool = False,
    ready: Callable[[], None],
    watch: Watch = nobody_watches,
    stopping: Callable[[], None] = _nothing,
) -> None:
    """Run a gateway until SIGTERM or SIGINT; TomlFileError and BufferUnusableError say why it cannot.

    ``ready`` is called once lines, buffer and uplink are at work, ``stopping`` when that ends, and ``watch``
    runs between. ``delete_on_puback`` is for showing what is lost that way, never for service.
    """
    chosen = choosing.choose(settings_file)
    state = settings_file.parent / chosen.loaded.settings.state_folder
    lock = state_folder.locked(state)
    supervision = _Supervision(ready, watch, stopping)
    try:
        while True:
            before: list[Ended] = []
            try:
                end = _lived(chosen, settings_file, supervision, delete_on_puback=delete_on_puback)
                if end is _End.STOPPED:
                    return
            except _TrialFellError as fell:
                ended = choosing.given_up(settings_file, chosen, str(fell))
                if ended is None:
                    raise  # it is no trial any more: fall, and be started again
                before.append(ended)
            chosen = choosing.choose(settings_file, before)
            supervision = replace(supervision, ready=_nothing)
    finally:
        if lock is not None:
            os.close(lock)


class _End(Enum):
    """Why a life of the gateway has ended."""

    STOPPED = auto()
    ANEW = auto()  # other settings are to be put in force, or have failed


class _TrialFellError(Exception):
    """A gateway that ran with settings on trial has fallen."""


def _lived(chosen: Chosen, settings_file: Path, supervision: _Supervision, *, delete_on_puback: bool) -> _End:
    """Run with these settings; where a trial of them falls, it has failed."""
    settings = chosen.loaded.settings
    state = settings_file.parent / settings.state_folder
    _log.info(
        "gateway %s of %s; settings: %s; lines: %d, devices: %d, alarms: %d, controls: %d, lamps: %d; "
        "broker %s:%d; state in %s",
        settings.gateway,
        settings.district,
        chosen.origin(settings_file),
        len(settings.lines),
        len(settings.devices),
        len(settings.alarms),
        len(settings.controls),
        len(settings.lamps),
        settings.broker.host,
        settings.broker.port,
        state,
    )
    clock = _clock(settings, state)
    buffer = Buffer(
        state / "buffer.db",
        settings.district,
        settings.gateway,
        fresh_id(),
        fresh_id,
        lambda: clock.latest.wall_ms,
        offset_ms=lambda: clock.timeline.offset_ms,
        backfill_after_s=settings.buffer.backfill_after_s,
        ballast_bytes=settings.buffer.ballast_bytes,
        quarantined_files_max=settings.buffer.quarantined_files_max,
        open_now=False,
    )
    serving = _serve(chosen, settings_file, buffer, clock, supervision, delete_on_puback=delete_on_puback)
    try:
        return asyncio.run(serving)
    except Exception as error:
        if not chosen.on_trial:
            raise
        _log.exception("the settings on trial let the gateway fall")
        raise _TrialFellError(f"the gateway fell: {type(error).__name__}: {error}") from error


async def _serve(
    chosen: Chosen,
    settings_file: Path,
    buffer: Buffer,
    clock: SystemClock,
    supervision: _Supervision,
    *,
    delete_on_puback: bool,
) -> _End:
    settings, profiles = chosen.loaded
    keeper = OnThread()
    knowing = Knowing(lambda: clock.latest)
    gateway = Gateway(settings, profiles, from_settings.lines(settings), clock, fresh_id)
    randomness = random.Random()  # noqa: S311 - spreads retries, guards nothing
    kept = settings.buffer
    desired_keeper = OnThread("desired")  # a large document may take long to check
    asking = Asking(
        settings,
        buffer.path.parent,
        gateway,
        clock,
        fresh_id,
        lambda: recorder,
        _commissioning(settings, profiles, settings_file, gateway),
        Points(settings, profiles, gateway, clock, fresh_id),
        Watching(settings, profiles, gateway.latest, clock, lambda: reporting),
    )
    end = _Ending(gateway, supervision)
    configuration = ConfigurationDesk(
        chosen, settings_file, clock.now().s, lambda: _seen(gateway, uplink.heard_s), end.anew
    )
    documents = _documents(
        settings,
        Following(settings, gateway, asking.by_hand.periods, lambda: clock.now().wall_ms),
        configuration,
        buffer.path.parent,
        desired_keeper,
        clock,
        lambda report: recorder.event(report),  # noqa: PLW0108 - it is made below
    )
    uplink = Uplink(
        settings.broker,
        Session(
            NOTHING_HELD.epoch, NOTHING_HELD.lanes, _limits(kept), randomness
        ),  # it takes up the buffer itself
        buffer,
        keeper,
        clock,
        randomness,
        software=_software(),
        devices=settings.inventory,
        plan=Plan(
            settings.broker.monthly_bytes_max, settings.broker.monthly_burst_days, settings.utc_offset_min
        ),
        delete_on_puback=delete_on_puback,
        synchronise_wait_s=settings.clock.synchronise_wait_s,
        documents=documents,
        desk=asking.desk,
        tls=link_tls.of(settings, settings_file.parent, knowing),
    )
    recorder = Recorder(
        buffer,
        keeper,
        clock,
        flush_interval_s=kept.flush_interval_s,
        samples_per_batch_max=kept.samples_per_batch_max,
        bytes_max=kept.bytes_max,
        remembered=gateway.remembered,
        on_stored=uplink.stored,
        leaves_at_once=uplink.leaves_at_once,
        held_ms=(lambda: gateway.reporting.held_ms) if gateway.reporting else None,
    )
    gateway.attach(recorder, buffer)
    clock.timeline.on_step = lambda step: _tell_step(recorder, documents, step)
    gateway.on_measured = uplink.measured
    await _opened(recorder, buffer, keeper, clock)
    gateway.nights.plan_sequence = lambda: documents.in_force.get(DesiredKind.LAMP_PLAN, 0)
    kept_beside = (
        KeepingTime(buffer.path.parent, keeper, clock),
        KeepingNights(buffer.path.parent, keeper, gateway.nights),
        _locks(gateway, buffer.path.parent, keeper),
    )
    broker = f"{settings.broker.host}:{settings.broker.port}"
    link = link_report.Reporter(settings.gateway, broker, uplink, recorder, gateway.reporting)
    reporting = Renewal(gateway, settings.gateway, link, buffer, keeper, clock)
    end.heed_signals()
    background = [
        asyncio.create_task(uplink.run()),
        asyncio.create_task(recorder.run()),
        asyncio.create_task(reporting.run()),
        asyncio.create_task(documents.run()),
        *(asyncio.create_task(loop) for loop in asking.loops()),
        *_renewing(settings, settings_file.parent, knowing, uplink, clock, randomness),
        *(asyncio.create_task(each.run()) for each in kept_beside),
    ]
    for task in background:
        task.add_done_callback(lambda _: gateway.stop())  # none ends but by an error of ours
    end.begin(_standing(gateway, buffer, uplink))
    try:
        await gateway.run()
    finally:
        end.tell()
        documents.tell_all()
        await asking.desk.tell_all()
        await recorder.flush()
        await _drained(uplink, kept.stop_drain_s)
        for task in background:
            task.cancel()
        ended = await asyncio.gather(*background, return_exceptions=True)
        clean = await recorder.flush()
        if not clean:
            _log.error("the disk never took %d samples and %d events: they are lost", *recorder.waiting)
        await uplink.spending.keep()
        await reporting.renew(stopped=True)
        for each in kept_beside:
            await each.keep()
        await keeper.run(buffer.close, clean=clean)
        await keeper.close()
        await desired_keeper.close()
        await asking.close()
        end.over()
    _raise_first(ended)
    return end.how


def _raise_first(ended: Iterable[object]) -> None:
    """Raise what ended a task by an error of ours: fall, and be started again."""
    for failure in ended:
        if isinstance(failure, Exception):
            raise failure


def _renewing(
    settings: Settings,
    base: Path,
    knowing: Knowing,
    uplink: Uplink,
    clock: SystemClock,
    randomness: random.Random,
) -> Iterator[asyncio.Task[None]]:
    """Yield what renews the certificate, where the settings say by whom."""
    if not settings.identity.centre:
        return

    def down_s() -> float:
        since_s = uplink.down_since_s
        return 0.0 if since_s is None else clock.s() - since_s

    files = IdentityFolder(base / settings.state_folder / identity_folder.NAME)
    renewing = Renewing(settings, files, knowing, randomness, down_s=down_s)
    yield asyncio.create_task(renewing.run())


def _standing(gateway: Gateway, buffer: Buffer, uplink: Uplink) -> Standing:
    return Standing(
        gateway.stuck,
        lambda: buffer.is_open and gateway.every_line_asked and not gateway.stuck(),
        lambda: uplink.connected_since_ms is not None,
    )


class _Ending:
    """Lets the gateway end, for good or to begin anew; a signal has the last word. Tells its supervision."""

    def __init__(self, gateway: Gateway, supervision: _Supervision) -> None:
        self._gateway, self._supervision, self._signalled = gateway, supervision, False
        self.how = _End.STOPPED
        self._watching: asyncio.Task[None] | None = None

    def begin(self, standing: Standing) -> None:
        """It is at work, and watched until it is over."""
        self._watching = asyncio.create_task(self._supervision.watch(standing))
        self._supervision.ready()
        gc.collect()
        gc.freeze()  # what stands now stays: collecting garbage need not look through it each time

    def tell(self) -> None:
        """Tell of the end where it is the process's."""
        if self.how is _End.STOPPED:
            self._supervision.stopping()

    def over(self) -> None:
        """Nothing of it runs any more."""
        gc.unfreeze()
        if self._watching is not None:
            self._watching.cancel()

    def anew(self) -> None:
        if not self._signalled:
            self.how = _End.ANEW
        self._gateway.stop()

    def heed_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        self._signalled, self.how = True, _End.STOPPED
        self._gateway.stop()


def _seen(gateway: Gateway, heard_s: float | None) -> Seen:
    """Return who answers, and who cannot."""
    turns = [(poller, turn) for poller in gateway.pollers for turn in poller.schedule.turns.values()]
    answering = {t.device for poller, t in turns if poller.tallies[t.device].good and not t.unit.dead}
    unpowered = {t.device for _, t in turns if not t.powered}
    silent = {t.device for poller, t in turns if t.unit.dead or poller.tallies[t.device].no_line}
    all_asked = len(answering | unpowered | silent) == len(turns)
    return Seen(heard_s, frozenset(answering), frozenset(unpowered), all_asked)


def _commissioning(
    settings: Settings, profiles: dict[str, Profile], settings_file: Path, gateway: Gateway
) -> Commissioning:
    folders = [settings_file.parent / folder for folder in settings.profile_folders]
    return Commissioning(settings, profiles, partial(load_all, folders), gateway.lines)


def _limits(kept: BufferSettings) -> Limits:
    return Limits(
        kept.window_batches_max,
        kept.window_bytes_max,
        kept.acknowledge_timeout_s,
        kept.acknowledge_timeout_max_s,
        kept.window_delay_s,
    )


def _locks(gateway: Gateway, state: Path, keeper: OnThread) -> KeepingLocks:
    """Let the gateway take up the locks, and return what keeps them; where nobody can tell, all is locked."""
    try:
        gateway.recall_locks(lock_file.read(state))
    except lock_file.LocksUnreadableError as error:
        _log.error("%s; everything is locked: unlock here what is safe", error)
        gateway.recall_locks(None)
    locks = KeepingLocks(state, keeper, lambda: gateway.engine.desk.locks)
    gateway.on_locks = locks.changed
    return locks


def _clock(settings: Settings, state: Path) -> SystemClock:
    timeline = Timeline(
        known_time.read(state),
        step_ms_max=settings.clock.step_ms_max,
        hold_back_s_max=settings.clock.hold_back_s_max,
    )
    vouches = kernel_time.synchronised if settings.clock.source == "kernel" else wall_is_credible
    clock = SystemClock(timeline, vouches)
    now = clock.now()
    if now.clock is ClockState.UNSET:
        _log.warning(
            "the clock is not synchronised: samples are marked until it is; see [clock] in the settings"
        )
    return clock


def _documents(
    settings: Settings,
    following: Following,
    configuration: ConfigurationDesk,
    state: Path,
    keeper: OnThread,
    clock: SystemClock,
    report: Callable[[DesiredReport], None],
) -> Documents:
    """Return what keeps the documents."""
    validators = {kind: of_body(partial(following.problems, kind)) for kind in DesiredKind}
    validators[DesiredKind.CONFIGURATION] = configuration.problems
    verifier = Verifier(
        KeyRing(settings.centre.public_keys),
        settings.district,
        settings.gateway,
        validators,
    )
    return Documents(
        Shelf(state / choosing.FOLDER),
        verifier,
        keeper,
        clock,
        fresh_id,
        report_interval_s=settings.centre.report_interval_s,
        report=report,
        on_in_force=following.in_force,
        trials={DesiredKind.CONFIGURATION: configuration},
    )


def _tell_step(recorder: Recorder, documents: Documents, step: Step) -> None:
    documents.wake()
    _log.warning("time was %d ms and is found to be %d ms", step.from_ms, step.to_ms)
    now = step.moment
    recorder.event(ClockStepped(fresh_id(), now.wall_ms, step.from_ms, step.to_ms, step.before, now.clock))


async def _opened(recorder: Recorder, buffer: Buffer, keeper: OnThread, clock: SystemClock) -> None:
    """Open the buffer and wait for it, so that rules begin where they left off; a disk may hang, though."""
    opening = asyncio.create_task(recorder.open())
    with contextlib.suppress(
        TimeoutError, OSError, sqlite3.Error
    ):  # the recorder tries again, and tells of it
        await asyncio.wait_for(asyncio.shield(opening), OPEN_PATIENCE_S)
    opening.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    if buffer.is_open:
        with contextlib.suppress(sqlite3.Error):
            clock.timeline.known(await keeper.run(buffer.committed_ms))


async def _drained(uplink: Uplink, limit_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while not uplink.drained:
                await asyncio.sleep(0.05)


def _software() -> str:
    try:
        return f"gengfu {version('gengfu')}"
    except PackageNotFoundError:
        return "gengfu"
