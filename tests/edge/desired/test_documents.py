"""Documents in a running gateway: in time, over restarts, on disks that refuse, back where they fail."""

import asyncio
import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from contract import batches
from contract.desired import DesiredKind, Refusal
from contract.samples import ClockState
from edge import inbox
from edge.desired.documents import TRIES_MAX, Documents
from edge.desired.held import Held
from edge.desired.judging import Verifier
from edge.desired.shelf import Found, Shelf
from tests.collector.making import happened
from tests.edge.desired.making import KEY, NOW_MS, PLAN, STRANGER, VERIFIER, Clock, End, harmed, signed

PLANS = [f'{{"plan": {number}}}' for number in range(20)]


def test_the_newest_is_in_force_and_stands_offline_after_a_restart(tmp_path: Path) -> None:
    """Each is told as in force, the newest is put in force again from disk, and hello names it."""
    end = End(tmp_path).given(signed(1), signed(2))
    assert end.executed == PLANS[1:3]
    assert end.outcomes == [("in_force", 1, ""), ("in_force", 2, "")]
    end.given()
    assert (end.executed, end.told, end.in_force) == ([PLANS[2]], [], 2)


def test_what_is_refused_changes_nothing_and_is_told(tmp_path: Path) -> None:
    """Forged, another's, older, other bytes under the same number: all in one life, each by its reason."""
    good = signed(5)
    end = End(tmp_path).given(
        good,
        signed(6, STRANGER),
        harmed(signed(6)),
        signed(6, gateway="gw-2"),
        signed(4),
        signed(5, body="{}"),
    )
    assert end.executed == [PLANS[5]]
    assert end.outcomes[1:] == [
        ("refused", 0, "no_key"),
        ("refused", 0, "forged"),
        ("refused", 6, "wrong_gateway"),
        ("refused", 4, "rolled_back"),
        ("refused", 5, "replayed"),
    ]
    assert end.told[1].digest == batches.digest(signed(6, STRANGER))
    assert {(each.highest, each.highest_issued_ms) for each in end.told} == {(5, NOW_MS + 5)}
    assert end.given().in_force == 5


def test_a_document_that_comes_again_is_answered_in_counts_and_not_executed(tmp_path: Path) -> None:
    """Of what the broker had retained nothing is said: it says it on every connection."""

    async def story(_end: End, documents: Documents) -> None:
        for retained in (True, False, False, True, False):
            documents.offer(PLAN, signed(1), retained=retained)
            await asyncio.sleep(0.01)

    end = End(tmp_path).given(signed(1)).live(story)
    assert end.executed == PLANS[1:2]
    assert [(*outcome, each.count) for outcome, each in zip(end.outcomes, end.told, strict=True)] == [
        ("in_force", 1, "replayed", 1),
        ("in_force", 1, "replayed", 2),
    ]


def test_what_is_counted_is_told_as_it_is_by_then(tmp_path: Path) -> None:
    """A document that came again, or that a full disk refused, may be past or in force by then."""
    shelf = RefusingShelf(tmp_path / "desired")

    async def story(_end: End, documents: Documents) -> None:
        for message in (signed(1), signed(1), signed(1), signed(2)):
            documents.offer(PLAN, message, retained=False)
            await asyncio.sleep(0.01)
        shelf.refuses = "write"
        for message in (signed(3), signed(3)):
            documents.offer(PLAN, message, retained=False)
            await asyncio.sleep(0.01)
        shelf.refuses = ""
        documents.offer(PLAN, signed(3), retained=False)
        await asyncio.sleep(100)

    end = End(tmp_path, shelf=shelf).live(story)
    assert end.outcomes == [
        ("in_force", 1, ""),
        ("in_force", 1, "replayed"),
        ("in_force", 2, ""),
        ("refused", 3, "storage_unavailable"),
        ("in_force", 3, ""),
        ("refused", 1, "replayed"),
        ("refused", 0, "storage_unavailable"),
    ]


def test_a_document_waits_for_its_time_also_over_a_restart(tmp_path: Path) -> None:
    """Meanwhile the former holds; the swap is told when it is made."""
    end = End(tmp_path).given(signed(1), signed(2, effective_ms=NOW_MS + 10_000_000), after_s=9_000)
    assert end.executed == PLANS[1:2]
    assert end.outcomes[1:] == [("stored", 2, "")]
    end.given(after_s=9_000)
    assert (end.executed, end.in_force) == (PLANS[1:2], 1)
    end.given(after_s=11_000)
    assert (end.executed, end.outcomes, end.in_force) == (PLANS[1:3], [("in_force", 2, "")], 2)


def test_a_newer_document_takes_the_place_of_one_that_waits(tmp_path: Path) -> None:
    """The newest says what holds: what was to hold later is not to hold any more."""
    end = End(tmp_path).given(signed(1, effective_ms=NOW_MS + 60_000), signed(2), after_s=100)
    assert (end.executed, end.in_force) == (PLANS[2:3], 2)


