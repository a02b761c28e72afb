"""The shipped lighting cabinet with a whole gateway before it, on virtual time: its lives and its clock."""

import asyncio
import itertools
import json
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contract import batches
from contract.events import AlarmCleared, AlarmRaised, Event, LampNight
from contract.samples import ClockState, Value
from contract.topics import Lane
from edge import checks
from edge.buffer.batch import Stored
from edge.buffer.keeper import Inline
from edge.buffer.store import Buffer
from edge.clock import Moment
from edge.gateway import Gateway
from edge.lamps.events import Happened, LampEvent
from edge.lamps.night_file import KeepingNights
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from edge.recorder import Recorder
from simulators import cabinet_file
from simulators.cabinet import Cabinet
from simulators.virtual_loop import run_virtually
from simulators.wire import SimulatedWire

FOUR_PM_MS = 1_800_000_000_000
"""2027-01-15 16:00 in Chongqing, which is when the loop's time is 0."""
MINUTE_S, HOUR_S = 60.0, 3600.0
GATEWAY = "lighting-1"
SHIPPED = (cabinet_file.SHIPPED / "lighting.toml").read_text()
CIRCUIT = {"north": (1, 3, 4), "south": (2, 5, 6)}
"""Relay, feedback input and breaker input of each."""


class StreetClock:
    """A clock that can be set: ``wrong_ms`` is what it is off by, ``state`` what it says of itself."""

    def __init__(self) -> None:
        """Right, and sure of it."""
        self.wrong_ms, self.state, self.era = 0, ClockState.SYNCHRONISED, 0

    def set(self, wrong_ms: int, state: ClockState) -> None:
        """Let time be another from now on."""
        self.wrong_ms, self.state, self.era = wrong_ms, state, self.era + 1

    def s(self) -> float:
        """Monotonic seconds."""
        return asyncio.get_running_loop().time()

    def now(self) -> Moment:
        """Return this moment."""
        ns = round(asyncio.get_running_loop().time() * 1e9)
        return Moment(ns, FOUR_PM_MS + ns // 1_000_000 + self.wrong_ms, self.state, self.era)


def settings(
    lamps: Iterable[int] = range(11, 19),
    circuits: Iterable[str] = ("north", "south"),
    *,
    lighting: str = "",
    interval_s: float = 10,
    more: str = "",
) -> str:
    """Return the settings of a gateway that knows these of the cabinet's lamps and circuits."""
    lamps = list(lamps)
    tables = [
        f'schema = 1\ndistrict = "north"\ngateway = "{GATEWAY}"\n[broker]\nhost = "127.0.0.1"\n',
        f"[lighting]\n{lighting}\n",
        '[[lines]]\nkind = "serial"\nname = "rs485-1"\nport = "/dev/null"\nbaud = 9600\n',
    ]

    def device(name: str, unit_id: int, profile: str, *own: str) -> None:
        text = f'name = "{name}"\nline = "rs485-1"\nunit_id = {unit_id}\nprofile = "{profile}"\n'
        tables.append(f"[[devices]]\n{text}interval_s = {interval_s}\n" + "".join(f"{it}\n" for it in own))

    device("relays", 1, "waveshare_relay_8")
    device("inputs", 2, "waveshare_io_8")
    device("light", 4, "sen0644")
    for number in lamps:
        feedback = CIRCUIT["north" if number < 15 else "south"][1]
        device(f"lamp-{number}", number, "street_lamp_controller", f'feeder = "inputs/input_{feedback}"')
        rated_w = 120 if number < 15 else 90
        tables.append(
            f'[[lamps]]\nname = "lamp-{number}"\noutput = "lamp-{number}/target_light_command"\n'
            f"rated_power_w = {rated_w}\n"
        )
    for name in circuits:
        relay, feedback, breaker = CIRCUIT[name]
        tables.append(
            f'[[lamps]]\nname = "{name}"\noutput = "relays/relay_{relay}"\n'
            f'actual = "inputs/input_{feedback}"\nbreaker = "inputs/input_{breaker}"\n'
            'local = "inputs/input_2"\n'
        )
    return "".join(tables) + more


def plan(
    levels: Mapping[str, int], circuits: Mapping[str, int], lamps: Sequence[str], names: Sequence[str]
) -> str:
    """Return a plan: lamps and circuits by local time of day; both always active."""

    def program(key: str, controls: Mapping[str, int]) -> dict[str, object]:
        fixed = [{"start_time": time, "level": level} for time, level in controls.items()]
        return {"id": key, "fixed_time_controls": fixed}

    assigned = {"lamps": lamps, "circuits": names}
    return json.dumps(
        {
            "schema": 1,
            "name": "test",
            "place": {"latitude_deg": 29.56, "longitude_deg": 106.55},
            "programs": [program("lamps", levels), program("circuits", circuits)],
            "calendars": [{"id": key, "default_program": key} for key, those in assigned.items() if those],
            "cabinets": [{"gateway": GATEWAY, "lamps": [*lamps, *names]}],
            "assignments": [
                {"calendar": key, "addresses": [f"{GATEWAY}/{it}" for it in those]}
                for key, those in assigned.items()
                if those
            ],
        }
    )


class Street:
    """The cabinet, its line, and the gateways that live before it one after the other."""

    def __init__(self, folder: Path, text: str, story: Iterable[tuple[float, str, str]] = ()) -> None:
        """``story`` is (second, what, to whom)."""
        told = "".join(
            f'[[story]]\nat_s = {at}\nwhat = "{what}"\ndevice = "{who}"\n' for at, what, who in story
        )
        (folder / "cabinet.toml").write_text(SHIPPED[: SHIPPED.index("[[story]]")] + told)
        (folder / "gateway.toml").write_text(text)
        self.folder = folder
        self.settings, self.profiles = checks.load(folder / "gateway.toml")
        self.cabinet = Cabinet(cabinet_file.load(str(folder / "cabinet.toml")), seed=1)
        self.wire = SimulatedWire(self.cabinet.buses["rs485-1"], 9600)
        self.clock = StreetClock()
        self.documents: dict[str, str] = {}
        """What the gateway has stored; it is in force soon after each start."""
        self.keeps_nights = False
        """Whether the night so far is kept in its file, as a real gateway does."""
        self.happened: list[LampEvent] = []
        self._stored: list[Stored] = []
        self._ids = map("{:032x}".format, itertools.count(1))
        self._tasks: list[asyncio.Task[Any]] = []

    def run(self, story: Callable[["Street"], Coroutine[Any, Any, None]]) -> None:
        """Run the story on virtual time."""

        async def told() -> None:
            await self.start()
            await story(self)
            await self.stop()

        run_virtually(told())

    async def start(self, *, disk: bool = True) -> None:
        """Let a gateway begin, with what is on the disk; without ``disk`` it has none."""
        self._buffer = Buffer(
            self.folder / "buffer.db", "north", GATEWAY, next(self._ids), lambda: next(self._ids)
        )
        self._line = VirtualLine("rs485-1", Timing.of(9600, "N", 1), self.wire)
        self.gateway = Gateway(
            self.settings, self.profiles, {"rs485-1": self._line}, self.clock, lambda: next(self._ids)
        )
        self.gateway.lamps.listeners.append(self.happened.append)
        self._recorder = Recorder(
            self._buffer,
            Inline(),
            self.clock,
            flush_interval_s=60,
            samples_per_batch_max=500,
            bytes_max=2**28,
            remembered=self.gateway.remembered,
            on_stored=self._stored.append,
        )
        if disk:
            self.gateway.attach(self._recorder, self._buffer)
        self._recording = asyncio.create_task(self._recorder.run())
        self._nights = (
            KeepingNights(self.folder, Inline(), self.gateway.nights) if self.keeps_nights else None
        )
        self._keeping = asyncio.create_task(self._nights.run()) if self._nights else None
        self._running = asyncio.create_task(self.gateway.run())
        for kind, body in self.documents.items():
            assert self.gateway.in_force(kind, body) == []

    async def stop(self) -> None:
        """Let it end in an orderly way."""
        self.gateway.stop()
        await self._running
        await self._recorder.flush()
        self._recording.cancel()
        if self._nights and self._keeping:
            self._keeping.cancel()
            await self._nights.keep()
        self._buffer.close()

    async def kill(self) -> None:
        """Let it die: nobody is asked, nothing more is kept."""
        self._running.cancel()
        self._recording.cancel()
        tasks = [self._running, self._recording]
        if self._keeping:
            self._keeping.cancel()
            tasks.append(self._keeping)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._buffer.close(clean=False)

    def level(self, number: int) -> int:
        """Return what a lamp gives, as it knows itself."""
        return self._truth(f"lamp-{number}/actual_light_state")

    def target(self, number: int) -> int:
        """Return what a lamp is commanded to, as it knows itself."""
        return self._truth(f"lamp-{number}/target_light_command")

    def messages(self) -> list[bytes]:
        """Return the batches of the events lane, as they are sent."""
        return [batch.message for batch in self._stored if batch.lane is Lane.EVENTS]

    def events(self) -> list[Event]:
        """Return everything that reached the events lane."""
        return [event for message in self.messages() for event in batches.decode(message).events]

    def surprises(self) -> list[Event]:
        """Return what reached it beyond the records of nights, which a gateway that stops tells anyway."""
        return [event for event in self.events() if not isinstance(event, LampNight)]

    def raised(self) -> list[tuple[str, str]]:
        """Return (problem, device) of each alarm that was raised, in order."""
        return [(it.problem, it.device) for it in self.events() if isinstance(it, AlarmRaised)]

    def cleared(self) -> list[tuple[str, str]]:
        """Return the same of those that were cleared."""
        return [(it.rule, it.device) for it in self.events() if isinstance(it, AlarmCleared)]

    def told(self, lamp: str, *kinds: Happened) -> list[LampEvent]:
        """Return what happened to a lamp."""
        return [it for it in self.happened if it.lamp == lamp and it.what in kinds]

    def truth(self) -> Mapping[str, Value]:
        """Return what every register should read at this moment, by "device/point"."""
        return self.cabinet.truth(round(asyncio.get_running_loop().time() * 1e9))["values"]

    def _truth(self, name: str) -> int:
        value = self.truth()[name]
        assert isinstance(value, int)
        return value
