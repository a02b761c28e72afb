"""A gateway is killed between the note of a command and its end: ``python -m tests.faults.killed_commands``.

Real gateways, a real broker, a relay board on a pty that is simulated from its vendor's document. SIGKILL
comes the moment that the note is on disk, or that the board has switched, or at any time; then the gateway is
started again, and the command comes again. The answer must be that nobody knows, or how it ended; the relay
must have been switched once at most, and never by a gateway that says that nobody knows.

The control is a gateway that remembers no command: it switches after it has said that nobody knows.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random

import aiomqtt

from contract import commands, topics
from contract.commands import Command, CommandKind, CommandRefusal
from contract.events import CommandOutcome, CommandResult
from contract.signing import COMMAND_TYPE, SigningKey
from device_profiles.schema import Table
from edge.remote.ledger import FILE_NAME, Ledger
from edge.remote.memory import Memory, Since
from gengfu.demo.processes import die_with_parent
from simulators.mosquitto import Mosquitto
from simulators.relay_board import RelayBoard
from simulators.servers import HOST
from tests.edge.real_cabinet import DISTRICT, GATEWAY, RealCabinet
from tests.faults.dead_gateway import CABINET, settings

OUTPUT = "relays/relay_1"
DAY_MS = 86_400_000
PATIENCE_S = 60.0
"""For what has no time of its own, such as the start of a process on a busy machine."""
LOOK_S = 0.02
LOOKS = 3
"""So often the relays are read after all, half a second apart: what is to be switched is by then."""
ANY_TIME_S = 0.15
"""So long after the command at most a gateway is killed at any time."""
SOURCE = Path(__file__).with_name("killing_sync.c")


class Moment(StrEnum):
    """When the gateway is killed."""

    NOTED = "noted"  # the note is on disk, and nothing is done
    SWITCHED = "switched"  # the board has switched, and nobody has heard so
    ANY = "any"


@dataclass
class Death:
    """What came of one command whose gateway was killed."""

    moment: Moment
    outcomes: Counter[tuple[CommandOutcome, CommandRefusal | None]] = field(default_factory=Counter)
    switched: int = 0
    """How often the board was told to switch on."""
    switched_after: int = 0
    """The same of the second life."""

    @property
    def wrong(self) -> list[str]:
        """Say what must not be."""
        told = {outcome for outcome, _ in self.outcomes}
        unknown = CommandOutcome.INDETERMINATE in told
        found = {
            "it was switched twice": self.switched > 1,
            "it was switched by a gateway that says that nobody knows": unknown and self.switched_after > 0,
            "nobody has told how it ended": not told,
            "it was told in two ways": len(told) > 1,
            "it was done, and is not told as that": self.moment is Moment.SWITCHED and not unknown,
            "it was not done, and is not told as unknown": self.moment is Moment.NOTED and not unknown,
            "it was told as done, and was not": CommandOutcome.DONE in told and not self.switched,
            "the board was not told as planned": self.moment is not Moment.ANY
            and self.switched - self.switched_after != (self.moment is Moment.SWITCHED),
        }
        return [text for text, is_so in found.items() if is_so]


class Site(RealCabinet):
    """One cabinet, its gateway and a broker."""

    def __init__(self, folder: Path, *, forgetful: bool = False) -> None:
        """Write its files; its memory of commands began a day ago."""
        folder.mkdir(parents=True)
        self._armed = folder / "armed"
        self.broker = Mosquitto(folder / "broker", in_child=die_with_parent)
        self.key = SigningKey.make()
        reached = f"port = {self.broker.port}\nreconnect_min_s = 0.1\n"
        centre = f'[centre]\npublic_keys = ["{self.key.public.line}"]\nreport_interval_s = 1\n'
        super().__init__(
            folder,
            CABINET.replace("pm10 = 200", "pm10 = 50"),
            settings(60).replace("port = 9\n", reached, 1) + centre,
            entry="tests.faults.forgetful_gateway" if forgetful else "gengfu.main",
            environment={
                "LD_PRELOAD": str(_library(folder)),
                "KILL_SYNC_FILE": FILE_NAME,
                "KILL_SYNC_ARMED": str(self._armed),
            },
        )
        self.state.mkdir()
        now_ms = time.time_ns() // 1_000_000
        Ledger(self.state / FILE_NAME).add([Since(0, now_ms - DAY_MS)], Memory())
        self.switched, self.reads = 0, 0
        """How often the board was told to switch on, and was read."""
        self.kills_at_switch = False
        self.hellos = 0

    def listen(self) -> None:
        """Take down what the board is told, and kill whoever tells it where that is asked for."""
        board = self.cabinet.cabinet.devices["relays"]
        assert isinstance(board, RelayBoard)
        write, read = board.write_coil, board.read

        def write_coil(address: int, value: int, now_ns: int) -> None:
            was_on = board.relays(now_ns)[0]
            write(address, value, now_ns)
            if board.relays(now_ns)[0] and not was_on:
                self.switched += 1
                pid = self.gateway.pid
                if self.kills_at_switch and pid is not None:
                    os.kill(pid, signal.SIGKILL)

        def counted(table: Table, address: int, count: int, now_ns: int) -> list[int]:
            self.reads += 1
            return read(table, address, count, now_ns)

        board.write_coil = write_coil  # type: ignore[method-assign]
        board.read = counted  # type: ignore[method-assign]

    @contextlib.asynccontextmanager
    async def heard(self) -> AsyncIterator[aiomqtt.Client]:
        """Hear the gateway's hello; give a client that can tell it something."""

        async def hear() -> None:
            async for message in client.messages:
                self.hellos += bool(message.payload)

        version = aiomqtt.ProtocolVersion.V5
        async with aiomqtt.Client(HOST, self.broker.port, protocol=version, identifier="centre") as client:
            await client.subscribe(topics.hello(DISTRICT, GATEWAY), qos=1)
            hearing = asyncio.create_task(hear())
            try:
                yield client
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)

    async def begin(self) -> None:
        """Start the gateway, and wait until it hears commands and knows its relays."""
        hellos, reads = self.hellos, self.reads
        await asyncio.to_thread(self.gateway.start)
        await self.until(lambda: self.hellos > hellos and self.reads > reads + 1, "a gateway that listens")

    def arm(self, moment: Moment) -> None:
        """Let the gateway be killed then."""
        self.kills_at_switch = moment is Moment.SWITCHED
        if moment is Moment.NOTED:
            self._armed.touch()

    def disarm(self) -> None:
        """Let it live."""
        self.kills_at_switch = False
        self._armed.unlink(missing_ok=True)

    def command(self, id_: str, kind: CommandKind, target: str) -> tuple[str, bytes]:
        """Return the topic and the message of a command; a switch is on, for ten minutes."""
        now_ms = time.time_ns() // 1_000_000
        times = (now_ms, now_ms, now_ms + DAY_MS)
        switch = (True, now_ms + 600_000) if kind is CommandKind.SWITCH else (None, None)
        made = Command(1, DISTRICT, GATEWAY, id_, *times, kind, target, "campaign", *switch)
        return topics.cmd(DISTRICT, GATEWAY, id_), self.key.sign(commands.encode(made), COMMAND_TYPE)

    def has_ended(self, id_: str) -> bool:
        """Say whether it is on the gateway's disk how a command ended."""
        lines = (self.state / FILE_NAME).read_text(errors="replace").splitlines()
        return any('"ended"' in line and id_ in line for line in lines)

    def results(self, id_: str) -> list[CommandResult]:
        """Return what the gateways put on record for the centre; none may run."""
        results = [each for each in self.events() if isinstance(each, CommandResult)]
        return [each for each in results if each.command_id == id_]

    @staticmethod
    async def until(holds: Callable[[], bool], what: str) -> None:
        """Wait for it; TimeoutError says what did not come."""
        until_s = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > until_s:
                raise TimeoutError(f"{what} did not come within {PATIENCE_S:g} s")
            await asyncio.sleep(LOOK_S)


