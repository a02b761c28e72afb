"""The wiring: a whole centre in one process, as a context. Clocks, ids and randomness come in here."""

import asyncio
import contextlib
import fcntl
import socket
from collections.abc import AsyncIterator, Collection, Coroutine, Generator, Iterator
from datetime import timedelta, timezone
from functools import cached_property, partial
from typing import Any

import uvicorn
from alembic.util import CommandError
from fastapi import FastAPI
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from collector import backup, journal, key_file
from collector.alarms import figures as alarm_figures
from collector.alarms.projection import AlarmProjection
from collector.api import Sources, application
from collector.bodies import BodyBounds
from collector.commands import api as command_api
from collector.commands.book import CommandBook
from collector.commands.publisher import CommandPublisher
from collector.connections import Listening
from collector.console import pages as console
from collector.database import Database
from collector.desired import api as desired_api
from collector.desired import period_api
from collector.desired.book import DesiredBook
from collector.desired.periods import PeriodDesk
from collector.desired.publisher import DesiredPublisher
from collector.enrolment.room import EnrolmentRoom
from collector.evaluation import api as evaluation_api
from collector.evaluation.projection import EvaluationProjection
from collector.exchange import api as exchange_api
from collector.exchange.exporter import Exporter
from collector.fleet.watch import FleetWatch
from collector.gone import DatabaseGone
from collector.health import Health
from collector.housekeeping import Housekeeping
from collector.ingest import Ingest
from collector.lamps import api as lamp_api
from collector.lamps import desk_api as lamp_desk_api
from collector.lamps.desk import LampDesk
from collector.lamps.rates import LampRates
from collector.lamps.reading import LampReading
from collector.live import Live
from collector.metrics import Metrics
from collector.mqtt import Link
from collector.parts.seeding import seed
from collector.people import api as people_api
from collector.people import session_api
from collector.people.desk import PeopleDesk
from collector.people.doors import Doors, Site
from collector.people.headers import GuardedHeaders
from collector.platforms import api as platform_api
from collector.platforms.desk_stages import DeskStages
from collector.platforms.outbox import Tools
from collector.platforms.running import Platforms
from collector.projections import Keeper, Projection, Redone
from collector.pulse import Pulse
from collector.rollouts import api as rollout_api
from collector.rollouts.book import RolloutBook
from collector.rollouts.running import RolloutRunner
from collector.rooms import AlarmRooms
from collector.series.projection import SeriesProjection
from collector.series.stores import StoreProjection
from collector.settings import Http, Loaded, SeriesStore
from collector.telling import api as telling_api
from collector.telling.desk import TellingDesk
from collector.world import World
from contract.desired import DesiredKind, configuration_problems, object_problems
from contract.signing import SigningKey
from owned_files import check_runs_as_owner

__all__ = ["Collector", "CollectorError", "World", "people_offline", "redo", "running"]

START_POLL_S = 0.01
STOP_TIMEOUT_S = 2
CANCEL_AGAIN_S = 1.0


class CollectorError(RuntimeError):
    """The centre cannot start; the text says what is in its way and what to do."""


