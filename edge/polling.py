"""One poller a line: asks devices in their turn, lets commands go first, makes samples of what comes."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from contract.samples import ClockState, Measured, Quality, Row, Sample, Value
from device_profiles.codec import Reading
from edge.clock import Clock, Moment
from edge.commands import Broadcast, Commands, Look, Order, always
from edge.drivers.modbus import Answers, Looked, ModbusDevice, Words
from edge.drivers.modbus_plan import Block
from edge.drivers.read_cycle import Cycle
from edge.health import BACK_OFF_MAX_S, Unit
from edge.lines.line import LineError
from edge.progress import LATE_S, request_s_max
from edge.rules.effects import Switch, Write
from edge.schedule import Schedule, Turn
from edge.waiting import Wake

_log = logging.getLogger(__name__)

Take = Callable[[Sequence[Measured], Moment], None]
"""Called with what was measured, and when."""


class Stamps:
    """Times of a device's samples increase strictly, until time itself begins anew."""

    def __init__(self) -> None:
        """Nothing stamped yet."""
        self._last: dict[str, int] = {}
        self._of_former_era: dict[str, int] = {}
        self._era = 0

    def row(self, device: str, names: tuple[str, ...], values: tuple[Value, ...], now: Moment) -> Row:
        """Return plainly good values as the row of this moment; the clock must be synchronised."""
        return Row(self._next_ms(device, now), device, names, values)

    def stamped(self, device: str, readings: dict[str, Reading], now: Moment) -> list[Sample]:
        """Return the readings as samples of this moment."""
        time_ms = self._next_ms(device, now)
        samples = [
            Sample(time_ms, device, name, reading.value, reading.quality, reading.error, now.clock)
            for name, reading in readings.items()
        ]
        if now.clock is not ClockState.UNSET:
            return samples
        return [
            replace(each, quality=Quality.UNCERTAIN) if each.quality is Quality.GOOD else each
            for each in samples
        ]

    def _next_ms(self, device: str, now: Moment) -> int:
        if now.era != self._era:
            self._era = now.era
            self._of_former_era |= self._last
            self._last.clear()
        time_ms = max(now.wall_ms, self._last.get(device, -1) + 1)
        if self._of_former_era:  # the first of an era may be earlier, but is never the same sample
            time_ms += time_ms == self._of_former_era.pop(device, -1)
        self._last[device] = time_ms
        return time_ms


@dataclass(frozen=True)
class Polled:
    """A device with how often it is asked, and whether alarms or controls depend on it."""

    driver: ModbusDevice
    interval_s: float
    urgent: bool = False


@dataclass
class Tally:
    """What went wrong with a device since the start."""

    no_line: bool = False
    """Whether the last request could not even be sent: the port or connection was gone."""
    timeouts: int = 0
    last_error: str = ""
    last_error_ms: int = 0
    good: bool = False
    """Whether it has given a good value."""


