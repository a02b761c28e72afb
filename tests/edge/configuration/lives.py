"""A gateway that settings are sent to, life after life on virtual time, and what must never be.

The documents, the desk, the decisions at each start and the files are the real ones. What is settings' worth
is the world's to say: with good ones everybody answers, blind ones lose a meter, mute ones the centre. Every
write can be refused, or be the last before the power fails.
"""

import asyncio
import errno
import itertools
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.desired import DesiredKind, Outcome, Refusal, object_problems
from contract.events import DesiredReport
from contract.signing import KeyRing
from edge.buffer.keeper import Inline
from edge.configuration import choosing
from edge.configuration.choosing import FOLDER, KIND, STARTS_MAX, Chosen, Ended, choose, given_up
from edge.configuration.desk import ConfigurationDesk, Seen
from edge.desired.documents import TRIAL_LOOK_S, Documents
from edge.desired.held import Document, Held
from edge.desired.judging import Verifier, of_body
from edge.desired.shelf import Found, Shelf
from simulators.virtual_loop import VirtualLoop
from tests.edge.configuration.making import METERS, text, written
from tests.edge.desired.making import INTERVAL_S, KEY, NOW_MS, Clock, signed

GOOD, BLIND, MUTE = "good", "blind", "mute"
TIMEOUT_S = 60.0
"""What the file says; the documents say the same."""
STEP_S = 1.0
AGES_MS = 10**9
"""Later than any settings were sent for."""
ANSWER_S = 2.0
"""So long after a start devices answer, and the centre is heard."""


class PowerCutError(BaseException):
    """Nothing after this has happened."""


@dataclass
class Disk:
    """What becomes of the next writes: each by its fate, then all are refused while it ``refuses``."""

    fates: list[str] = field(default_factory=list)
    refuses: bool = False
    unreadable: bool = False
    in_force: int = 0
    """The sequence that is in force by what was written last, 0 for the file."""

    def write(self, shelf: Shelf, kind: DesiredKind, held: Held) -> None:
        """Write, or do not."""
        fate = self.fates.pop(0) if self.fates else "refused" if self.refuses else "written"
        if fate == "cut_before":
            raise PowerCutError
        if fate == "refused":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        Shelf.write(shelf, kind, held)
        if kind is KIND:
            self.in_force = _sequence(held.current)
        if fate == "cut_after":
            raise PowerCutError
        if fate == "refused_late":
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@dataclass
class Life:
    """What runs between two starts."""

    chosen: Chosen
    documents: Documents
    running: asyncio.Task[None]
    began_s: float
    heard_s: float | None = None
    is_proved: bool = False
    """It was told to be in force."""
    ends_s: float | None = None
    """When it will have ended to begin anew."""
    unkept: tuple[Ended, ...] = ()
    """What became of its trial, where the disk has not taken that."""

    @property
    def sequence(self) -> int:
        """Which settings these are, 0 for the file's."""
        return _sequence(self.chosen.document)


