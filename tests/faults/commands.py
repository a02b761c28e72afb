"""Commands that are late, doubled, forged or interrupted: ``python -m tests.faults.commands``.

Messages reach a gateway's desk on virtual time: genuine ones, and those of somebody who has heard them all,
keeps them back, changes them, signs with other keys, sends another gateway's. The power fails in the middle
of commands, the disk refuses, the clock is unset, the memory is lost while the centre's clock is ahead.
Executed must be exactly the valid ones, each once; what else came must be in a count, by its reason; what was
interrupted must be answered as indeterminate.

Controls: gateways that each leave something out (noting before acting, the look at the clock, the memory of
ids, the look at the address, the rule against retries, that a centre's clock may be ahead) must be found out
by the same account.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from contract import commands, desired
from contract.commands import Command, CommandKind
from contract.desired import Desired, DesiredKind
from contract.limits import COMMAND_BYTES_MAX
from contract.samples import ClockState
from contract.signing import COMMAND_TYPE, SigningKey
from edge.remote.memory import APART_MS_MAX
from simulators.virtual_loop import run_virtually
from tests.faults.commands_world import DISTRICT, NEIGHBOUR, OURS, WEAKENED, Cut, Life, Loss, World

MESSAGES_PER_LIFE = 60
LOSSES_PER_LIFE = 0.25
BEGIN_S = APART_MS_MAX / 1000 + 1
"""So long after its start, a gateway that remembers nothing refuses every command."""
TARGETS = 6
WEIGHTS = {
    "valid": 30,
    "duplicate": 12,
    "late": 8,
    "late_until": 3,
    "reordered": 6,
    "forged": 10,
    "other_key": 5,
    "document": 3,
    "cross_gateway": 8,
    "wrong_topic": 4,
    "same_id": 4,
    "noise": 4,
    "oversized": 2,
    "disk_refuses": 4,
    "clock_unset": 3,
    "of_the_future": 2,
}
DAY_MS = 86_400_000


class Sent(NamedTuple):
    """A genuine message by its topic's last level, and the command in it."""

    name: str
    message: bytes
    command: Command


