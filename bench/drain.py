"""A backlog drains: ``python -m bench.drain``; a real gateway, broker and centre, on real files.

First ``--days`` of backlog at 40 samples a second (``bench/backlog.py``), as fast as both ends can on one
machine: from the gateway's start until the series' own cursor, on disk, has passed the last batch. Then
``--link-days`` over a link of 1 Mbit/s with 500 ms there and back that is reset every one to three minutes,
while the gateway reads a device each second and somebody watches its values.

``lost`` is what either backlog holds and the series do not; count, first and last time and a sum over times,
values and errors of every series must agree. ``link_used``: bytes of batches, each counted once, of what the
link could carry from the gateway's start to the last of them. ``live_age_p95_s``: how old a value is, by the
gateway's time, when it comes out of the centre's event stream, while the backlog drains;
``live_age_p95_fixed_s`` is the same with a window that does not follow the link. ``--weaken`` lets the
gateway believe PUBACKs, and kills and wipes the broker while the centre is away: samples must be missing.
"""

import argparse
import asyncio
import json
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import httpx

from bench import backlog
from bench.backlog import Sums
from bench.baselines.asked import REGISTERS
from bench.baselines.running import Running, child, cpu_s, end, memory_kib
from bench.gateway import CENTRE, DEVICE, GATEWAY, PROFILE
from bench.telling import progress
from gengfu.demo.processes import die_with_parent
from simulators.mosquitto import Mosquitto
from simulators.slow_link import SlowLink

DISTRICT, NAME = "bench", "gw"
SAMPLES_PER_S = 40
BITS_PER_S, ONE_WAY_S = 1_000_000, 0.25
QUEUE_BYTES_MAX = 64 * 1024
LINK_USED_MIN = 0.85
"""Of a day; a shorter backlog has its start to pay for, too."""
RESET_AFTER_S = (60.0, 180.0)
POLL_S = 0.25
DRAIN_S_MAX = 3600.0
CENTRE_AWAY_S, STILL_S = 3.0, 20.0
FIXED = "window_delay_s = 0\nwindow_batches_max = 1000\n"


@dataclass
class Drained:
    """What one drain took."""

    seconds: float
    samples: int
    lost: int
    wrong_series: int
    rss_edge_mib: float
    rss_collector_mib: float
    cpu_edge_s: float
    cpu_collector_s: float
    payload_bytes: int = 0
    carried_bytes: int = 0
    resets: int = 0
    ages_s: list[float] = field(default_factory=list)


class Play:
    """One backlog in a folder of its own, and the programs that drain it."""

    def __init__(self, folder: Path, hours: int) -> None:
        """Make the backlog."""
        folder.mkdir(parents=True)
        self.folder = folder
        (folder / "state").mkdir()
        buffer = folder / "state" / "buffer.db"
        progress(f"{hours} hours of backlog")
        self.sums: Sums = backlog.fill(buffer, DISTRICT, NAME, hours)
        self.epoch, self.last = backlog.epoch_of(buffer)
        self.broker = Mosquitto(folder / "broker", in_child=die_with_parent)

    @property
    def samples(self) -> int:
        """How many there are."""
        return self.sums.counts.total()

    @contextmanager
    def running_broker(self) -> Iterator[None]:
        """Run the broker."""
        self.broker.start()
        try:
            yield
        finally:
            self.broker.stop()

    @contextmanager
    def centre(self) -> Iterator[Running]:
        """Run the centre."""
        settings = self.folder / "centre.toml"
        settings.write_text(CENTRE % self.broker.port)
        arguments = ("gengfu.main", "collector", "run", "--settings", str(settings))
        with child("centre", self.folder, *arguments) as centre:
            yield centre

    @contextmanager
    def gateway(self, broker_port: int, more: str = "", *, weakened: bool = False) -> Iterator[Running]:
        """Run the gateway with one device; a weakened one deletes what the broker has taken."""
        with child("devices", self.folder, "bench.baselines.devices", "--devices", "1") as devices:
            (self.folder / "profiles").mkdir(exist_ok=True)
            (self.folder / "profiles" / "bench_meter.toml").write_text(PROFILE % REGISTERS)
            settings = GATEWAY % (broker_port, 0) + more
            settings += DEVICE.format(number=1, port=devices.told["ports"][0], interval_s=1)
            (self.folder / "gateway.toml").write_text(settings)
            program = ["gengfu.demo.weakened"] if weakened else ["gengfu.main", "edge", "run"]
            arguments = [*program, "--settings", str(self.folder / "gateway.toml")]
            with child("gateway", self.folder, *arguments) as gateway:
                yield gateway

    def progressed(self) -> tuple[int, int]:
        """Return the centre's mark, and whether all of the backlog is in the series."""
        return backlog.mark(self.folder / "centre", NAME, self.epoch, self.last)

    def outcome(self) -> tuple[int, int]:
        """Return how many samples are missing at the stopped centre, and how many series are not as sent."""
        progress("counting what has arrived")
        there = backlog.found(self.folder / "centre", NAME, self.sums)
        return (self.sums.counts - there.counts).total(), self.sums.wrong(there)