class World:
    """Everything; ``wrong`` is what must not be."""

    def __init__(self, folder: Path) -> None:
        """Start for the first time."""
        (folder / "state").mkdir()
        self.file, self.disk, self.clock, self.loop = written(folder), Disk(), Clock(), VirtualLoop()
        self.linked, self.drain_s = True, 0.0
        self.worth = {0: GOOD}
        self.sent: dict[int, bytes] = {}
        self.effective_ms: dict[int, int] = {}
        self.proved: set[int] = {0}
        """What has shown that it can stay, as the world has seen it."""
        self.starts: Counter[int] = Counter()
        self.told: list[DesiredReport] = []
        self.wrong: list[str] = []
        self._ids = itertools.count(1)
        self._hands = 0
        disk = self.disk

        class Watched(Shelf):
            """Writes as the disk lets it."""

            def write(self, kind: DesiredKind, held: Held) -> None:
                disk.write(self, kind, held)

            def read(self, kind: DesiredKind) -> Found:
                if disk.unreadable:
                    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
                return super().read(kind)

        self._shelf = Watched
        setattr(choosing, "Shelf", Watched)  # noqa: B010 - it is decided on this disk, too
        self._run(self._born())

    def _run(self, story: Any) -> None:
        self.loop.run_until_complete(story)

    @property
    def is_on_trial(self) -> bool:
        """Say whether what runs is on trial."""
        return self.life.chosen.on_trial and not self.life.is_proved

    # what happens

    def send(self, worth: str, after_s: float) -> None:
        """The centre sends settings that are to hold after a while."""
        sequence = max(self.worth) + 1
        self.worth[sequence] = worth
        body = text(sequence, units=(7, 2, 1)) if worth == BLIND else text(sequence)
        effective_ms = NOW_MS + self.clock.ahead_ms + round((self.loop.time() + after_s) * 1000)
        self.effective_ms[sequence] = effective_ms
        self.sent[sequence] = signed(sequence, kind=KIND, body=body, effective_ms=effective_ms)
        self.repeat()
        self.wait(STEP_S)

    def repeat(self, *, retained: bool = False) -> None:
        """The newest comes, by the centre or as the broker retained it; if the gateway hears anything."""
        newest = max(self.sent, default=0)
        if newest and self._hears():
            self.life.documents.offer(KIND, self.sent[newest], retained=retained)

    def wait(self, for_s: float) -> None:
        """Let time pass, and lives end and begin."""
        self._run(self._passed(for_s))

    def kill(self, *, how: str = "") -> None:
        """Cut the power, or let the gateway fall by an error."""
        self._run(self._again(how=how))

    def step_clock(self, by_s: int) -> None:
        """The wall clock is set."""
        self.clock.ahead_ms += by_s * 1000
        self.life.documents.wake()

    def change_by_hand(self) -> None:
        """Somebody changes the file of settings."""
        self._hands += 1
        self.file.write_text(text(f"by hand {self._hands}"))

    def heal(self) -> None:
        """All is well from now on, and time enough passes."""
        self.disk.fates.clear()
        self.disk.refuses, self.disk.unreadable, self.linked, self.drain_s = False, False, True, 0.0
        self.clock.ahead_ms += AGES_MS
        self.kill()
        for _ in range(3):
            self.repeat()
            self.wait(TIMEOUT_S + 10)

    def check_end(self) -> None:
        """All was well for long: the newest hold, or were told not to; then what was good before holds."""
        life, newest = self.life, max(self.sent, default=0)
        outcomes = [each.outcome for each in self.told if each.sequence == newest and newest]
        wanted = newest if outcomes[-1:] == [Outcome.IN_FORCE] else self.disk.in_force
        if newest and (not outcomes or outcomes[-1] is Outcome.STORED):
            self.wrong.append(f"nobody knows what became of {newest}")
        if self.is_on_trial:
            self.wrong.append(f"{life.sequence} is on trial in the end")
        if life.sequence != wanted or self.disk.in_force != wanted:
            self.wrong.append(
                f"in the end {life.sequence} runs, and not {wanted}; on disk is {self.disk.in_force}"
            )

    def close(self) -> None:
        """Let nothing run any more."""
        setattr(choosing, "Shelf", Shelf)  # noqa: B010 - as it was
        self._run(self._ended())
        self.loop.close()

    # how it comes to that

    def _hears(self) -> bool:
        is_up = self.loop.time() - self.life.began_s >= ANSWER_S / 2
        return self.linked and is_up and self.worth[self.life.sequence] != MUTE

    def _seen(self) -> Seen:
        life, now_s = self.life, self.loop.time()
        if self._hears():
            life.heard_s = now_s
        there = METERS[1:] if self.worth[life.sequence] == BLIND else METERS
        is_asked = now_s - life.began_s >= ANSWER_S
        answering = frozenset(there if is_asked else ())
        if life.heard_s is not None and answering == frozenset(METERS):
            self.proved.add(life.sequence)
        return Seen(life.heard_s, answering, frozenset(), is_asked)

    async def _born(self, before: tuple[Ended, ...] = ()) -> None:
        while True:
            try:
                chosen = choose(self.file, before)
                break
            except PowerCutError:
                before = ()
        began_s = self.loop.time()
        desk = ConfigurationDesk(chosen, self.file, began_s, self._seen, self._anew)
        validators = dict.fromkeys(DesiredKind, of_body(object_problems)) | {KIND: desk.problems}
        documents = Documents(
            self._shelf(self.file.parent / "state" / FOLDER),
            Verifier(KeyRing([KEY.public.line]), "north", "gw-1", validators),
            Inline(),
            self.clock,
            lambda: f"{next(self._ids):032x}",
            report_interval_s=INTERVAL_S,
            report=self._report,
            on_in_force=lambda _kind, _body: [],
            trials={KIND: desk},
        )
        self.life = Life(chosen, documents, asyncio.create_task(documents.run()), began_s)
        if chosen.on_trial:
            self.starts[self.life.sequence] += 1
        self._look_at_start(chosen)

    def _anew(self, unkept: Ended | None) -> None:
        self.life.unkept = (unkept,) if unkept is not None else ()
        if self.life.ends_s is None:
            self.life.ends_s = self.loop.time() + self.drain_s

    async def _ended(self) -> None:
        self.life.running.cancel()
        await asyncio.gather(self.life.running, return_exceptions=True)

    async def _again(self, how: str = "", unkept: tuple[Ended, ...] = ()) -> None:
        await self._ended()
        before = unkept
        if how and self.life.chosen.on_trial:
            try:
                ended = given_up(self.file, self.life.chosen, how)
            except PowerCutError:
                ended = None
            before = (ended,) if ended is not None else ()
        await self._born(before)

    async def _passed(self, for_s: float) -> None:
        end_s = self.loop.time() + for_s
        while self.loop.time() < end_s:
            was_heard = self._hears()
            await asyncio.sleep(STEP_S)
            if self._hears() and not was_heard:
                self.repeat(retained=True)
            life = self.life
            if life.running.done() or (life.ends_s is not None and self.loop.time() >= life.ends_s):
                if life.running.done() and not isinstance(life.running.exception(), PowerCutError):
                    self.wrong.append(f"it fell: {life.running.exception()!r}")
                in_order = not life.running.done()
                await self._again(unkept=life.unkept if in_order else ())
                if in_order:
                    self._look_at_next()
            self._look()

    # what must be so

    def _look_at_start(self, chosen: Chosen) -> None:
        sequence = self.life.sequence
        is_local = sequence == 0 and (self.disk.unreadable or bool(_ended_by_hand(chosen)))
        if not chosen.on_trial and sequence != self.disk.in_force and not is_local:
            self.wrong.append(f"it starts with {sequence}, in force is {self.disk.in_force}")
        if sequence in {each.sequence for each in self.told if each.outcome is Outcome.OVERRIDDEN}:
            self.wrong.append(f"{sequence} was overridden by hand, and it starts with it")
        if self.starts[sequence] > STARTS_MAX:
            self.wrong.append(f"{sequence} is started {self.starts[sequence]} times, and not proved")

    def _look_at_next(self) -> None:
        sequence = self.life.sequence
        told = [each.outcome for each in self.told if each.sequence == sequence and each.refusal is None]
        if self.life.chosen.on_trial and told[-1:] == [Outcome.ROLLED_BACK]:
            self.wrong.append(f"{sequence} was told to be rolled back, and is tried again")

    def _look(self) -> None:
        life, age_s = self.life, self.loop.time() - self.life.began_s
        limit_s = TIMEOUT_S + TRIAL_LOOK_S + STEP_S + self.drain_s
        if self.is_on_trial and age_s > limit_s:
            self.wrong.append(f"{life.sequence} runs for {age_s} s, and is not proved")
        if self.disk.in_force not in self.proved:
            self.wrong.append(f"{self.disk.in_force} is in force on disk, and was never proved")

    def _report(self, report: DesiredReport) -> None:
        self.told.append(report)
        sequence, outcome, running = report.sequence, report.outcome, self.life.sequence
        if report.refusal is Refusal.REPLAYED and outcome is Outcome.IN_FORCE and running != sequence:
            self.wrong.append(f"{sequence} is told again to be in force, {running} runs")
        if report.refusal is not None:
            return
        self.life.is_proved |= outcome is Outcome.IN_FORCE and sequence == running
        if outcome is Outcome.IN_FORCE and (sequence not in self.proved or running != sequence):
            self.wrong.append(f"{sequence} is told to be in force, {running} runs")
        if outcome is Outcome.ROLLED_BACK and self.disk.in_force == sequence:
            self.wrong.append(f"{sequence} is told to be rolled back, and is in force")
        if outcome is Outcome.ROLLED_BACK and report.reason.startswith("configuration "):
            newer = int(report.reason.split()[1])
            if newer <= sequence or self.clock.now().wall_ms < self.effective_ms[newer]:
                self.wrong.append(f"{sequence}: {report.reason}")


def _ended_by_hand(chosen: Chosen) -> list[Ended]:
    return [each for each in chosen.ended if each.outcome is Outcome.OVERRIDDEN]


def _sequence(document: Document | None) -> int:
    return document.desired.sequence if document else 0