def test_what_is_over_holds_no_more(tmp_path: Path) -> None:
    """In force, or before it ever was; and after a restart as before."""
    end = End(tmp_path).given(signed(1, expires_ms=NOW_MS + 60_000), after_s=100)
    assert (end.executed, end.in_force) == ([PLANS[1], None], None)
    assert end.outcomes == [("in_force", 1, ""), ("expired", 1, "")]
    later = Clock(ahead_ms=200_000)
    waits = signed(2, effective_ms=NOW_MS + 300_000, expires_ms=NOW_MS + 400_000)
    end.given(waits)
    end.clock = Clock(ahead_ms=500_000)
    assert end.given().outcomes == [("refused", 2, "expired")]
    end.clock = later
    assert end.given(waits).outcomes == [("expired", 2, "replayed")]
    assert end.executed == []


def test_a_clock_that_is_set_late_judges_again(tmp_path: Path) -> None:
    """What was taken on an unset clock is over, or due, as soon as the time is known."""

    async def story(end: End, documents: Documents) -> None:
        documents.offer(PLAN, signed(1, expires_ms=NOW_MS + 60_000), retained=False)
        documents.offer(DesiredKind.LAMP_CONDITIONS, waits, retained=False)
        await asyncio.sleep(1)
        assert end.executed == PLANS[1:2]
        end.clock.state, end.clock.ahead_ms = ClockState.SYNCHRONISED, 100_000
        documents.wake()
        await asyncio.sleep(0.01)

    waits = signed(2, kind=DesiredKind.LAMP_CONDITIONS, effective_ms=NOW_MS + 90_000)
    end = End(tmp_path, clock=Clock(ClockState.UNSET)).live(story)
    assert end.executed == [PLANS[1], None, PLANS[2]]
    assert end.outcomes == [("in_force", 1, ""), ("stored", 2, ""), ("expired", 1, ""), ("in_force", 2, "")]


@pytest.mark.parametrize("raises", [True, False])
def test_a_document_that_cannot_be_executed_gives_way_to_the_former(tmp_path: Path, raises: bool) -> None:
    """With the reason; it is not tried again, neither when it comes again nor after a restart."""

    def refuses(body: str | None) -> Sequence[str]:
        if body == PLANS[2] and raises:
            raise RuntimeError("no such group")
        return ["no such group"] if body == PLANS[2] else []

    end = End(tmp_path, refuses=refuses).given(signed(1), signed(2))
    assert end.executed == [PLANS[1], PLANS[2], PLANS[1]]
    assert end.outcomes[-1] == ("rolled_back", 2, "")
    assert "no such group" in end.told[-1].reason
    end.given(signed(2))
    assert (end.executed, end.outcomes, end.in_force) == ([PLANS[1]], [("rolled_back", 2, "replayed")], 1)
    assert end.given(signed(3)).in_force == 3


def test_what_could_be_executed_before_and_cannot_any_more_gives_way_at_the_start(tmp_path: Path) -> None:
    """As after an update of the program; the one before it may still do."""
    end = End(tmp_path).given(signed(1), signed(2))
    end.refuses = lambda body: ["not any more"] if body == PLANS[2] else []
    assert end.given().executed == [PLANS[2], PLANS[1]]
    assert end.outcomes == [("rolled_back", 2, "")]
    assert end.given().executed == [PLANS[1]]


def test_what_cannot_be_executed_is_never_told_to_be_in_force(tmp_path: Path) -> None:
    """Neither the newest nor the former can: nothing is in force, and the disk keeps the former."""
    end = End(tmp_path).given(signed(1), signed(2))
    end.refuses = lambda body: ["not any more"] if body else []
    assert end.given().in_force is None
    assert end.executed == [PLANS[2], PLANS[1], None]
    end.refuses = lambda _body: []
    assert end.given().in_force == 1


def test_a_document_that_ends_the_process_each_time_is_given_up(tmp_path: Path) -> None:
    """It is begun a few times and no more: a gateway must not die of a plan for ever."""

    class Died(BaseException):
        """The process is gone."""

    def dies(body: str | None) -> Sequence[str]:
        if body == PLANS[2]:
            raise Died
        return []

    end = End(tmp_path, refuses=dies).given(signed(1))
    for attempt in range(TRIES_MAX):
        with pytest.raises(Died):
            end.given(*([signed(2)] if attempt == 0 else []), after_s=1)
    assert end.given().executed == [PLANS[1]]
    assert end.outcomes == [("rolled_back", 2, "")]