class LinePoller:
    """Polls the devices of one line until told to stop; a transaction under way is finished first."""

    def __init__(
        self,
        devices: Iterable[Polled],
        clock: Clock,
        stamps: Stamps,
        on_samples: Take,
        *,
        on_learnt: Callable[[], None] = lambda: None,
        begins_s: float | None = None,
    ) -> None:
        """``on_samples`` gets whatever was read, ``on_learnt`` is called when a device taught something.

        Everyone is due at ``begins_s``, by default at once. Lines that begin at the same moment wake together
        ever after, which costs less than one by one.
        """
        polled = list(devices)
        self.devices = {each.driver.device.name: each.driver for each in polled}
        self.tallies = {name: Tally() for name in self.devices}
        self._clock, self._stamps, self._on_samples = clock, stamps, on_samples
        self._on_learnt = on_learnt
        now_s = clock.s() if begins_s is None else begins_s
        self.schedule = Schedule(
            [
                Turn(name, Unit(each.driver.device.timeout_s), each.interval_s, each.urgent, now_s)
                for name, each in zip(self.devices, polled, strict=True)
            ],
            now_s,
        )
        self._commands = Commands(self.devices, self._tell_read_back, self._moved)
        self._request_s_max = request_s_max(each.driver.device.timeout_s for each in polled)
        self._rest_s_max = max((each.interval_s for each in polled), default=0.0) + BACK_OFF_MAX_S + LATE_S
        self.moves_by_s = now_s + self._request_s_max
        """When it will have gone on at the latest, unless it hangs."""
        self._told: set[str] = set()
        """Points of the cycle under way that were told already, before a command."""
        self._wake = Wake()
        self._stopping = False

    async def switch(self, switch: Switch, stands: Callable[[], bool] = always) -> str:
        """Switch an output and read it back; return "" or the error's name.

        It waits for at most one transaction that is under way. Where it does not stand any more when its turn
        comes, nothing is sent: WITHDRAWN.
        """
        return await self._commanded(switch, stands)

    async def write(self, write: Write, stands: Callable[[], bool] = always) -> str:
        """Write a value to an output and read it back, like ``switch``."""
        return await self._commanded(write, stands)

    async def broadcast(self, point: str, value: Value, profile: str) -> str:
        """Write a value to this point of all the line's devices of a profile, by its id, in one request.

        Return "" when they have had their time to take it, or the error's name. Nobody answers: whether they
        did, only reading them shows.
        """
        return await self._commanded(Broadcast(point, value, profile))

    async def look(self, look: Look) -> Looked | None:
        """Read a point now, after at most one transaction that is under way; None where too many wait."""
        done = self._commands.look(look)
        self._wake.set()
        return await done

    async def _commanded(self, order: Order, stands: Callable[[], bool] = always) -> str:
        done = self._commands.add(order, stands)
        self._wake.set()
        return await done

    def fed(self, devices: Iterable[str], *, powered: bool) -> None:
        """The feeder of these devices was switched."""
        if powered:
            self.schedule.energised(devices, self._clock.s())
            self._wake.set()
        else:
            self.schedule.unpowered(devices)

    def stop(self) -> None:
        """Ask ``run`` to end after the transaction under way; commands already given are still done."""
        self._stopping = True
        self._wake.set()

    def _moved(self) -> None:
        self.moves_by_s = self._clock.s() + self._request_s_max

    async def run(self) -> None:
        """Poll until stopped."""
        now_s = self._clock.s()
        while True:
            self.moves_by_s = now_s + self._request_s_max
            if self._commands:
                await self._commands.obey()
                now_s = self._clock.s()
            if self._stopping:
                return
            began_s = now_s
            turn, rest_s = self.schedule.choose(began_s)
            if turn is None:
                self.moves_by_s = now_s + min(rest_s + LATE_S, self._rest_s_max)
                await self._wake.wait(rest_s)
                now_s = self._clock.s()
                continue
            if not turn.powered:
                now = self._tell_unpowered(self.devices[turn.device])
            elif turn.unit.dead:
                now = await self._probe(turn)
            else:
                now = await self._poll(turn)
            now_s = now.s
            self.schedule.done(turn, began_s=began_s, now_s=now_s)

    async def _probe(self, turn: Turn) -> Moment:
        """Ask a dead device one cheap thing, and for everything if it answers; return when it was over."""
        device, unit = self.devices[turn.device], turn.unit
        device.timeout_s = unit.learnt_timeout_s()
        probe = await device.read_block(device.probe)
        self._note(device, probe.error)
        if probe.answer_s is None:
            self._failed(device, unit, probe.error)
            errors = dict.fromkeys(device.plan, probe.error) | device.reads.absent_errors
            return self._tell(device, errors, [])
        unit.answered(probe.answer_s)
        _log.warning("%s answers again", turn.device)
        self.schedule.revived(turn, self._clock.s())
        return await self._poll(turn)

    async def _poll(self, turn: Turn) -> Moment:
        """Ask a device for everything; return when it was over."""
        device, unit = self.devices[turn.device], turn.unit
        device.timeout_s = unit.learnt_timeout_s()
        answers: list[tuple[Block, Words]] = []
        answers_s = []
        cycle, tally = Cycle(device.reads, self._clock.now), self.tallies[turn.device]
        while (block := cycle.block) is not None:
            words, error, answer_s = await device.read_block(block)
            self._moved()
            cycle.take(error, answer_s)
            if error or tally.no_line:
                self._note(device, error)
            if not error:
                answers.append((block, words))
            if answer_s is not None:
                answers_s.append(answer_s)
            if self._commands:
                self._tell_before_commands(device, answers)
                await self._commands.obey()
            if self._stopping:
                break
        errors = cycle.errors()
        if answers_s:
            if not unit.answers_s or unit.dead:
                _log.info("%s answers", device.device.name)
            unit.answered(max(answers_s))
        else:
            self._failed(device, unit, next(iter(errors.values()), ""))
        for lesson in cycle.told:
            _log.warning("%s: %s", device.device.name, lesson)
        if cycle.changed:
            self._on_learnt()
        return self._tell(device, errors, answers)

    def _note(self, device: ModbusDevice, error: str) -> None:
        """Count what people are told of."""
        tally = self.tallies[device.device.name]
        tally.no_line = error == LineError.UNAVAILABLE
        if error:
            tally.timeouts += error == LineError.TIMEOUT
            tally.last_error, tally.last_error_ms = error, self._clock.now().wall_ms

    def _failed(self, device: ModbusDevice, unit: Unit, error: str) -> None:
        """Note a failed cycle; log the first of a device that never answered, and when it counts as dead."""
        if error in (LineError.UNAVAILABLE, LineError.HELD_BACK):
            return  # nobody was asked: that is no failure of the unit's
        was_dead = unit.dead
        unit.failed(timed_out=error == LineError.TIMEOUT)
        never = not unit.answers_s and unit.failures == 1
        if never or (unit.dead and not was_dead):
            name, unit_id = device.device.name, device.device.unit_id
            _log.warning("%s (unit_id %d) does not answer: %s", name, unit_id, error)

    def _tell(self, device: ModbusDevice, errors: dict[Block, str], answers: Answers) -> Moment:
        now = self._clock.now()
        told, self._told = self._told, set()
        if not errors and not told and now.clock is ClockState.SYNCHRONISED:
            values = device.values(answers)
            if values is not None:
                self.tallies[device.device.name].good = True
                self._on_samples([self._stamps.row(device.device.name, device.names, values, now)], now)
                return now
        readings = device.readings(answers, errors)
        for name in told:
            readings.pop(name, None)
        if errors:
            readings = {name: reading for name, reading in readings.items() if reading.error != "stopped"}
        if not (tally := self.tallies[device.device.name]).good:
            tally.good = any(reading.quality is Quality.GOOD for reading in readings.values())
        self._on_samples(self._stamps.stamped(device.device.name, readings, now), now)
        return now

    def _tell_before_commands(self, device: ModbusDevice, answers: Answers) -> None:
        """Tell what was read of a device that is commanded now: what it reads back comes after."""
        if not self._commands.concern(device.device.name):
            return
        readings = device.readings(answers, {})
        fresh = {
            name: reading
            for name, reading in readings.items()
            if reading.error != "not_read" and name not in self._told
        }
        self._told |= fresh.keys()
        if fresh:
            now = self._clock.now()
            self._on_samples(self._stamps.stamped(device.device.name, fresh, now), now)

    def _tell_unpowered(self, device: ModbusDevice) -> Moment:
        now = self._clock.now()
        readings = {name: Reading(None, Quality.UNPOWERED, "feeder_off") for name in device.device.points}
        self._on_samples(self._stamps.stamped(device.device.name, readings, now), now)
        return now

    def _tell_read_back(self, device: ModbusDevice, readings: dict[str, Reading]) -> None:
        now = self._clock.now()
        self._on_samples(self._stamps.stamped(device.device.name, readings, now), now)
