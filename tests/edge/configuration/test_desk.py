"""Settings in a gateway's documents: begun once, proved, or given up; on virtual time, over restarts."""

import asyncio
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.desired import DesiredKind, object_problems
from contract.events import DesiredReport
from contract.signing import KeyRing, SigningKey
from edge.buffer.keeper import Inline
from edge.configuration.choosing import FOLDER, KIND, choose
from edge.configuration.desk import ConfigurationDesk, Seen
from edge.desired.documents import Documents
from edge.desired.judging import Verifier, of_body
from edge.desired.shelf import Shelf
from simulators.virtual_loop import run_virtually
from tests.edge.configuration.making import METERS, text, written
from tests.edge.desired.making import INTERVAL_S, KEY, NOW_MS, STRANGER, Clock, signed

TIMEOUT_S = 60
"""So long a trial takes at most by the settings of these tests."""
MONTH_MS = 30 * 86_400_000
BLIND = METERS[1:]
"""Who answers where meter-1 is asked in a wrong way."""


@dataclass
class Gateway:
    """One life after another, each with what the disk holds."""

    file: Path
    told: list[DesiredReport] = field(default_factory=list)
    ended_s: float = 0.0
    """How long it was until it was to begin anew."""
    answers_after_s: float = 0.0

    def live(
        self,
        *,
        offered: bytes = b"",
        answering: tuple[str, ...] = METERS,
        stops_in_s: float = 0,
        ahead_ms: int = 0,
    ) -> bool:
        """Live until it is to begin anew, or for an hour; say whether it is to."""

        async def life() -> bool:
            chosen, clock, ids, anew = (
                choose(self.file),
                Clock(ahead_ms=ahead_ms),
                itertools.count(1),
                asyncio.Event(),
            )
            desk = ConfigurationDesk(
                chosen,
                self.file,
                clock.s(),
                lambda: Seen(
                    clock.s(), frozenset(answering if clock.s() >= self.answers_after_s else ()), frozenset()
                ),
                lambda _unkept: anew.set(),
            )
            validators = dict.fromkeys(DesiredKind, of_body(object_problems)) | {KIND: desk.problems}
            documents = Documents(
                Shelf(self.file.parent / "state" / FOLDER),
                Verifier(KeyRing(chosen.loaded.settings.centre.public_keys), "north", "gw-1", validators),
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
            self.ended_s = clock.s()
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


def configuration(sequence: int, body: str, key: SigningKey = KEY, **changes: Any) -> bytes:
    """Return settings as they travel."""
    return signed(sequence, key, kind=KIND, body=body, **changes)


def on_trial(folder: Path) -> Gateway:
    """Return a gateway that is to begin a trial, of settings with which meter-1 is asked in another way."""
    it = gateway(folder)
    assert it.live(offered=configuration(1, text(1, units=(7, 2, 1))))
    return it


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


def test_a_trial_is_judged_in_its_time_while_settings_for_later_wait(tmp_path: Path) -> None:
    """These are taken when it is judged, and come again from the centre where the gateway began anew."""
    it, later = on_trial(tmp_path), configuration(2, text(2), effective_ms=NOW_MS + MONTH_MS)
    assert it.live(offered=later, answering=BLIND)
    assert it.ended_s <= TIMEOUT_S + 2
    assert it.outcomes[0] == ("rolled_back", 1)
    assert not it.live(offered=later)
    assert it.outcomes[-1] == ("stored", 2)
    assert choose(it.file).document is None


def test_settings_for_later_are_taken_as_soon_as_a_trial_is_proved(tmp_path: Path) -> None:
    """Nobody has to send them again."""
    it = on_trial(tmp_path)
    it.answers_after_s = 20
    assert not it.live(offered=configuration(2, text(2), effective_ms=NOW_MS + MONTH_MS))
    assert it.outcomes == [("in_force", 1), ("stored", 2)]


def test_a_clock_that_goes_back_leaves_no_trial_unjudged(tmp_path: Path) -> None:
    """A trial is timed by the monotonic clock."""
    it = on_trial(tmp_path)
    assert it.live(answering=BLIND, ahead_ms=-MONTH_MS)
    assert it.ended_s <= TIMEOUT_S + 2
    assert it.outcomes == [("rolled_back", 1)]


def test_newer_settings_end_a_trial_at_once(tmp_path: Path) -> None:
    """The good ones hold in between: the newer ones are tried from these."""
    it = on_trial(tmp_path)
    assert it.live(offered=configuration(2, text(2)), answering=BLIND)
    assert it.ended_s < 5
    assert it.outcomes == [("rolled_back", 1)]
    assert "configuration 2 came before it was proved" in it.told[0].reason
    assert choose(it.file).document is None
    assert it.live()
    assert choose(it.file).on_trial
    assert not it.live()
    assert it.outcomes[1:] == [("in_force", 2)]


def test_settings_without_the_key_that_has_signed_them_are_refused(tmp_path: Path) -> None:
    """Whoever sends settings must be able to send the next."""
    it, both = gateway(tmp_path), f'"{KEY.public.line}", "{STRANGER.public.line}"'
    assert it.live(offered=configuration(1, text(1, keys=both)))
    assert not it.live()
    only = f'"{STRANGER.public.line}"'
    assert not it.live(offered=configuration(2, text(2, keys=only)))
    assert it.outcomes == [("in_force", 1), ("refused", 2)]
    assert f"key {KEY.public.kid} has signed these settings" in it.told[-1].reason
    assert it.live(offered=configuration(3, text(3, keys=only), STRANGER))
