"""Machines whose clocks are wrong in every way: ``python -m tests.faults.clocks``.

A machine begins in 1970 or a day off, is set by hand, goes backwards, drifts by a second a minute, has NTP
now and then, loses its power with and without a clock battery. On it run, on virtual time, the real clock,
stamps, recorder and buffer; a link that comes and goes carries batches, some of them again. What arrives is
decoded and held against the true time. The control is a gateway that believes any possible year.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from contract import batches
from contract.events import ClockStepped
from contract.samples import ClockState, Quality, Row, Sample
from contract.topics import Lane
from device_profiles.codec import Reading
from edge.buffer.keeper import Inline
from edge.buffer.store import Buffer
from edge.clock import CREDIBLE_FROM_MS, Clock, Moment, SystemClock, Timeline
from edge.polling import Stamps
from edge.recorder import Recorder
from simulators.virtual_loop import run_virtually

TRUE_START_MS = 1_800_000_000_000
DAY_MS = 86_400_000
BOOTS = 4
BOOT_S = (600, 7200)
DOWN_S = (5, 7200)
SAMPLE_S = 10.0
FLUSH_S = 30.0
LINK_S = 5.0
NTP_POLL_S = 32.0
"""A clock that loses a second a minute is then never off by more than 0.54 s while it is synchronised."""
ERROR_MS_MAX = 1000
DRIFTS = (0.0, 0.0, 20e-6, -50e-6, 1 / 60, -1 / 60)
BATTERY = ("none", "none", "good", "day_ahead", "day_behind")
SET_BY_MS = (DAY_MS, -DAY_MS, 600_000, -600_000, -1_200_000, 5_000, -5_000)
DEVICES = ("one", "two")
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def true_ms() -> int:
    """Return the true time; that of the virtual loop."""
    return TRUE_START_MS + round(asyncio.get_running_loop().time() * 1000)


class Machine:
    """One boot of a machine: an oscillator, a wall clock that can be set, and what the kernel says of it."""

    def __init__(self, random: Random, drift: float) -> None:
        """Boot; what the wall clock says then depends on the battery."""
        self._drift = drift
        self._booted_s = asyncio.get_running_loop().time()
        away = {"none": -true_ms(), "good": 300, "day_ahead": DAY_MS, "day_behind": -DAY_MS}
        self._wall_less_mono_ms = float(true_ms() + away[random.choice(BATTERY)])
        self.synchronised = False

    def mono_ns(self) -> int:
        """See time.monotonic_ns."""
        return round((asyncio.get_running_loop().time() - self._booted_s) * (1 + self._drift) * 1e9)

    def wall_ns(self) -> int:
        """See time.time_ns."""
        return self.mono_ns() + round(self._wall_less_mono_ms * 1e6)

    def set_wall(self, wall_ms: float, *, synchronised: bool) -> None:
        """See clock_settime, which takes the kernel's word back."""
        self._wall_less_mono_ms = wall_ms - self.mono_ns() / 1e6
        self.synchronised = synchronised

    async def live(self, random: Random) -> None:
        """NTP comes and goes, and somebody sets the clock."""
        while True:
            await asyncio.sleep(random.uniform(60, 1800))
            if random.random() < 0.35:
                self.set_wall(self.wall_ns() / 1e6 + random.choice(SET_BY_MS), synchronised=False)
                continue
            for _ in range(random.randrange(1, 60)):
                self.set_wall(true_ms(), synchronised=True)
                await asyncio.sleep(NTP_POLL_S)
            if abs(self._drift) < 1e-4 and random.random() < 0.5:
                continue  # gone, and the kernel goes on to believe in its clock
            self.synchronised = False


class Credulous:
    """The control: a clock that takes any possible year for synchronised."""

    def __init__(self, machine: Machine) -> None:
        """Read this machine's clocks."""
        self._machine = machine

    def now(self) -> Moment:
        """Return this moment."""
        wall_ms = self._machine.wall_ns() // 1_000_000
        credible = wall_ms >= CREDIBLE_FROM_MS
        state = ClockState.SYNCHRONISED if credible else ClockState.UNSET
        return Moment(self._machine.mono_ns(), max(0, wall_ms), state)

    def s(self) -> float:
        """Return the oscillator's seconds."""
        return self.now().s


@dataclass
class Truth:
    """What is known of a sample by who made it."""

    at_ms: int
    boot: int
    synchronised_boots: int