async def drained(
    play: Play, *, link: SlowLink | None = None, more: str = "", watch: bool = False
) -> Drained:
    """Drain a backlog to its end, or until nothing has moved for a minute."""
    stack, ages_s = ExitStack(), list[float]()
    with stack:
        await asyncio.to_thread(stack.enter_context, play.running_broker())
        centre = await asyncio.to_thread(stack.enter_context, play.centre())
        port = play.broker.port
        if link:
            port = link.port
        since_s = time.monotonic()
        gateway = await asyncio.to_thread(stack.enter_context, play.gateway(port, more))
        watching = asyncio.create_task(_watch(centre.told["url"], ages_s)) if watch else None
        try:
            arrived_s = await _until_drained(play, since_s)
        finally:
            if watching:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        took = {
            "rss_edge_mib": memory_kib(gateway.pid)[1] / 1024,
            "rss_collector_mib": memory_kib(centre.pid)[1] / 1024,
            "cpu_edge_s": cpu_s(gateway.pid),
            "cpu_collector_s": cpu_s(centre.pid),
        }
        seconds = (arrived_s if link else time.monotonic()) - since_s
        await asyncio.to_thread(end, gateway)
        await asyncio.to_thread(end, centre)
    lost, wrong = play.outcome()
    return Drained(
        seconds,
        play.samples,
        lost,
        wrong,
        **took,
        payload_bytes=backlog.payload_bytes(play.folder / "centre", NAME, play.epoch, play.last),
        carried_bytes=link.up.carried if link else 0,
        resets=link.resets if link else 0,
        ages_s=ages_s,
    )


async def _until_drained(play: Play, since_s: float) -> float:
    """Wait for the last batch in the series; return when it was in the journal."""
    arrived_s, told_s = 0.0, since_s
    while True:
        upto, done = await asyncio.to_thread(play.progressed)
        now_s = time.monotonic()
        if upto >= play.last and not arrived_s:
            arrived_s = now_s
        if done:
            return arrived_s
        if now_s - told_s > 15:
            told_s = now_s
            progress(f"{upto:,} of {play.last:,} batches after {now_s - since_s:.0f} s")
        if now_s - since_s > DRAIN_S_MAX:
            sys.exit(f"not drained after {DRAIN_S_MAX:.0f} s: {upto} of {play.last}")
        await asyncio.sleep(POLL_S)


async def _watch(url: str, ages_s: list[float]) -> None:
    """Note how old the newest sample of each event is, as somebody who watches sees it."""
    async for samples in _events(f"{url}/api/v1/gateways/{NAME}/live"):
        now_s = time.time()
        ages_s += [now_s - max(sample["time_ms"] for sample in samples) / 1000]


async def _events(url: str) -> AsyncIterator[list[dict[str, float]]]:
    async with httpx.AsyncClient(timeout=None) as client, client.stream("GET", url) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: ") and (samples := json.loads(line[6:])["items"]):
                yield samples


def p95(ages_s: list[float]) -> float | None:
    """Return the age that 95 of 100 do not exceed."""
    return round(quantiles(ages_s, n=20, method="inclusive")[-1], 2) if len(ages_s) > 1 else None


async def over_the_link(folder: Path, hours: int, seed: int, *, more: str = "") -> Drained:
    """Drain over the slow link while somebody watches."""
    play = Play(folder, hours)
    async with SlowLink(
        "127.0.0.1",
        play.broker.port,
        bits_per_s=BITS_PER_S,
        delay_s=ONE_WAY_S,
        queue_bytes_max=QUEUE_BYTES_MAX,
        reset_after_s=RESET_AFTER_S,
        seed=seed,
    ) as link:
        return await drained(play, link=link, more=more, watch=True)


def weakened(folder: Path, hours: int) -> int:
    """Let the gateway believe the broker, wipe that while the centre is away; return what is missing."""
    play = Play(folder, hours)
    with play.running_broker(), ExitStack() as stack:
        with play.centre() as centre:
            gateway = stack.enter_context(play.gateway(play.broker.port, weakened=True))
            while play.progressed()[0] < play.last // 3:
                time.sleep(0.02)
            end(centre)
        time.sleep(CENTRE_AWAY_S)
        play.broker.kill()
        play.broker.wipe()
        play.broker.start()
        with play.centre() as centre:
            upto, still_s = 0, 0.0
            while still_s < STILL_S and not play.progressed()[1]:
                time.sleep(POLL_S)
                before, upto = upto, play.progressed()[0]
                still_s = still_s + POLL_S if upto == before else 0.0
            end(gateway)
            end(centre)
    return play.outcome()[0]