class RefusingShelf(Shelf):
    """A shelf on a disk that can be made to refuse."""

    refuses = ""

    def read(self, kind: DesiredKind) -> Found:
        """See Shelf."""
        self._look("read")
        return super().read(kind)

    def write(self, kind: DesiredKind, held: Held) -> None:
        """See Shelf."""
        self._look("write")
        super().write(kind, held)

    def _look(self, what: str) -> None:
        if what in self.refuses:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full_refuses_and_what_is_in_force_stays(tmp_path: Path) -> None:
    """The document may come again, and is taken once there is room."""
    shelf = RefusingShelf(tmp_path / "desired")
    end = End(tmp_path, shelf=shelf).given(signed(1))

    async def story(_end: End, documents: Documents) -> None:
        shelf.refuses = "write"
        documents.offer(PLAN, signed(2), retained=False)
        await asyncio.sleep(0.01)
        assert documents.in_force == {"lamp_plan": 1}
        shelf.refuses = ""
        documents.offer(PLAN, signed(2), retained=False)
        await asyncio.sleep(0.01)
        assert documents.in_force == {"lamp_plan": 2}

    end.live(story)
    assert end.outcomes == [("refused", 2, "storage_unavailable"), ("in_force", 2, "")]
    assert (end.told[0].highest, end.executed) == (1, PLANS[1:3])


def test_a_disk_that_fills_before_the_swap_delays_no_swap(tmp_path: Path) -> None:
    """It stands in memory, and goes to disk as soon as that takes it."""
    shelf = RefusingShelf(tmp_path / "desired")

    async def story(_end: End, documents: Documents) -> None:
        documents.offer(PLAN, signed(1, effective_ms=NOW_MS + 60_000), retained=False)
        await asyncio.sleep(1)
        shelf.refuses = "write"
        await asyncio.sleep(120)
        assert documents.in_force == {"lamp_plan": 1}
        assert Shelf(tmp_path / "desired").read(PLAN).held.current is None
        shelf.refuses = ""
        await asyncio.sleep(20)
        assert Shelf(tmp_path / "desired").read(PLAN).held.current is not None

    assert End(tmp_path, shelf=shelf).live(story).executed == PLANS[1:2]


def test_while_the_disk_cannot_be_read_nothing_is_taken(tmp_path: Path) -> None:
    """Nobody knows what was taken before; forgeries keep their own reason."""
    shelf = RefusingShelf(tmp_path / "desired")
    end = End(tmp_path, shelf=shelf).given(signed(3))
    shelf.refuses = "read"

    async def story(_end: End, documents: Documents) -> None:
        documents.offer(PLAN, signed(2), retained=False)
        documents.offer(PLAN, signed(9, STRANGER), retained=False)
        await asyncio.sleep(1)
        shelf.refuses = ""
        await asyncio.sleep(20)
        assert documents.in_force == {"lamp_plan": 3}

    assert end.live(story).outcomes == [("refused", 2, "storage_unavailable"), ("refused", 0, "no_key")]


def test_another_gateways_folder_is_not_obeyed_and_not_emptied(tmp_path: Path) -> None:
    """A card put into another cabinet, or a name misspelt in the settings for a day."""
    end = End(tmp_path).given(signed(1))
    other = End(tmp_path, verifier=Verifier(VERIFIER.keys, "north", "gw-2", VERIFIER.validators)).given()
    assert (other.executed, other.outcomes) == ([], [("refused", 0, "storage_unavailable")])
    assert "another gateway's" in other.told[0].reason
    assert end.given().in_force == 1


def test_what_stands_beside_a_damaged_document_is_used_and_the_lost_one_may_come_again(
    tmp_path: Path,
) -> None:
    """The former is in force; the centre is told which one is lost."""
    end = End(tmp_path).given(signed(1), signed(2))
    [newest] = (tmp_path / "desired").glob("lamp_plan.2.*.jws")
    newest.write_bytes(newest.read_bytes()[:-1] + b"\0")
    end.given()
    assert (end.executed, end.in_force) == (PLANS[1:2], 1)
    assert end.outcomes == [("refused", 2, "storage_unavailable")]
    end.given(signed(1), signed(2))
    assert (end.outcomes, end.in_force) == ([("refused", 1, "rolled_back"), ("in_force", 2, "")], 2)


def test_a_flood_is_bounded_and_counted_and_delays_nothing_that_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is counted, too, and so is what is on no topic of ours."""
    monkeypatch.setattr(inbox.Inbox.__init__, "__defaults__", (100, inbox.BYTES_MAX))

    async def story(_end: End, documents: Documents) -> None:
        for number in range(500):
            documents.offer(PLAN, b"noise %d" % number, retained=False)
        documents.offer("lamps", b"noise", retained=True)
        documents.offer(PLAN, b"", retained=True)
        documents.offer(PLAN, bytes(300_000), retained=False)
        await asyncio.sleep(1)
        documents.offer("other", signed(1), retained=False)
        await asyncio.sleep(1)

    end = End(tmp_path).live(story)
    counts: dict[str, int] = {}
    for each in end.told:
        counts[str(each.refusal)] = counts.get(str(each.refusal), 0) + each.count
    assert counts == {"malformed": 100, "overloaded": 401, "too_large": 1, "wrong_kind": 1}
    assert len(end.told) <= 8


def test_a_report_is_an_event_like_any_other(tmp_path: Path) -> None:
    """It decodes as it was made."""
    end = End(tmp_path).given(signed(1), signed(2, STRANGER), KEY.sign(b"{}"))
    assert [each.refusal for each in end.told] == [None, Refusal.NO_KEY, Refusal.MALFORMED]
    assert batches.decode(happened(1, *end.told)).events == end.told