class Campaign:
    """One gateway, and somebody who sends."""

    def __init__(self, folder: Path, seed: int, weakened: str = "") -> None:
        """Prepare."""
        self._chance = Random(f"{seed} commands")
        self._world = World(folder, weakened)
        self._account = self._world.account
        self._stranger = SigningKey.make()
        self._number = 0
        self._taken: list[Sent] = []
        """What the gateway has noted, and may get again."""
        self._again: list[tuple[Sent, bool]] = []
        """What a cut has left for the next life; whether it is to be executed then."""
        self._lost: Sent | None = None
        """What was executed before the memory was lost."""
        self.kinds = Counter[str]()

    def play(self, total: int) -> dict[str, int]:
        """Send so many messages; return what is wrong."""

        async def lives() -> None:
            await self._world.life(self._begin)
            while self.kinds.total() < total:
                self._world.ahead_ms += self._chance.choice([1, 1_000, 3_600_000])
                if self._lost:
                    self._world.lose(self._chance.choice(list(Loss)), self._lost.name)
                    self._taken.clear()
                await self._world.life(self._life)
            await self._world.life(self._after_cut)

        run_virtually(lives())
        return self._account.figures()

    @property
    def conditions(self) -> dict[str, int]:
        """What was played."""
        account = self._account
        return {
            "lives": account.lives,
            "valid": len(account.must),
            "interrupted": len(account.indeterminate),
            "refused": account.refused.total(),
            "events": len(account.told),
        }

    async def _begin(self, life: Life) -> None:
        """Nothing was ever remembered: let the time pass in which nothing is taken."""
        await asyncio.sleep(BEGIN_S)

    async def _life(self, life: Life) -> None:
        await self._after_loss(life)
        await self._after_cut(life)
        names, weights = zip(*WEIGHTS.items(), strict=True)
        for _ in range(MESSAGES_PER_LIFE):
            kind = self._chance.choices(names, weights)[0]
            self.kinds[kind] += 1
            await getattr(self, f"_{kind}")(life)
            await asyncio.sleep(self._chance.choice([0.01, 0.5, 20]))
        if self._chance.random() < LOSSES_PER_LIFE:
            self.kinds["loss"] += 1
            await self._before_loss(life)
        elif cut := self._chance.choice(list(Cut)):
            self.kinds["cut"] += 1
            await self._cut(life, cut)

    # What is genuine.

    async def _valid(self, life: Life) -> None:
        sent = self._command()
        self._owes(sent)
        await life.deliver(sent.name, sent.message)

    async def _duplicate(self, life: Life) -> None:
        """Of the last day: what came before that may be forgotten, and is over in any case."""
        for sent in self._known()[-1:]:
            self._account.refused["replayed"] += 1
            await life.deliver(sent.name, sent.message)

    async def _reordered(self, life: Life) -> None:
        """Two for one target, the later one first: it stands."""
        target = self._target()
        first, second = self._command(target=target), self._command(target=target)
        self._owes(second)
        await life.deliver(second.name, second.message)
        self._account.refused["overtaken"] += 1
        await life.deliver(first.name, first.message)

    async def _late(self, life: Life) -> None:
        sent = self._command(lasts_ms=self._chance.randrange(1, 60_000))
        await asyncio.sleep((sent.command.expires_ms - self._world.now_ms()) / 1000)
        await self._refused(life, "expired", sent.name, sent.message)

    async def _late_until(self, life: Life) -> None:
        """It has not expired, but what it asks for would be over."""
        sent = self._command(holds_ms=self._chance.randrange(1, 30_000))
        await asyncio.sleep(((sent.command.until_ms or 0) - self._world.now_ms()) / 1000)
        await self._refused(life, "expired", sent.name, sent.message)

    async def _disk_refuses(self, life: Life) -> None:
        life.ledger.refuses = True
        sent = self._command()
        await self._refused(life, "storage_unavailable", sent.name, sent.message)
        life.ledger.refuses = False
        if self._chance.random() < 0.5:  # somebody tries again, or the broker does
            self._owes(sent)
            await life.deliver(sent.name, sent.message)

    async def _clock_unset(self, life: Life) -> None:
        self._world.clock = ClockState.UNSET
        sent = self._command()
        await self._refused(life, "clock_unset", sent.name, sent.message)
        self._world.clock = ClockState.SYNCHRONISED

    async def _of_the_future(self, life: Life) -> None:
        sent = self._command(ahead_ms=self._chance.randrange(301_000, DAY_MS))
        await self._refused(life, "clocks_apart", sent.name, sent.message)

    # What is not.

    async def _forged(self, life: Life) -> None:
        """Another payload, or another signature, or a flipped bit under the genuine header."""
        sent = self._command()
        head, payload, signature = sent.message.split(b".")
        other = self._command(value=not sent.command.value)
        kinds = [
            b".".join((head, other.message.split(b".")[1], signature)),
            b".".join((head, payload, other.message.split(b".")[2])),
            b".".join((head.replace(head[5:6], b"A" if head[5:6] != b"A" else b"B", 1), payload, signature)),
        ]
        await self._refused(life, "forged", sent.name, self._chance.choice(kinds))

    async def _other_key(self, life: Life) -> None:
        sent = self._command(key=self._stranger)
        await self._refused(life, "no_key", sent.name, sent.message)

    async def _document(self, life: Life) -> None:
        """A genuine desired document on a command's topic."""
        now_ms = self._world.now_ms()
        told = Desired(1, DISTRICT, OURS, DesiredKind.LAMP_PLAN, 1, now_ms, now_ms, None, "{}")
        message = self._world.key.sign(desired.encode(told))
        await self._refused(life, "forged", f"{self._chance.getrandbits(128):032x}", message)

    async def _cross_gateway(self, life: Life) -> None:
        sent = self._command(gateway=NEIGHBOUR)
        await self._refused(life, "wrong_gateway", sent.name, sent.message)

    async def _wrong_topic(self, life: Life) -> None:
        sent = self._command()
        await self._refused(life, "wrong_topic", f"{self._chance.getrandbits(128):032x}", sent.message)

    async def _same_id(self, life: Life) -> None:
        """Signed by the centre under an id that was used: its randomness is broken, or it was restored."""
        for known in self._known()[-1:]:
            sent = self._command(id_=known.name)
            await self._refused(life, "replayed", sent.name, sent.message)

    async def _noise(self, life: Life) -> None:
        noise = self._chance.choice([b"..", b"A" * 50, self._chance.randbytes(200), b"\x00"])
        await self._refused(life, "malformed", f"{self._chance.getrandbits(128):032x}", noise)

    async def _oversized(self, life: Life) -> None:
        sent = self._command()
        await self._refused(life, "too_large", sent.name, sent.message + b"A" * COMMAND_BYTES_MAX)

    # When the power fails.

    async def _cut(self, life: Life, cut: Cut) -> None:
        sent = self._command(lasts_ms=DAY_MS, holds_ms=DAY_MS)
        if cut in (Cut.BEFORE_NOTE, Cut.TORN):
            self._again.append((sent, True))
        else:
            self._taken.append(sent)
            self._again.append((sent, False))
            if cut is Cut.AFTER_END:
                self._account.must.append(sent.name)
            else:
                self._account.indeterminate.add(sent.name)
                self._account.may |= {sent.name} if cut is Cut.AFTER_ACT else set()
        await life.cut(cut, sent.name, sent.message)

    async def _after_cut(self, life: Life) -> None:
        """The centre has no answer: it sends the command again."""
        for sent, executed in self._again:
            if executed:
                self._owes(sent)
            else:
                self._account.refused["replayed"] += 1
            await life.deliver(sent.name, sent.message)
        self._again.clear()

    # When the memory is lost.

    async def _before_loss(self, life: Life) -> None:
        """Something is executed of a centre whose clock may be ahead; it stays valid for long."""
        ahead_ms = self._chance.choice([0, *(self._chance.randrange(APART_MS_MAX) for _ in range(2))])
        self._lost = self._command(ahead_ms=ahead_ms, lasts_ms=DAY_MS, holds_ms=DAY_MS)
        self._account.must.append(self._lost.name)
        await life.deliver(self._lost.name, self._lost.message)

    async def _after_loss(self, life: Life) -> None:
        """It comes again, at once and later; until nobody's clock could have issued it, all are refused."""
        if (lost := self._lost) is None:
            return
        self._lost = None
        began_s = asyncio.get_running_loop().time()
        for _ in range(3):
            await asyncio.sleep(self._chance.choice([0.01, 60, 90]))
            await self._refused(life, "replayed", lost.name, lost.message)
        fresh = self._command()
        await self._refused(life, "replayed", fresh.name, fresh.message)
        await asyncio.sleep(began_s + BEGIN_S - asyncio.get_running_loop().time())
        await self._refused(life, "replayed", lost.name, lost.message)

    # Making them.

    def _known(self) -> list[Sent]:
        """Return what the gateway must remember, the last one by chance."""
        known = [it for it in self._taken if it.command.issued_ms + DAY_MS > self._world.now_ms()]
        self._chance.shuffle(known)
        return known

    def _owes(self, sent: Sent) -> None:
        self._account.must.append(sent.name)
        self._taken.append(sent)

    async def _refused(self, life: Life, refusal: str, name: str, message: bytes) -> None:
        self._account.refused[refusal] += 1
        await life.deliver(name, message)

    def _target(self) -> str:
        return f"relays/relay_{self._chance.randrange(TARGETS)}"

    def _command(
        self,
        *,
        target: str = "",
        lasts_ms: int = 60_000,
        holds_ms: int = 600_000,
        ahead_ms: int = 0,
        gateway: str = OURS,
        key: SigningKey | None = None,
        id_: str = "",
        value: bool | None = None,
    ) -> Sent:
        """Return a command that is issued now."""
        issued_ms = self._world.now_ms() + ahead_ms
        self._number += 1
        told: dict[str, Any] = {}
        kind = CommandKind.RELEASE if self._chance.random() < 0.2 and holds_ms == 600_000 else None
        if kind is None:
            on = self._chance.random() < 0.5 if value is None else value
            told = {"value": on, "until_ms": issued_ms + holds_ms}
        made = Command(
            1,
            DISTRICT,
            gateway,
            id_ or f"{self._chance.getrandbits(128):032x}",
            self._number,
            issued_ms,
            issued_ms + lasts_ms,
            kind or CommandKind.SWITCH,
            target or self._target(),
            "campaign",
            **told,
        )
        signed = (key or self._world.key).sign(commands.encode(made), COMMAND_TYPE)
        return Sent(made.id, signed, made)


