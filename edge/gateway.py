"""The running gateway: lines, rules and recorder put together; knows no port, broker or clock of its own."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any

from contract.events import AlarmCleared, ControlAction, ControlChanged, Event
from contract.samples import Measured, Sample, spread
from device_profiles.decoder import Decoder
from device_profiles.schema import Profile
from edge import reporting
from edge.buffer.store import Buffer
from edge.clock import Clock, Moment
from edge.commands import Broadcast, Look, Order, always
from edge.drivers import lessons
from edge.drivers.modbus import Device, Looked, ModbusDevice
from edge.lamps import fixtures
from edge.lamps.events import LampEffect, Send
from edge.lamps.executor import Lamps
from edge.lamps.nights import NightBook
from edge.latest import Latest
from edge.lines.line import Line
from edge.newest import Newest
from edge.polling import LinePoller, Polled, Stamps
from edge.progress import Part, stuck
from edge.recorder import Recorder
from edge.rules.effects import Answer, Emit, Ids, RuleEffect, Switch, Withdraw, Write
from edge.rules.engine import Engine
from edge.settings import Device as DeviceSettings
from edge.settings import Ref, Settings, ref

_log = logging.getLogger(__name__)

TICK_S = 0.5
SHUT_DOWN_SWITCHES_S = 5.0


class Gateway:
    """Measures, decides, acts, keeps. ``run`` ends after ``stop``, with outputs in their declared state."""

    def __init__(
        self,
        settings: Settings,
        profiles: Mapping[str, Profile],
        lines: Mapping[str, Line],
        clock: Clock,
        ids: Ids,
    ) -> None:
        """``profiles`` are by device, ``lines`` by name."""
        self._clock, self._ids = clock, ids
        self.lines = lines
        self.engine = Engine(settings, ids)
        self.lamps = Lamps(
            settings.gateway,
            fixtures.of(settings, profiles),
            settings.lighting,
            ids,
            fixtures.points_read(settings, profiles),
        )
        intervals_s = {device.name: device.interval_s for device in settings.devices}
        self.nights = NightBook(self.lamps, intervals_s, ids)
        self.reporting = reporting.of(settings, profiles)
        self._has_policies = bool(self.reporting)
        self._stamps = Stamps()
        self._poller_of: dict[str, LinePoller] = {}
        self.pollers: list[LinePoller] = []
        self.poller_of_line: dict[str, LinePoller] = {}
        urgent = {target.device for target in self.engine.targets()}
        self._fed: dict[Ref, list[str]] = {}
        self._power: dict[Ref, bool] = {}
        for device in settings.devices:
            if device.feeder:
                self._fed.setdefault(ref(device.feeder), []).append(device.name)
        self._watched = urgent | {feeder.device for feeder in self._fed}
        begins_s = clock.now().s
        drivers = _Drivers()
        for name, line in lines.items():
            devices = [
                Polled(
                    drivers.of(device, profiles[device.name], line), device.interval_s, device.name in urgent
                )
                for device in settings.devices
                if device.line == name
            ]
            if devices:
                poller = LinePoller(
                    devices,
                    clock,
                    self._stamps,
                    self._observe,
                    on_learnt=self._keep_learnt,
                    begins_s=begins_s,
                )
                self.pollers.append(poller)
                self.poller_of_line[name] = poller
                self._poller_of |= {each.driver.device.name: poller for each in devices}
        self.latest = Latest({name: len(it.names) for p in self.pollers for name, it in p.devices.items()})
        self._recorder: Recorder | None = None
        self.on_measured: Callable[[Sequence[Measured], Moment], None] | None = None
        """Told what was measured, and when, for whoever watches."""
        self.on_answer: Callable[[Answer], None] = lambda _answer: None
        """Told how a manual command from the centre ended."""
        self.on_locks: Callable[[], None] = lambda: None
        """Told that an output was locked or unlocked."""
        self._lit = {lamp.output: lamp.name for lamp in settings.lamps}
        self._audit_commit_timeout_s = settings.buffer.audit_commit_timeout_s
        self._newest = Newest()
        self._stop = asyncio.Event()
        self._switching: set[asyncio.Task[object]] = set()

    def attach(self, recorder: Recorder, buffer: Buffer) -> None:
        """Say where samples and events go, and take up what a former run remembered.

        A buffer that is opened later tells it then.
        """
        self._recorder = recorder
        recorder.on_opened = self._recall
        if buffer.is_open:
            self._recall(buffer.remembered(), buffer.learnt())

    def _recall(self, remembered: Mapping[str, Any], learnt: Mapping[str, Any]) -> None:
        """Take up what a former run remembered; where this one has come to something else, that stands."""
        now, ours = self._clock.now(), self.engine.remembered()
        alarms = dict(remembered.get("alarms", {}))
        for key, alarm_id in ours["alarms"].items():
            if alarms.get(key, alarm_id) != alarm_id:  # raised anew meanwhile: the old occurrence is over
                rule, device, point, *_ = key.split("/")
                self._do([Emit(AlarmCleared(alarms[key], now.wall_ms, rule, device, point, clock=now.clock))])
        known = {**remembered, "alarms": alarms | ours["alarms"]}
        flags = {
            key: it for key, it in remembered.get("alarm_flags", {}).items() if key not in ours["alarms"]
        }
        known["alarm_flags"] = flags | ours["alarm_flags"]
        self._do(self.engine.recall(known, now))
        self._watched |= {target.device for target in self.engine.targets()}
        self._do(self.lamps.recall(remembered.get("lamps", {}), now))
        for driver in self._drivers():
            if driver.device.name in learnt and not driver.reads.learnt.count:
                driver.reads.remember(lessons.from_data(learnt[driver.device.name]))

    def recall_locks(self, locks: Mapping[str, tuple[str, int]] | None) -> None:
        """Take up the maintenance locks before anything runs; None locks everything."""
        self._do(self.engine.recall_locks(locks, self._clock.now()))

    def remembered(self) -> dict[str, Any]:
        """Return what rules and lamps want kept over a restart."""
        return self.engine.remembered() | {"lamps": self.lamps.remembered()}

    def in_force(self, kind: str, body: str | None) -> list[str]:
        """Put a document for the lamps in force, or with None take it out; return what is wrong with it."""
        problems, effects = self.lamps.in_force(kind, body, self._clock.now())
        self._do(effects)
        return problems

    def do(self, effects: Iterable[RuleEffect]) -> None:
        """Do what rules ask for where somebody has asked them."""
        self._do(effects)

    def stuck(self) -> list[str]:
        """Return what should have gone on by now and has not: lines, and what keeps what they measure."""
        parts = [Part(f"line {name}", it.moves_by_s) for name, it in self.poller_of_line.items()]
        if self._recorder:
            parts.append(Part("recorder", self._recorder.moves_by_s))
        return stuck(parts, self._clock.s())

    def owners(self) -> dict[str, str]:
        """Return every output that rules or lamps switch, with its control or lamp; "" where none has it."""
        return {str(ref(output)): name for output, name in self._lit.items()} | self.engine.owners()

    def locks(self) -> Mapping[str, tuple[str, int]]:
        """Return what is locked: output, by whom, and when (UTC ms)."""
        return self.engine.locks()

    async def look(self, look: Look) -> Looked | None:
        """Read a point now, as soon as its line's turn allows; None where too many wait there."""
        return await self._poller_of[look.device].look(look)

    async def write_by_hand(self, write: Write, stands: Callable[[], bool]) -> str:
        """Write a point that no rule has, and read it back; return "" or the error's name."""
        return await self._poller_of[write.output.device].write(write, stands)

    async def record(self, event: Event) -> bool:
        """Put an event on record, and wait for its disk, not for long; say whether it is there."""
        self._do([Emit(event)])
        return self._recorder is not None and await self._recorder.kept(self._audit_commit_timeout_s)

    @property
    def every_line_asked(self) -> bool:
        """Say whether each line has asked one of its devices at least, whatever came of it."""
        turns = [poller.schedule.turns.values() for poller in self.pollers]
        return all(any(turn.began_s is not None for turn in each) for each in turns)

    @property
    def stopping(self) -> bool:
        """Say whether it was asked to end: nothing new is begun then."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask ``run`` to end."""
        self._stop.set()

    async def run(self) -> None:
        """Poll, decide and act until stopped; then leave outputs as declared and let go of the lines."""
        polling = [asyncio.create_task(poller.run()) for poller in self.pollers]
        acts = self.engine.targets() or self.lamps.states
        ticking = [asyncio.create_task(self._tick())] if acts else []
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({*polling, *ticking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop.set()
            for task in ticking:
                task.cancel()
            stopping.cancel()
            self._do(self.engine.shut_down(self._clock.now()))
            if self._switching:
                await asyncio.wait(set(self._switching), timeout=SHUT_DOWN_SWITCHES_S)
            for poller in self.pollers:
                poller.stop()
            ended = await asyncio.gather(*polling, *ticking, return_exceptions=True)
            for line in self.lines.values():
                await line.close()
            if self._recorder and self.reporting:
                self._recorder.samples(self.reporting.rest(), self._clock.now())
            self._do(self.nights.so_far(self._clock.now()))
        for failure in ended:
            if isinstance(failure, Exception):
                raise failure  # an error of ours: fall, and be started again

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = self._clock.now()
            self._do(self.engine.tick(now))
            if self.engine.learners.take_news() and self._recorder:
                self._recorder.remember()
            self._do(self.lamps.tick(now))
            self._do(self.nights.roll(now))

    def _observe(self, measured: Sequence[Measured], now: Moment) -> None:
        """Rules first, then storage: a full disk must not stop a sprinkler."""
        self.latest.take(measured)
        if self._watched:
            samples = list(spread(each for each in measured if each.device in self._watched))
            self._do(self.engine.observe(samples, now))
            if self._fed:
                self._heed_feeders(samples)
        if self.lamps.states:
            self._do(self.lamps.observe(measured, now))
        if self._has_policies:
            measured = self.reporting.take(measured, now.s)
        if self._recorder:
            self._recorder.samples(measured, now)
        if self.on_measured:
            self.on_measured(measured, now)

    def _drivers(self) -> Iterator[ModbusDevice]:
        for poller in self.pollers:
            yield from poller.devices.values()

    def _keep_learnt(self) -> None:
        """A device's refusals taught something: keep what all of them taught."""
        if self._recorder:
            known = {driver.device.name: driver.reads.learnt for driver in self._drivers()}
            self._recorder.learnt({name: lessons.as_data(it) for name, it in known.items() if it.count})

    def _heed_feeders(self, samples: list[Sample]) -> None:
        """Tell pollers whose devices have lost or regained their power."""
        for sample in samples:
            feeder = Ref(sample.device, sample.point)
            if feeder not in self._fed or not isinstance(sample.value, bool):
                continue
            if self._power.get(feeder, True) != sample.value:
                for poller in self.pollers:
                    mine = [name for name in self._fed[feeder] if self._poller_of.get(name) is poller]
                    poller.fed(mine, powered=sample.value)
            self._power[feeder] = sample.value

    def _do(self, effects: Iterable[RuleEffect | LampEffect]) -> None:
        recorded: set[Ref] = set()
        for effect in effects:
            match effect:
                case Emit(event):
                    _log.info("%s", event)
                    if self._recorder:
                        self._recorder.event(event)
                    if isinstance(event, ControlChanged):
                        recorded.add(Ref(event.device, event.point))
                        if event.action in (ControlAction.LOCKED, ControlAction.UNLOCKED):
                            self.on_locks()
                case Switch(on=True) if effect.output in recorded:
                    self._newest.take(effect)
                    self._begin(self._switched_on(effect))
                case Switch() | Write():
                    self._newest.take(effect)
                    self._begin(self._ruled(effect))
                case Withdraw(output):
                    self._newest.withdraw(output)
                case Answer():
                    self.on_answer(effect)
                case Send() if self._stop.is_set():
                    pass  # lamps stay as they are when the gateway ends
                case Send():
                    self._begin(self._sent(effect))

    def _begin(self, doing: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(doing)
        self._switching.add(task)
        task.add_done_callback(self._switching.discard)

    async def _switched_on(self, switch: Switch) -> None:
        """Let the record of it be on disk first, if that does not take too long."""
        if self._recorder and not await self._recorder.kept(self._audit_commit_timeout_s):
            _log.warning("%s is switched on before the record of it is on disk", switch)
        if self._newest.stands(switch):
            await self._ruled(switch)

    async def _sent(self, send: Send) -> None:
        """Give lamps their command, and tell what came of it."""
        error = await self._ordered(self.poller_of_line[send.line], send.order)
        self._do(self.lamps.sent(send, error, self._clock.now()))

    def _ruled(self, order: Switch | Write) -> Coroutine[Any, Any, str]:
        """Order what rules want; it is sent only if that still stands when its turn on the line comes."""
        poller = self._poller_of[order.output.device]
        return self._ordered(poller, order, lambda: self._newest.stands(order))

    @staticmethod
    def _ordered(
        poller: LinePoller, order: Order, stands: Callable[[], bool] = always
    ) -> Coroutine[Any, Any, str]:
        match order:
            case Broadcast(point, value, profile):
                return poller.broadcast(point, value, profile)
            case Switch():
                return poller.switch(order, stands)
            case Write():
                return poller.write(order, stands)


class _Drivers:
    """Makes drivers; devices of one profile that want the same points share what decodes them."""

    def __init__(self) -> None:
        self._decoders: list[tuple[Profile, tuple[str, ...], Decoder]] = []

    def of(self, device: DeviceSettings, profile: Profile, line: Line) -> ModbusDevice:
        """Return a device's driver."""
        points = tuple(device.points or profile.names)
        known = Device(device.name, device.unit_id, profile, points, device.timeout_s, device.pause_s)
        for other, wanted, decoder in self._decoders:
            if other is profile and wanted == points:
                return ModbusDevice(known, line, decoder)
        decoder = Decoder(profile, points)
        self._decoders.append((profile, points, decoder))
        return ModbusDevice(known, line, decoder)
