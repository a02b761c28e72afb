"""The parts of a gateway, made from its settings and tied to each other: ports, threads, clocks, chance."""

import logging
import os
import random
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from contract.desired import DesiredKind
from contract.events import ClockStepped
from contract.samples import ClockState
from contract.signing import KeyRing
from device_profiles.catalogue import load_all
from edge import kernel_time, known_time, link_report
from edge.asking import Asking
from edge.buffer.keeper import OnThread
from edge.buffer.store import NOTHING_HELD, Buffer
from edge.clock import Step, SystemClock, Timeline, wall_is_credible
from edge.configuration import choosing
from edge.configuration.choosing import Chosen
from edge.configuration.desk import ConfigurationDesk, Restart, Seen
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
from edge.recorder import Recorder
from edge.report_renewal import Renewal
from edge.uplink.budget import Plan
from edge.uplink.mqtt import Uplink
from edge.uplink.session import Limits, Session

_log = logging.getLogger(__name__)


def fresh_id() -> str:
    """Return 128 random bits in hexadecimal."""
    return os.urandom(16).hex()


class Parts:
    """All parts of one gateway. None of them runs yet; ``edge.life`` says what begins and ends when."""

    reports: Renewal
    kept_beside: tuple[KeepingTime, KeepingNights, KeepingLocks]

    def __init__(self, chosen: Chosen, settings_file: Path, anew: Restart, *, delete_on_puback: bool) -> None:
        """``anew`` lets the gateway end and begin with other settings. BufferUnusableError, see Asking."""
        self.settings, self._profiles = chosen.loaded
        self._base = settings_file.parent
        self._state = self._base / self.settings.state_folder
        self.clock = self._clock()
        self.buffer = self._buffer()
        self._randomness = random.Random()  # noqa: S311 - spreads retries, guards nothing
        self.keeper = OnThread()
        self.desired_keeper = OnThread("desired")  # a large document may take long to check
        self._knowing = Knowing(lambda: self.clock.latest)
        lines = from_settings.lines(self.settings)
        self.gateway = Gateway(self.settings, self._profiles, lines, self.clock, fresh_id)
        self.asking = self._asking()
        self._configuration = ConfigurationDesk(chosen, settings_file, self.clock.now().s, self._seen, anew)
        self.documents = self._documents()
        self.uplink = self._uplink(delete_on_puback=delete_on_puback)
        self.recorder = self._recorder()
        self.gateway.attach(self.recorder, self.buffer)
        self.gateway.on_measured = self.uplink.measured
        self.clock.timeline.on_step = self._tell_step

    def take_up(self) -> None:
        """Let the gateway take up what a former run left beside the buffer, and make what keeps it."""
        self.gateway.nights.plan_sequence = lambda: self.documents.in_force.get(DesiredKind.LAMP_PLAN, 0)
        self.kept_beside = (
            KeepingTime(self._state, self.keeper, self.clock),
            KeepingNights(self._state, self.keeper, self.gateway.nights),
            self._locks(),
        )
        name, to = self.settings.gateway, self.settings.broker
        broker, reporting = f"{to.host}:{to.port}", self.gateway.reporting
        link = link_report.Reporter(name, broker, self.uplink, self.recorder, reporting)
        self.reports = Renewal(self.gateway, name, link, self.buffer, self.keeper, self.clock)

    def renewing(self) -> Renewing | None:
        """Return what renews the certificate, where the settings say by whom."""
        if not self.settings.identity.centre:
            return None
        files = IdentityFolder(self._state / identity_folder.NAME)
        return Renewing(self.settings, files, self._knowing, self._randomness, down_s=self._down_s)

    def _down_s(self) -> float:
        since_s = self.uplink.down_since_s
        return 0.0 if since_s is None else self.clock.s() - since_s

    def _clock(self) -> SystemClock:
        settings = self.settings.clock
        timeline = Timeline(
            known_time.read(self._state),
            step_ms_max=settings.step_ms_max,
            hold_back_s_max=settings.hold_back_s_max,
        )
        vouches = kernel_time.synchronised if settings.source == "kernel" else wall_is_credible
        clock = SystemClock(timeline, vouches)
        if clock.now().clock is ClockState.UNSET:
            _log.warning(
                "the clock is not synchronised: samples are marked until it is; see [clock] in the settings"
            )
        return clock

    def _buffer(self) -> Buffer:
        """Return it as it is before it is opened."""
        settings = self.settings
        return Buffer(
            self._state / "buffer.db",
            settings.district,
            settings.gateway,
            fresh_id(),
            fresh_id,
            lambda: self.clock.latest.wall_ms,
            offset_ms=lambda: self.clock.timeline.offset_ms,
            backfill_after_s=settings.buffer.backfill_after_s,
            ballast_bytes=settings.buffer.ballast_bytes,
            quarantined_files_max=settings.buffer.quarantined_files_max,
            open_now=False,
        )

    def _asking(self) -> Asking:
        settings, profiles, gateway = self.settings, self._profiles, self.gateway
        folders = [self._base / folder for folder in settings.profile_folders]
        return Asking(
            settings,
            self._state,
            gateway,
            self.clock,
            fresh_id,
            lambda: self.recorder,
            Commissioning(settings, profiles, partial(load_all, folders), gateway.lines),
            Points(settings, profiles, gateway, self.clock, fresh_id),
            Watching(settings, profiles, gateway.latest, self.clock, lambda: self.reports),
        )

    def _seen(self) -> Seen:
        """Return who answers, and who cannot."""
        turns = [(poller, turn) for poller in self.gateway.pollers for turn in poller.schedule.turns.values()]
        answering = {t.device for poller, t in turns if poller.tallies[t.device].good and not t.unit.dead}
        unpowered = {t.device for _, t in turns if not t.powered}
        silent = {t.device for poller, t in turns if t.unit.dead or poller.tallies[t.device].no_line}
        all_asked = len(answering | unpowered | silent) == len(turns)
        return Seen(self.uplink.heard_s, frozenset(answering), frozenset(unpowered), all_asked)

    def _documents(self) -> Documents:
        settings = self.settings
        periods = self.asking.by_hand.periods
        following = Following(settings, self.gateway, periods, lambda: self.clock.now().wall_ms)
        validators = {kind: of_body(partial(following.problems, kind)) for kind in DesiredKind}
        validators[DesiredKind.CONFIGURATION] = self._configuration.problems
        keys = KeyRing(settings.centre.public_keys)
        return Documents(
            Shelf(self._state / choosing.FOLDER),
            Verifier(keys, settings.district, settings.gateway, validators),
            self.desired_keeper,
            self.clock,
            fresh_id,
            report_interval_s=settings.centre.report_interval_s,
            report=lambda report: self.recorder.event(report),  # noqa: PLW0108 - it is made later
            on_in_force=following.in_force,
            trials={DesiredKind.CONFIGURATION: self._configuration},
        )

    def _uplink(self, *, delete_on_puback: bool) -> Uplink:
        settings, broker, kept = self.settings, self.settings.broker, self.settings.buffer
        limits = Limits(
            kept.window_batches_max,
            kept.window_bytes_max,
            kept.acknowledge_timeout_s,
            kept.acknowledge_timeout_max_s,
            kept.window_delay_s,
        )
        return Uplink(
            broker,
            # it takes up the buffer itself
            Session(NOTHING_HELD.epoch, NOTHING_HELD.lanes, limits, self._randomness),
            self.buffer,
            self.keeper,
            self.clock,
            self._randomness,
            software=_software(),
            devices=settings.inventory,
            plan=Plan(broker.monthly_bytes_max, broker.monthly_burst_days, settings.utc_offset_min),
            delete_on_puback=delete_on_puback,
            synchronise_wait_s=settings.clock.synchronise_wait_s,
            documents=self.documents,
            desk=self.asking.desk,
            tls=link_tls.of(settings, self._base, self._knowing),
        )

    def _recorder(self) -> Recorder:
        kept, reporting = self.settings.buffer, self.gateway.reporting
        return Recorder(
            self.buffer,
            self.keeper,
            self.clock,
            flush_interval_s=kept.flush_interval_s,
            samples_per_batch_max=kept.samples_per_batch_max,
            bytes_max=kept.bytes_max,
            remembered=self.gateway.remembered,
            on_stored=self.uplink.stored,
            leaves_at_once=self.uplink.leaves_at_once,
            held_ms=(lambda: reporting.held_ms) if reporting else None,
        )

    def _locks(self) -> KeepingLocks:
        """Let the gateway take up its locks, and return what keeps them; unread, all is locked."""
        try:
            self.gateway.recall_locks(lock_file.read(self._state))
        except lock_file.LocksUnreadableError as error:
            _log.error("%s; everything is locked: unlock here what is safe", error)
            self.gateway.recall_locks(None)
        locks = KeepingLocks(self._state, self.keeper, lambda: self.gateway.engine.desk.locks)
        self.gateway.on_locks = locks.changed
        return locks

    def _tell_step(self, step: Step) -> None:
        self.documents.wake()
        _log.warning("time was %d ms and is found to be %d ms", step.from_ms, step.to_ms)
        now = step.moment
        event = ClockStepped(fresh_id(), now.wall_ms, step.from_ms, step.to_ms, step.before, now.clock)
        self.recorder.event(event)


def _software() -> str:
    try:
        return f"gengfu {version('gengfu')}"
    except PackageNotFoundError:
        return "gengfu"