async def _died(site: Site, told: Death, chance: Random) -> None:
    """Live once until the kill, and once more."""
    id_, last = (f"{chance.getrandbits(128):032x}" for _ in range(2))
    async with site.heard() as client:
        await site.begin()
        topic, message = site.command(id_, CommandKind.SWITCH, OUTPUT)
        site.arm(told.moment)
        await client.publish(topic, message, qos=1)
        if told.moment is Moment.ANY:
            await asyncio.sleep(chance.random() * ANY_TIME_S)
            site.gateway.kill()
        await site.until(lambda: site.gateway.pid is None, "the end of the gateway")
        site.gateway.kill()
        site.disarm()
        before = site.switched
        await site.begin()
        await client.publish(topic, message, qos=1)  # the centre has heard nothing: it sends it again
        await client.publish(*site.command(last, CommandKind.RESET_ALARM, "none"), qos=1)
        await site.until(lambda: site.has_ended(id_) and site.has_ended(last), "the end of both commands")
        reads = site.reads
        await site.until(lambda: site.reads > reads + LOOKS, "a look at the relays")
    site.gateway.end()
    told.switched, told.switched_after = site.switched, site.switched - before
    told.outcomes.update((each.outcome, each.refusal) for each in site.results(id_))


def die(folder: Path, seed: int, moment: Moment, *, forgetful: bool = False) -> Death:
    """Let one gateway be killed in the middle of a command, and look at what comes of it."""
    told, site = Death(moment), Site(folder, forgetful=forgetful)
    with site.cabinet:
        site.listen()
        try:
            site.broker.start()
            asyncio.run(_died(site, told, Random(seed)))
        finally:
            site.gateway.kill()
            site.broker.stop()
    return told


