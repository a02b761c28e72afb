"""A whole gateway on virtual time: real settings, real driver, real buffer file, a simulated cabinet."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from contract import batches
from contract.events import Event
from contract.samples import ClockState, Sample
from contract.topics import Lane
from edge import checks
from edge.buffer.batch import Stored
from edge.buffer.keeper import Inline, Keeper
from edge.buffer.store import Buffer
from edge.clock import Moment
from edge.gateway import Gateway
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from edge.recorder import Recorder
from simulators import cabinet_file
from simulators.cabinet import Cabinet
from simulators.devices import ProfileDevice
from simulators.relay_board import RelayBoard
from simulators.virtual_loop import run_virtually
from simulators.wire import SimulatedWire

START_MS = 1_800_000_000_000


class LoopClock:
    """Moments from the running loop; the wall clock begins at ``START_MS``."""

    def now(self) -> Moment:
        """Return this moment."""
        ns = round(asyncio.get_running_loop().time() * 1e9)
        return Moment(ns, START_MS + ns // 1_000_000, ClockState.SYNCHRONISED)

    def s(self) -> float:
        """Return the loop's seconds."""
        return self.now().s


class VirtualSite:
    """The example settings' RS-485 line with its dust station and relay board, run on virtual time."""

    def __init__(self, settings: Path, cabinet: Path, state: Path) -> None:
        """Read both files; the buffer goes into ``state``."""
        self.settings, self.profiles = checks.load(settings)
        self.cabinet = Cabinet(cabinet_file.load(str(cabinet)), seed=1)
        self.wire = SimulatedWire(self.cabinet.buses["rs485-1"], 9600)
        self.state = state
        self.stored: list[Stored] = []
        self.keeper: Keeper = Inline()
        counter = itertools.count(1)
        self.ids: Callable[[], str] = lambda: f"{next(counter):032x}"

    @property
    def station(self) -> ProfileDevice:
        """The dust station."""
        device = self.cabinet.devices["station"]
        assert isinstance(device, ProfileDevice)
        return device

    @property
    def valve(self) -> bool:
        """Whether relay 1 is closed now, as the board knows it."""
        board = self.cabinet.devices["relays"]
        assert isinstance(board, RelayBoard)
        return board.outputs(now_ns())["relay_1"]

    def run(self, *acts: Callable[["VirtualSite", Gateway], Coroutine[Any, Any, None]]) -> list[Event]:
        """Run the gateway beside the acts until these end, then stop it; return its events in order."""
        return run_virtually(self._run(acts))

    async def _run(
        self, acts: tuple[Callable[["VirtualSite", Gateway], Coroutine[Any, Any, None]], ...]
    ) -> list[Event]:
        clock, keeper = LoopClock(), self.keeper
        buffer = Buffer(self.state / "buffer.db", "north", "site-1", self.ids(), self.ids)
        line = VirtualLine("rs485-1", Timing.of(9600, "N", 1), self.wire)
        gateway = Gateway(self.settings, self.profiles, {"rs485-1": line}, clock, self.ids)
        recorder = Recorder(
            buffer,
            keeper,
            clock,
            flush_interval_s=5,
            samples_per_batch_max=500,
            bytes_max=2**28,
            remembered=gateway.remembered,
            on_stored=self.stored.append,
        )
        gateway.attach(recorder, buffer)
        recording = asyncio.create_task(recorder.run())
        running = asyncio.create_task(gateway.run())
        for act in acts:
            await act(self, gateway)
        gateway.stop()
        await running
        await recorder.flush()
        recording.cancel()
        buffer.close()
        return self.events()

    def events(self) -> list[Event]:
        """Return everything that reached the events lane."""
        found = [batches.decode(batch.message) for batch in self.stored if batch.lane is Lane.EVENTS]
        return [event for batch in found for event in batch.events]

    def samples(self) -> list[Sample]:
        """Return everything that reached the telemetry lane."""
        found = [batches.decode(batch.message) for batch in self.stored if batch.lane is Lane.TELEMETRY]
        return [sample for batch in found for sample in batch.samples]


def now_ns() -> int:
    """Return the running loop's time."""
    return round(asyncio.get_running_loop().time() * 1e9)


def after(seconds: float) -> Callable[[VirtualSite, Gateway], Coroutine[Any, Any, None]]:
    """Return an act that waits."""

    async def wait(_site: VirtualSite, _gateway: Gateway) -> None:
        await asyncio.sleep(seconds)

    return wait
