"""Settings in a gateway's documents: begun once, proved, or given up; on virtual time, over restarts."""

import asyncio
import itertools
from dataclasses import dataclass, field
from pathlib import Path

from contract.desired import DesiredKind, object_problems
from contract.events import DesiredReport
from contract.signing import KeyRing
from edge.buffer.keeper import Inline
from edge.configuration.choosing import FOLDER, KIND, choose
from edge.configuration.desk import ConfigurationDesk, Seen
from edge.desired.documents import Documents
from edge.desired.judging import Verifier
from edge.desired.shelf import Shelf
from simulators.virtual_loop import run_virtually
from tests.edge.configuration.making import METERS, text, written
from tests.edge.desired.making import INTERVAL_S, KEY, Clock, signed


@dataclass
class Gateway:
    """One life after another, each with what the disk holds."""

    file: Path
    told: list[DesiredReport] = field(default_factory=list)

    def live(
        self, *, offered: bytes = b"", answering: tuple[str, ...] = METERS, stops_in_s: float = 0
    ) -> bool:
        """Live until it is to begin anew, or for an hour; say whether it is to."""

        async def life() -> bool:
            chosen, clock, ids, anew = choose(self.file), Clock(), itertools.count(1), asyncio.Event()
            desk = ConfigurationDesk(
                chosen,
                self.file,
                clock.s(),
                lambda: Seen(clock.s(), frozenset(answering), frozenset()),
                anew.set,
            )
            validators = dict.fromkeys(DesiredKind, object_problems) | {KIND: desk.problems}
            documents = Documents(
                Shelf(self.file.parent / "state" / FOLDER),
                Verifier(KeyRing([KEY.public.line]), "north", "gw-1", validators),
                Inline(),
                clock,
                lambda: f"{next(ids):032x}",
                report_interval_s=INTERVAL_S,
                report=self.told.append,
                on_in_force=lambda _kind, _body: [],
                trials={KIND: desk},
            )
            running = asyncio.create_task(documents.run())
            await asyncio.sleep(0.1)
            if offered:
                documents.offer(KIND, offered, retained=False)
            await asyncio.wait({asyncio.ensure_future(anew.wait())}, timeout=3600)
            await asyncio.sleep(stops_in_s)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return anew.is_set()

        return bool(run_virtually(life()))

    @property
    def outcomes(self) -> list[tuple[str, int]]:
        """What was told, and of which document."""
        return [(str(each.outcome), each.sequence) for each in self.told]


def gateway(folder: Path) -> Gateway:
    """Return one with the file's settings."""
    (folder / "state").mkdir()
    return Gateway(written(folder))


def configuration(sequence: int, body: str) -> bytes:
    """Return settings as they travel."""
    return signed(sequence, kind=KIND, body=body)


def test_settings_are_begun_and_proved_by_who_answers(tmp_path: Path) -> None:
    """Then they hold at each start."""
    it = gateway(tmp_path)
    assert it.live(offered=configuration(1, text(1, units=(7, 2, 1))))
    assert choose(it.file).on_trial
    assert not it.live()
    assert it.outcomes == [("in_force", 1)]
    assert not choose(it.file).on_trial


def test_settings_that_blind_a_device_are_given_up(tmp_path: Path) -> None:
    """The reason names it, and the gateway begins anew with the former."""
    it = gateway(tmp_path)
    assert it.live(offered=configuration(1, text(1, units=(7, 2, 1))))
    assert it.live(answering=METERS[1:])
    assert it.outcomes == [("rolled_back", 1)]
    assert "meter-1, which answered before, did not answer within 60 s" in it.told[0].reason
    assert choose(it.file).document is None


def test_a_gateway_that_takes_its_time_to_stop_has_begun_once(tmp_path: Path) -> None:
    """It hands on its backlog first: no start is counted meanwhile."""
    it = gateway(tmp_path)
    assert it.live(offered=configuration(1, text(1)), stops_in_s=30)
    assert choose(it.file).on_trial
    assert not it.live()
    assert it.outcomes == [("in_force", 1)]


def test_settings_that_nothing_could_follow_are_refused(tmp_path: Path) -> None:
    """No remote settings any more, or none of the keys: nobody could take that back."""
    it = gateway(tmp_path)
    closed = text(1).replace("[configuration]", "[configuration]\nremote = false")
    assert not it.live(offered=configuration(1, closed))
    assert not it.live(offered=configuration(1, text(1, keys="")))
    assert [(str(each.refusal), each.sequence) for each in it.told] == [("invalid", 1), ("invalid", 1)]
    assert "remote = false would let nothing follow" in it.told[0].reason