def _library(folder: Path) -> Path:
    """Return the library that kills, built beside the folder of a site."""
    if shutil.which("gcc") is None:
        raise RuntimeError("gcc is missing; install it (Debian: apt install gcc libc6-dev)")
    library = folder.parent / "killing_sync.so"
    if not library.exists():
        built = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(["gcc", *built], check=True)
    return library


def play(deaths: Sequence[Moment], seed: int, *, forgetful: bool = False) -> list[Death]:
    """Play these, one by one."""
    done = []
    with tempfile.TemporaryDirectory(prefix="gengfu-killed-") as name:
        for number, moment in enumerate(deaths):
            done.append(die(Path(name) / str(number), seed + number, moment, forgetful=forgetful))
            if len(done) % 10 == 0:
                print(f"{len(done)} of {len(deaths)}", file=sys.stderr)
    return done


def main() -> None:
    """Play it and print what was counted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=60, help="A third each at the three moments.")
    parser.add_argument("--control-kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    moments = list(Moment)
    deaths = play([moments[number % len(moments)] for number in range(given.kills)], given.seed)
    control = play([Moment.NOTED] * given.control_kills, given.seed, forgetful=True)
    for each in deaths:
        if each.wrong:
            print(each)
    outcomes = Counter(outcome for each in deaths for outcome in {outcome for outcome, _ in each.outcomes})
    figures = {
        "killed_commands": len(deaths),
        "killed_commands_wrong": sum(bool(each.wrong) for each in deaths),
        "killed_commands_switched_twice": sum(each.switched > 1 for each in deaths),
        "killed_commands_switched": sum(each.switched for each in deaths),
        **{f"killed_commands_{outcome}": count for outcome, count in sorted(outcomes.items())},
        "killed_commands_control": sum(bool(each.wrong) for each in control),
    }
    conditions = {"seed": given.seed, "hardware": "none; board simulated from its vendor's document"}
    print(json.dumps({"name": "killed_commands", "figures": figures, "conditions": conditions}))
    sys.exit(any(each.wrong for each in deaths) or not all(each.wrong for each in control))


if __name__ == "__main__":
    main()