@dataclass
class Told:
    """What a world, or many, showed."""

    samples: int = 0
    missing: int = 0
    misordered: int = 0
    unmarked: int = 0
    rebased: int = 0
    rebased_wrong: int = 0
    two_forms: int = 0
    steps: int = 0
    states: dict[str, int] = field(default_factory=dict)
    example: str = ""

    def add(self, other: "Told") -> None:
        """Count another world in."""
        for name in (
            "samples", "missing", "misordered", "unmarked", "rebased", "rebased_wrong", "two_forms", "steps",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for state, count in other.states.items():
            self.states[state] = self.states.get(state, 0) + count
        self.example = self.example or other.example


class World:
    """One machine over some boots, and what arrived of it."""

    def __init__(self, seed: int, folder: Path, *, credulous: bool) -> None:
        """Draw everything from the seed."""
        self._random, self._folder, self._credulous = Random(seed), folder, credulous
        self._drift = self._random.choice(DRIFTS)
        self._ids = 0
        self._truth: list[Truth] = []
        self._messages: dict[tuple[str, str, int], bytes] = {}
        self._link_up = False
        self._synchronised_boots = 0
        self.two_forms = 0

    async def run(self) -> Told:
        """Let it all happen; the last boot ends with everything sent."""
        for number in range(BOOTS):
            await self._boot(number, last=number == BOOTS - 1)
            await asyncio.sleep(self._random.uniform(*DOWN_S))
        return self._judged()

    async def _boot(self, number: int, *, last: bool) -> None:
        machine = Machine(self._random, self._drift)
        timeline = Timeline()
        clock: Clock = (
            Credulous(machine)
            if self._credulous
            else SystemClock(timeline, lambda: machine.synchronised, machine.mono_ns, machine.wall_ns)
        )
        buffer = Buffer(
            self._folder / "buffer.db",
            "north",
            "gw-1",
            self._id(),
            self._id,
            lambda: clock.now().wall_ms,
            offset_ms=lambda: timeline.offset_ms,
        )
        timeline.known(buffer.committed_ms())
        sent = dict.fromkeys(Lane, 0)
        recorder = Recorder(
            buffer,
            Inline(),
            clock,
            flush_interval_s=FLUSH_S,
            samples_per_batch_max=500,
            bytes_max=2**28,
            remembered=dict,
            on_stored=lambda _: None,
            leaves_at_once=lambda lane: self._link_up and sent[lane] + 1 == _following(buffer, lane),
        )
        timeline.on_step = lambda step: recorder.event(
            ClockStepped(
                self._id(), step.moment.wall_ms, step.from_ms, step.to_ms, step.before, step.moment.clock
            )
        )
        tasks = [
            asyncio.create_task(each)
            for each in (
                machine.live(self._random),
                recorder.run(),
                self._measure(number, machine, clock, recorder),
                self._toggle_link(),
                self._send(buffer, clock, sent),
            )
        ]
        await asyncio.sleep(self._random.uniform(*BOOT_S))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if last or self._random.random() < 0.5:
            await recorder.flush()
            if last:
                sent.update(dict.fromkeys(Lane, 0))
                self._carry(buffer, clock, sent)
            buffer.close()
        else:
            buffer.close(clean=False)
        self._synchronised_boots += timeline.offset_ms is not None
        for task in tasks:
            if not task.cancelled() and (error := task.exception()):
                raise error

    async def _measure(self, boot: int, machine: Machine, clock: Clock, recorder: Recorder) -> None:
        stamps = Stamps()
        while True:
            for device in DEVICES:
                now = clock.now()
                serial = len(self._truth)
                self._truth.append(Truth(true_ms(), boot, self._synchronised_boots))
                if now.clock is ClockState.SYNCHRONISED:
                    measured: list[Sample | Row] = [stamps.row(device, ("serial",), (serial,), now)]
                else:
                    reading = Reading(serial, Quality.GOOD)
                    measured = [*stamps.stamped(device, {"serial": reading}, now)]
                recorder.samples(measured, now)
            await asyncio.sleep(SAMPLE_S * self._random.uniform(0.5, 1.5))

    async def _toggle_link(self) -> None:
        while True:
            self._link_up = self._random.random() < 0.5
            await asyncio.sleep(self._random.expovariate(1 / 900))

    async def _send(self, buffer: Buffer, clock: Clock, sent: dict[Lane, int]) -> None:
        while True:
            if self._link_up:
                self._carry(buffer, clock, sent)
                if self._random.random() < 0.2:  # nothing was heard: all of it again
                    sent.update(dict.fromkeys(Lane, 0))
            await asyncio.sleep(LINK_S)

    def _carry(self, buffer: Buffer, clock: Clock, sent: dict[Lane, int]) -> None:
        """Send what follows; some of it is acknowledged."""
        [held] = buffer.ranges()
        for lane in Lane:
            for sequence in range(max(held.lanes[lane].first, sent[lane] + 1), held.lanes[lane].next):
                stored = buffer.to_send(lane, sequence, clock.now())
                if stored is None:
                    raise AssertionError(f"{lane} {sequence} is not there")
                key = (held.epoch, str(lane), sequence)
                self.two_forms += self._messages.setdefault(key, stored.message) != stored.message
                sent[lane] = sequence
                if self._random.random() < 0.1 and not buffer.acknowledge(
                    lane, sequence, batches.digest(stored.message)
                ):
                    raise AssertionError(f"{lane} {sequence} is not taken for what was sent")

    def _id(self) -> str:
        self._ids += 1
        return f"{self._ids:032x}"

    def _judged(self) -> Told:
        told = Told(two_forms=self.two_forms)
        last: dict[tuple[object, ...], int] = {}
        found: dict[int, tuple[Sample, bool]] = {}
        for message in self._messages.values():
            batch = batches.decode(message)
            told.steps += sum(isinstance(event, ClockStepped) for event in batch.events)
            for sample in batch.samples:
                if not isinstance(sample.value, int):
                    raise TypeError(f"no serial: {sample}")
                found[sample.value] = sample, batch.header.offset_ms is not None
        for serial, (sample, rebased) in sorted(found.items()):
            truth = self._truth[serial]
            told.samples += 1
            told.states[sample.clock] = told.states.get(sample.clock, 0) + 1
            error_ms = abs(sample.time_ms - truth.at_ms)
            # What a bad oscillator adds over a boot nobody can know; it is why it is no more than holdover.
            allowed_ms = ERROR_MS_MAX + abs(self._drift) * BOOT_S[1] * 1000
            wrong = error_ms > (allowed_ms if rebased else ERROR_MS_MAX)
            told.rebased += rebased
            told.rebased_wrong += rebased and wrong
            told.unmarked += wrong and (sample.clock is ClockState.SYNCHRONISED or rebased)
            series = (sample.device, *_worth(sample, truth))
            if sample.time_ms <= last.get(series, -1):
                told.misordered += 1
                told.example = told.example or f"{sample} after {last[series]}"
            last[series] = sample.time_ms
        return told


def _worth(sample: Sample, truth: Truth) -> tuple[object, ...]:
    """Return what a sample's time is compared with: times of the same worth."""
    if sample.clock is ClockState.SYNCHRONISED:
        return (sample.clock,)
    if sample.clock is ClockState.HOLDOVER:
        return sample.clock, truth.boot
    return sample.clock, truth.synchronised_boots


def _following(buffer: Buffer, lane: Lane) -> int:
    return buffer.ranges()[0].lanes[lane].next


def play(
    seed: int, worlds: int, *, credulous: bool = False, progress: Callable[[], None] = lambda: None
) -> Told:
    """Play so many worlds; return what they showed together."""
    told = Told()
    for number in range(worlds):
        with tempfile.TemporaryDirectory(prefix="gengfu-clocks-", dir=MEMORY) as folder:
            told.add(run_virtually(World(seed * 100_000 + number, Path(folder), credulous=credulous).run()))
        progress()
    return told


def main() -> None:
    """Play it and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    told = play(given.seed, given.worlds, progress=lambda: print(".", end="", file=sys.stderr, flush=True))
    control = play(given.seed, max(1, given.worlds // 4), credulous=True)
    print(f"{told.samples} samples of {given.worlds} machines: {told.states}; {told.steps} steps told")
    print(f"{told.rebased} put on their right times, {told.rebased_wrong} of them wrong")
    if told.example:
        print(told.example)
    figures = {
        "clock_samples": told.samples,
        "clock_misordered": told.misordered,
        "clock_unmarked": told.unmarked,
        "clock_rebased": told.rebased,
        "clock_two_forms": told.two_forms,
        "clock_control_misordered": control.misordered,
        "clock_control_unmarked": control.unmarked,
    }
    conditions = {"worlds": given.worlds, "boots": BOOTS, "seed": given.seed}
    print(json.dumps({"name": "clocks", "figures": figures, "conditions": conditions}))
    if not is_sound(told, control):
        sys.exit(1)


def is_sound(told: Told, control: Told) -> bool:
    """Say whether nothing was found that should not be, and the control found what it should."""
    clean = not (told.misordered or told.unmarked or told.two_forms)
    return clean and told.rebased > 0 and control.misordered > 0 and control.unmarked > 0


if __name__ == "__main__":
    main()