def figures_of(fast: Drained | None, slow: Drained | None, fixed: Drained | None) -> dict[str, float | None]:
    """Return the figures of what was played."""
    played = [each for each in (fast, slow, fixed) if each]
    figures: dict[str, float | None] = {
        "lost": sum(each.lost for each in played),
        "wrong_series": sum(each.wrong_series for each in played),
    }
    if fast:
        figures |= {
            "samples": fast.samples,
            "drain_samples_per_s": round(fast.samples / fast.seconds),
            "drain_s": round(fast.seconds, 1),
            "drain_cpu_edge_s": round(fast.cpu_edge_s, 1),
            "drain_cpu_collector_s": round(fast.cpu_collector_s, 1),
        }
    if played:
        figures["rss_edge_mib"] = round(max(each.rss_edge_mib for each in played), 1)
        figures["rss_collector_mib"] = round(max(each.rss_collector_mib for each in played), 1)
    for name, each in (("", slow), ("_fixed", fixed)):
        if each:
            figures |= {
                f"link_used{name}": round(each.payload_bytes * 8 / BITS_PER_S / each.seconds, 3),
                f"link{name}_s": round(each.seconds, 1),
                f"link_resets{name}": each.resets,
                f"link_carried_over_payload{name}": round(each.carried_bytes / each.payload_bytes, 3),
                f"live_age_p95{name}_s": p95(each.ages_s),
                f"live_age_max{name}_s": round(max(each.ages_s, default=0), 2),
                f"live_events{name}": len(each.ages_s),
            }
    return figures


def verdict(figures: dict[str, float | None]) -> Iterator[str]:
    """Yield what is not as it must be."""
    if figures["lost"] or figures["wrong_series"]:
        yield f"{figures['lost']} samples lost, {figures['wrong_series']} series not as they were sent"
    if (figures.get("link_used") or 1) < LINK_USED_MIN:
        yield f"only {figures['link_used']} of the link was used for batches"
    if "live_age_p95_s" in figures and (figures["live_age_p95_s"] or 99) > 5:
        yield f"live values were {figures['live_age_p95_s']} s old"
    if "live_age_p95_fixed_s" in figures and (figures["live_age_p95_fixed_s"] or 99) <= 5:
        yield "a fixed window kept live values as young: the control shows nothing"


def main() -> None:
    """Measure, print a table, end with one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=float, default=7, help="Backlog on loopback; 0 leaves it out.")
    parser.add_argument("--link-days", type=float, default=1, help="Backlog on the link; 0 leaves it out.")
    parser.add_argument("--fixed-days", type=float, default=0.25, help="The control with a fixed window.")
    parser.add_argument("--seed", type=int, default=1, help="When the link is reset.")
    parser.add_argument("--weaken", action="store_true", help="Delete on PUBACK, and wipe the broker.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gengfu-drain-") as name:
        folder = Path(name)
        if given.weaken:
            figures: dict[str, float | None] = {"lost": weakened(folder / "weak", _hours(given.days))}
            failures = [] if figures["lost"] else ["a gateway that believed the broker lost nothing"]
        else:
            fast = asyncio.run(drained(Play(folder / "fast", _hours(given.days)))) if given.days else None
            slow = fixed = None
            if given.link_days:
                slow = asyncio.run(over_the_link(folder / "link", _hours(given.link_days), given.seed))
            if given.fixed_days:
                hours = _hours(given.fixed_days)
                fixed = asyncio.run(over_the_link(folder / "fixed", hours, given.seed, more=FIXED))
            figures = figures_of(fast, slow, fixed)
            failures = list(verdict(figures))
    for key, value in figures.items():
        print(f"{key:<32}{value!s:>14}")
    conditions = {
        "days": given.days,
        "link_days": given.link_days,
        "fixed_days": given.fixed_days,
        "seed": given.seed,
        "weakened": given.weaken,
        "samples_per_batch": SAMPLES_PER_S * backlog.FLUSH_S,
        "bits_per_s": BITS_PER_S,
        "round_trip_s": 2 * ONE_WAY_S,
        "queue_bytes_max": QUEUE_BYTES_MAX,
        "reset_after_s": RESET_AFTER_S,
        "python": platform.python_version(),
    }
    print(json.dumps({"name": "drain", "figures": figures, "conditions": conditions}))
    if failures:
        sys.exit("; ".join(failures))


def _hours(days: float) -> int:
    return max(1, round(days * 24))


if __name__ == "__main__":
    main()