def played(total: int, seed: int, weakened: str = "") -> tuple[dict[str, int], Campaign]:
    """Play one campaign in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="gengfu-commands-") as name:
        campaign = Campaign(Path(name), seed, weakened)
        return campaign.play(total), campaign


def main() -> None:
    """Play it, print what was sent, end with a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--control-messages", type=int, default=1_000, help="to each weakened gateway")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)  # each refusal is a warning of the gateway's
    found, campaign = played(given.messages, given.seed)
    for kind, count in sorted(campaign.kinds.items()):
        print(f"{kind:<24}{count:>8}")
    figures = {f"commands_{name}": count for name, count in found.items()}
    controls = {}
    for weakened in filter(None, WEAKENED):
        print(f"control: {weakened}", file=sys.stderr)
        harm, _ = played(given.control_messages, given.seed, weakened)
        controls[f"commands_control_{weakened}"] = harm["wrongly_executed"] + harm["executed_twice"]
    figures |= {"commands_messages": campaign.kinds.total()} | controls
    figures |= {f"commands_{name}": count for name, count in campaign.conditions.items()}
    conditions = {"seed": given.seed, "control_messages": given.control_messages}
    print(json.dumps({"name": "commands", "figures": figures, "conditions": conditions}))
    if any(found.values()) or not all(controls.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