class Collector:
    """The parts of a centre, put together; ``running`` runs them."""

    def __init__(self, loaded: Loaded, world: World, state: Database, store: Database) -> None:
        """``state`` holds journal and state, ``store`` the series; both stay the caller's to close."""
        settings, limits = loaded.settings, loaded.settings.limits
        self.url = ""
        """Where the interface is, once it is served."""
        self.state, self.store, self.metrics = state, store, Metrics()
        state.write_now(lambda connection: journal.begin(connection, world.new_id()))
        if loaded.parts_file is not None:
            seed(state, loaded.parts_file, settings.parts, world.now_ms())
        self.series = SeriesProjection(state, store, self.metrics, limits.projection_batches_max)
        self.series.prepare()
        self.rooms = AlarmRooms(loaded, world, state)
        self.desired_publisher = DesiredPublisher(
            settings.district,
            state,
            self.metrics,
            retry_min_s=settings.desired.retry_min_s,
            retry_max_s=settings.desired.retry_max_s,
            now_ms=world.now_ms,
            random=world.random,
        )
        self.command_publisher = CommandPublisher(settings.district, state, self.metrics, now_ms=world.now_ms)
        publishers = (self.desired_publisher, self.command_publisher)
        key = _key(loaded)
        desired = DesiredBook(
            settings.district,
            key,
            now_ms=world.now_ms,
            retry_max_s=settings.desired.retry_max_s,
            history_max=settings.desired.history_max,
        )
        self.rollout_book = RolloutBook(desired, now_ms=world.now_ms, new_id=world.new_id)
        self.rollout_runner = RolloutRunner(state, self.rollout_book)
        commanding = CommandBook(settings.district, key, now_ms=world.now_ms, new_id=world.new_id)
        self.alarms = AlarmProjection(
            state,
            self.rooms.alarm_book,
            desired,
            self.metrics,
            batches_max=limits.projection_batches_max,
            dead_letters_max=limits.dead_letters_max,
        )
        projections: tuple[Projection, ...] = (self.series, self.alarms)
        self.series_stores = [self._series_store(store, loaded, world) for store in settings.series_stores]
        self.keepers = [
            Keeper(projection, self.metrics, monotonic_s=world.monotonic_s)
            for projection in (*projections, *self.series_stores)
        ]
        self.ingest = Ingest(
            state,
            settings.district,
            limits,
            self.metrics,
            monotonic_s=world.monotonic_s,
            committed=self._wake,
        )
        self.pulse = Pulse(state, self.ingest, monotonic_s=world.monotonic_s)
        self.live = Live(settings.district, self.metrics)
        self.link = Link(
            settings.broker,
            settings.district,
            self.ingest,
            self.metrics,
            self.live,
            publishers,
            random=world.random,
            now_ms=world.now_ms,
            tls=loaded.broker_tls,
        )
        self.enrolment = EnrolmentRoom(loaded, world, state, [key.public.line] if key else [])
        stages = DeskStages(self.rooms.case_desk)
        tools = Tools(state, self.metrics, stages, now_ms=world.now_ms, random=world.random)
        self.platforms = Platforms(loaded.platforms, tools, new_id=world.new_id)
        self.housekeeping = Housekeeping(
            state,
            store,
            projections,
            limits,
            now_ms=world.now_ms,
            people=settings.people,
            series_stores=self.series_stores,
        )
        self.evaluation, self.exchange = (
            EvaluationProjection(state, settings.utc_offset_min),
            Exporter(state, settings.exchange, now_ms=world.now_ms),
        )
        self.listening = Listening(state, now_ms=world.now_ms, connected=lambda: self.link.connected)
        lamps = LampReading(
            settings.district,
            state,
            settings.lamps_zone,
            now_ms=world.now_ms,
            kept_days=settings.limits.lamp_nights_retention_days,
        )
        self.fleet = FleetWatch(
            settings.fleet,
            state,
            store,
            self.rooms.alarm_book,
            lamps,
            area_of=self.rooms.labeller.area_of_part,
            connected=lambda: self.link.connected,
            now_ms=world.now_ms,
            new_id=world.new_id,
        )
        self.telling = TellingDesk(
            settings.telling,
            loaded.telling,
            state,
            self.rooms.alarm_book,
            zone=timezone(timedelta(minutes=settings.utc_offset_min)),
            now_ms=world.now_ms,
            new_id=world.new_id,
            random=world.random,
            patiences=self.metrics.patiences,
        )
        self.health = Health(
            state,
            self.metrics,
            link=self.link,
            ingest=self.ingest,
            keepers=self.keepers,
            platforms=self.platforms,
            teller=self.telling.teller,
            publishers=publishers,
            lamp_rates=LampRates(lamps, self.metrics, monotonic_s=world.monotonic_s),
            gauges=[lambda connection: self._measure_alarms(connection, loaded, world)],
            stuck_after_s=limits.stuck_after_s,
            monotonic_s=world.monotonic_s,
        )
        self.people = _people(loaded, world, state)
        self._made_interface = partial(self._interface, loaded, world, desired, commanding, stages, lamps)

    @cached_property
    def app(self) -> FastAPI:
        """The interface and its pages, made when it is first wanted: that is most of a centre's making."""
        return self._made_interface()

    def _interface(
        self,
        loaded: Loaded,
        world: World,
        desired: DesiredBook,
        commanding: CommandBook,
        stages: DeskStages,
        lamps: LampReading,
    ) -> FastAPI:
        settings, state, store, site = loaded.settings, self.state, self.store, _site(loaded)
        app = application(
            Sources(state, store, loaded.profiles, self.health, self.live, world.now_ms),
            desired_api.router(
                desired_api.Desk(
                    state,
                    desired,
                    dict.fromkeys(DesiredKind, object_problems)
                    | {DesiredKind.CONFIGURATION: configuration_problems},
                    world.now_ms,
                )
            ),
            platform_api.router(platform_api.Sources(state, self.platforms, stages, world.now_ms)),
            self.enrolment.router(),
            command_api.router(command_api.Sources(state, commanding, world.now_ms)),
            lamp_desk_api.router(lamp_desk_api.Sources(state, LampDesk(desired, world.now_ms), world.now_ms)),
            rollout_api.router(rollout_api.Sources(state, self.rollout_book, world.now_ms)),
            period_api.router(period_api.Sources(state, PeriodDesk(desired, world.now_ms), world.now_ms)),
            lamp_api.router(lamps),
            telling_api.router(self.telling.sources),
            session_api.router(self.people, site),
            people_api.router(self.people),
            *self.rooms.routers(),
            exchange_api.router(exchange_api.Sources(state, self.exchange, settings.exchange)),
            evaluation_api.router(
                evaluation_api.Sources(
                    state, self.evaluation, settings.utc_offset_min, world.now_ms, world.new_id
                )
            ),
        )
        self._add_pages(app, loaded, world, site)
        return app

    def _add_pages(self, app: FastAPI, loaded: Loaded, world: World, site: Site) -> None:
        """Add the console, and the doors before all of it."""
        district, offset_min = loaded.settings.district, loaded.settings.utc_offset_min
        pages = console.Sources(self.state, self.store, loaded.profiles, district, offset_min, world.now_ms)
        app.include_router(console.router(pages))
        app.add_middleware(BodyBounds, settings=loaded.settings)
        app.add_middleware(Doors, desk=self.people, site=site)
        app.add_middleware(DatabaseGone)
        app.add_middleware(GuardedHeaders, site=site)

    def loops(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield everything that runs until it is cancelled."""
        patiences = self.metrics.patiences
        yield self.ingest.run()
        yield self.pulse.run()
        yield self.link.run()
        yield self.listening.run(patiences)
        yield from (keeper.run() for keeper in self.keepers)
        yield self.housekeeping.run(patiences)
        yield from self.rooms.loops(patiences)
        yield from self.enrolment.loops()
        yield self.fleet.run(patiences)
        yield self.rollout_runner.run(patiences)
        yield self.platforms.run()
        if self.telling.teller:
            yield self.telling.teller.run()
        yield self.evaluation.run(patiences)
        yield self.exchange.run(patiences)

    def close(self) -> None:
        """Close the connections to series stores, once nothing runs any more."""
        for store in self.series_stores:
            store.close()

    def _series_store(self, settings: SeriesStore, loaded: Loaded, world: World) -> StoreProjection:
        from collector.series.influx import InfluxStore  # noqa: PLC0415 - a tenth of all that a centre imports

        store = InfluxStore(
            url=settings.url,
            org=settings.org,
            bucket=settings.bucket,
            token=loaded.tokens.get(settings.name, ""),
            timeout_s=settings.timeout_s,
        )
        return StoreProjection(
            settings.name,
            self.state,
            store,
            self.metrics,
            settle_s=settings.store_settle_s,
            lines_max=settings.lines_per_write_max,
            batches_max=loaded.settings.limits.projection_batches_max,
            monotonic_s=world.monotonic_s,
        )

    def _measure_alarms(self, connection: Connection, loaded: Loaded, world: World) -> None:
        stale_ms = loaded.settings.alarms.stale_ms
        alarm_figures.measure(connection, self.metrics, world.now_ms(), stale_ms)

    def _wake(self) -> None:
        for keeper in self.keepers:
            keeper.wake()


def _key(loaded: Loaded) -> SigningKey | None:
    try:
        return key_file.read(loaded.data_folder)
    except key_file.KeyFileError as error:
        raise CollectorError(str(error)) from error


@contextlib.asynccontextmanager
async def running(loaded: Loaded, world: World) -> AsyncIterator[Collector]:
    """Run a centre while the context is open; CollectorError where it cannot start."""
    with (
        _listener(loaded.settings.http) as listener,
        _databases(loaded) as (state, store),
        contextlib.closing(Collector(loaded, world, state, store)) as collector,
    ):
        if not loaded.settings.http.is_loopback and not await collector.people.any_there():
            raise CollectorError(
                f"[http] host {loaded.settings.http.host} serves other machines, and there are no users yet; "
                "add the first administrator with `gengfu collector users add`"
            )
        server = _Server(_configuration(collector.app, loaded))
        async with _enrolling(collector.enrolment), asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(loop) for loop in collector.loops()]
            serving = tasks.create_task(server.serve(sockets=[listener]))
            try:
                while not server.started and not serving.done():  # however slow the machine is
                    await asyncio.sleep(START_POLL_S)
                collector.url = _url(listener, is_tls=loaded.tls is not None)
                yield collector
            finally:
                server.should_exit = True
                await _ended(work)


@contextlib.asynccontextmanager
async def _enrolling(room: EnrolmentRoom) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(room.serving())
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CollectorError(
                f"gateways cannot be enrolled: {reason}; choose another host or port in [enrolment]"
            ) from error
        yield


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel them and wait; again where one goes on, as a failure may come in a cancellation's place."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=CANCEL_AGAIN_S)


async def redo(loaded: Loaded, world: World) -> dict[str, Redone]:
    """Decode again what could not be decoded, while no centre works there.

    Return what became of it, by projection. CollectorError, and nothing changed, where a centre works there,
    or never did.
    """
    if not backup.interrupted(loaded.data_folder):
        for path in backup.absent(loaded.data_folder, state_elsewhere=loaded.state is not None):
            raise CollectorError(f"{path} is not there; {backup.NOT_THERE}")
    with (
        _databases(loaded) as (state, store),
        contextlib.closing(Collector(loaded, world, state, store)) as collector,
    ):
        if await collector.series.may_redo():
            for each in collector.series_stores:  # first, so that no end on the way keeps it from them
                await each.rewind()  # they passed these batches; what they have is overwritten
        return {each.name: await each.redo() for each in (collector.series, collector.alarms)}


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.contextmanager
def people_offline(loaded: Loaded, world: World) -> Iterator[PeopleDesk]:
    """Open the desk of people while no centre works there; CollectorError where one does."""
    with _databases(loaded) as (state, _):
        yield _people(loaded, world, state)


def _people(loaded: Loaded, world: World, state: Database) -> PeopleDesk:
    desk = PeopleDesk(
        loaded.settings.people,
        state,
        now_ms=world.now_ms,
        monotonic_s=world.monotonic_s,
        random_bytes=world.random.randbytes,
    )
    desk.begin()
    return desk


def _site(loaded: Loaded) -> Site:
    http = loaded.settings.http
    return Site(http.is_loopback, loaded.tls is not None, http.behind_proxy)


def _configuration(app: FastAPI, loaded: Loaded) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ssl_certfile=loaded.tls.cert if loaded.tls else None,
        ssl_keyfile=loaded.tls.key if loaded.tls else None,
        proxy_headers=False,  # whom they may be believed from, the doors know
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )


@contextlib.contextmanager
def _listener(http: Http) -> Iterator[socket.socket]:
    host = "127.0.0.1" if http.host == "localhost" else http.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, http.port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CollectorError(
                f"cannot serve on {host}:{http.port}: {reason}; choose another port in [http], or 0 for any"
            ) from error
        yield listener


@contextlib.contextmanager
def _databases(loaded: Loaded) -> Iterator[tuple[Database, Database]]:
    """Open state and series, for one process at a time."""
    folder, opened = loaded.data_folder, list[Database]()
    places = (loaded.state or folder / backup.STATE, "state"), (folder / backup.SERIES, "series")
    with contextlib.ExitStack() as stack:
        try:
            check_runs_as_owner(folder, "start its service, or: runuser -u {user} -- gengfu collector ...")
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((folder / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if backup.interrupted(folder):
                raise CollectorError(f"{folder}: a restore was interrupted; run it again with --replace")
            for place, schema in places:
                opened.append(Database(place, schema))
                stack.callback(opened[-1].close)
        except BlockingIOError as error:
            remedy = "stop the other collector, or give this one a data_folder of its own"
            raise CollectorError(f"{folder} is in use by another collector; {remedy}") from error
        except CommandError as error:
            remedy = "install the version that wrote it, or restore a backup"
            where = loaded.state.shown if loaded.state and not opened else folder
            raise CollectorError(f"{where}: a database of unknown version ({error}); {remedy}") from error
        except (OSError, SQLAlchemyError) as error:
            reason = getattr(error, "orig", error)
            if loaded.state and not opened and isinstance(error, SQLAlchemyError):
                remedy = "check [state] in the settings, and the server"
                raise CollectorError(f"the state cannot be opened: {reason}; {remedy}") from error
            remedy = "check the folder, its permissions and the free space"
            raise CollectorError(f"{folder}: the database cannot be opened: {reason}; {remedy}") from error
        yield opened[0], opened[1]


def _url(listener: socket.socket, *, is_tls: bool) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if is_tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
