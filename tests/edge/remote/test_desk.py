"""Commands at the gateway: executed once, in time, after they are on disk; every other is answered for."""

import asyncio
import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contract import batches, desired
from contract.commands import CommandKind
from contract.events import CommandOutcome
from contract.limits import COMMAND_BYTES_MAX, COMMAND_LIFE_MS_MAX
from contract.samples import ClockState
from contract.signing import COMMAND_TYPE
from edge.remote.desk import ANSWER_S_MAX, LOOK_S, MESSAGES_MAX, Desk
from edge.remote.ledger import FILE_NAME, Ledger
from edge.remote.memory import APART_MS_MAX, Begun, Memory, Note
from edge.rules.effects import Answer
from tests.edge.desired.making import NOW_MS, Clock, document
from tests.edge.remote.making import KEY, STRANGER, End, command, signed

LATER_MS = 2_000
"""Commands are issued after the first start."""
YEAR_MS = 365 * 86_400_000
AHEAD_MS = APART_MS_MAX - 60_000
"""So far ahead is the clock of a centre that is still believed."""


def issued(number: int, **changes: Any) -> tuple[str, bytes]:
    """Return a command issued after the gateway's first start."""
    times: dict[str, Any] = {
        "issued_ms": NOW_MS + LATER_MS + number,
        "expires_ms": NOW_MS + LATER_MS + number + 60_000,
    }
    return signed(number, **times | changes)


def test_a_command_is_executed_and_answered_with_its_proof(tmp_path: Path) -> None:
    """What was read back is in the answer."""
    end = End(tmp_path).given(issued(1))
    assert end.executed == [f"{1:032x}"]
    [told] = end.told
    assert (told.command_id, told.outcome, told.value) == (f"{1:032x}", CommandOutcome.DONE, True)


def test_a_command_that_comes_again_is_answered_again_and_not_executed(tmp_path: Path) -> None:
    """Also after a restart; repetitions are counted, once an interval."""
    end = End(tmp_path).given(*[issued(1)] * 10, after_s=120)
    assert end.executed == [f"{1:032x}"]
    assert end.outcomes == [(1, "done", ""), (1, "done", "replayed"), (1, "done", "replayed")]
    assert [each.count for each in end.told] == [1, 1, 8]
    end.given(issued(1))
    assert end.executed == [f"{1:032x}"]
    assert end.outcomes == [(1, "done", "replayed")]


@pytest.mark.parametrize("answers", [None, CommandOutcome.DONE])
def test_a_crash_before_the_end_is_known_is_indeterminate_and_never_a_retry(
    tmp_path: Path, answers: CommandOutcome | None
) -> None:
    """The command is on disk, its end is not: nobody knows, and the next start says so, once."""

    class Cut(Ledger):
        """The power fails before any end is on disk."""

        def add(self, notes: Sequence[Note], memory: Memory, *, anew: bool = False) -> None:
            if all(isinstance(note, Begun) for note in notes):
                super().add(notes, memory, anew=anew)

    end = End(tmp_path, ledger=Cut(tmp_path / FILE_NAME), answers=answers).given(issued(1))
    end.ledger = None
    end.given(issued(1))
    assert end.executed == [f"{1:032x}"]
    assert end.outcomes == [(1, "indeterminate", ""), (1, "indeterminate", "replayed")]
    end.given()
    assert end.outcomes == []


def test_an_answer_that_the_buffer_never_took_is_told_by_the_next_run(tmp_path: Path) -> None:
    """It is on the disk of the commands."""
    end = End(tmp_path, buffered=False).given(issued(1))
    end.buffered = True
    assert end.given().outcomes == [(1, "done", "")]
    assert end.given().outcomes == []


class Refusing(Ledger):
    """Its disk takes nothing from the n-th note on."""

    def __init__(self, path: Path, takes: int) -> None:
        super().__init__(path)
        self.takes = takes

    def add(self, notes: Sequence[Note], memory: Memory, *, anew: bool = False) -> None:
        if self.takes <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.takes -= 1
        super().add(notes, memory, anew=anew)


def test_a_command_that_cannot_be_kept_is_not_executed(tmp_path: Path) -> None:
    """It is refused by name; once the disk takes again, so is the next one taken."""
    ledger = Refusing(tmp_path / FILE_NAME, 0)
    end = End(tmp_path, ledger=ledger).given(issued(1))
    assert end.executed == []
    assert end.outcomes == [(1, "refused", "storage_unavailable")]
    assert "no space left" in end.told[0].reason.lower()
    end.ledger = None
    assert end.given(issued(2)).outcomes == [(2, "done", "")]


def test_an_end_that_the_disk_refuses_is_kept_when_it_takes_again(tmp_path: Path) -> None:
    """The command was begun; its answer is told all the same, and is not told otherwise by the next run."""
    ledger = Refusing(tmp_path / FILE_NAME, 1)

    async def story(desk: Desk) -> None:
        await asyncio.sleep(1)
        desk.offer(*issued(1))
        await asyncio.sleep(1)
        ledger.takes = 100
        await asyncio.sleep(30)

    end = End(tmp_path, ledger=ledger).live(story)
    assert end.outcomes == [(1, "done", "")]
    end.ledger = None
    assert end.given().outcomes == []


def test_a_command_that_comes_late_does_not_fire(tmp_path: Path) -> None:
    """It has expired, or the time for which it asks is over."""
    now_ms = NOW_MS + 1_000
    end = End(tmp_path).given(
        signed(1, issued_ms=NOW_MS + 1, expires_ms=now_ms),
        signed(2, issued_ms=NOW_MS + 2, expires_ms=NOW_MS + 60_000, until_ms=now_ms),
        signed(3, issued_ms=NOW_MS + 3, expires_ms=NOW_MS + 1_200, until_ms=NOW_MS + 1_100),
    )
    assert end.executed == [f"{3:032x}"]
    assert end.outcomes[:2] == [(1, "refused", "expired"), (2, "refused", "expired")]


def test_without_the_time_nothing_is_executed(tmp_path: Path) -> None:
    """Nobody could tell whether it is late; what is over by the latest time known is."""
    end = End(tmp_path, clock=Clock(ClockState.UNSET))
    end.given(issued(1), signed(2, issued_ms=NOW_MS - 9, expires_ms=NOW_MS))
    assert end.executed == []
    assert end.outcomes == [(1, "refused", "clock_unset"), (2, "refused", "expired")]


def test_a_command_of_the_future_is_refused(tmp_path: Path) -> None:
    """One of the clocks is wrong: it might be late by as much."""
    future_ms = NOW_MS + 600_000
    end = End(tmp_path).given(
        signed(1, issued_ms=future_ms, expires_ms=future_ms + 1, until_ms=future_ms + 9)
    )
    assert end.outcomes == [(1, "refused", "clocks_apart")]


def test_commands_may_overtake_each_other_but_a_late_one_undoes_no_later_one(tmp_path: Path) -> None:
    """The order is held for each target; another target's command is as good in any order."""
    end = End(tmp_path).given(
        issued(9, value=False), issued(8), issued(7, target="relays/relay_2"), issued(10)
    )
    assert end.executed == [f"{number:032x}" for number in (9, 7, 10)]
    assert end.outcomes[1] == (8, "refused", "overtaken")


def test_what_was_issued_before_anything_was_remembered_is_refused(tmp_path: Path) -> None:
    """A new file knows nothing of what the one before it had executed."""
    end = End(tmp_path, new=True).given(signed(1, issued_ms=NOW_MS - 5_000, expires_ms=NOW_MS + 50_000))
    assert end.outcomes == [(1, "refused", "replayed")]


def test_what_is_forgotten_is_refused_whatever_the_clock_says(tmp_path: Path) -> None:
    """A day later a command is of no interest; a clock that goes back brings none of its time to life."""
    end = End(tmp_path).given(issued(5))
    end.clock.ahead_ms = COMMAND_LIFE_MS_MAX + LATER_MS + 1_000
    later_ms = end.clock.ahead_ms + NOW_MS + LATER_MS
    end.given(signed(6, issued_ms=later_ms, expires_ms=later_ms + 60_000, until_ms=later_ms + 70_000))
    end.clock.ahead_ms = 0
    end.given(issued(5), issued(4, target="relays/relay_2"))
    assert end.executed == [f"{5:032x}", f"{6:032x}"]
    assert end.outcomes == [(5, "done", "replayed"), (4, "refused", "replayed")]


def _without_its_line(file: Path) -> None:
    """The note of the first command is damaged."""
    file.write_bytes(file.read_bytes().replace(b"relay_1", b"relay_2"))


@pytest.mark.parametrize("lose", [Path.unlink, _without_its_line, lambda file: file.write_bytes(b"?\n?\n")])
def test_what_was_executed_before_the_memory_was_lost_is_not_executed_again(
    tmp_path: Path, lose: Callable[[Path], object]
) -> None:
    """Also where the centre's clock is ahead, and it was issued after this start; later ones are taken."""
    issued_ms = NOW_MS + AHEAD_MS
    times: dict[str, Any] = {"issued_ms": issued_ms, "expires_ms": issued_ms + 600_000}
    end = End(tmp_path).given(signed(1, **times))
    assert end.executed == [f"{1:032x}"]
    lose(tmp_path / FILE_NAME)
    later_ms = NOW_MS + APART_MS_MAX + 70_000
    later: dict[str, Any] = {"issued_ms": later_ms, "expires_ms": later_ms + 600_000}

    async def story(desk: Desk) -> None:
        for message in [signed(1, **times)] * 2 + [signed(2, **later)]:
            await asyncio.sleep(70)
            desk.offer(*message)
        await asyncio.sleep(70)

    end.live(story)
    assert end.executed == [f"{1:032x}", f"{2:032x}"]
    refused, again, taken = end.outcomes
    assert refused == again == (1, "refused", "replayed")
    assert taken == (2, "done", "")
    assert "command again in 230 s" in end.told[0].reason


def test_a_memory_begins_once_also_where_nothing_is_ever_commanded(tmp_path: Path) -> None:
    """A restart does not begin it anew: only the first start of all lets people wait."""
    end = End(tmp_path, new=True).given(after_s=1)
    end.clock.ahead_ms = APART_MS_MAX + 60_000
    issued_ms = NOW_MS + end.clock.ahead_ms + 500
    end.given(signed(1, issued_ms=issued_ms, expires_ms=issued_ms + 60_000))
    assert end.outcomes == [(1, "done", "")]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("commanded", [False, True])
def test_a_clock_that_was_far_ahead_once_does_not_keep_commands_away_for_good(
    tmp_path: Path, commanded: bool, restarted: bool
) -> None:
    """Everything was a year ahead when the memory began: once clocks are right, it has begun now."""
    end = End(tmp_path, new=True)
    end.clock.ahead_ms = YEAR_MS
    then_ms, now_ms = NOW_MS + YEAR_MS + APART_MS_MAX + 1_000, NOW_MS + APART_MS_MAX + 602_000

    async def ahead(desk: Desk) -> None:
        await asyncio.sleep(APART_MS_MAX / 1000 + 2)
        if commanded:
            desk.offer(*signed(1, issued_ms=then_ms, expires_ms=then_ms + 60_000, until_ms=then_ms + 60_000))
        await asyncio.sleep(2)

    async def right(desk: Desk) -> None:
        end.clock.ahead_ms = 0
        await asyncio.sleep(APART_MS_MAX / 1000 + LOOK_S)
        end.clock.ahead_ms = now_ms - NOW_MS - round(asyncio.get_running_loop().time() * 1000)
        desk.offer(*signed(2, issued_ms=now_ms, expires_ms=now_ms + 60_000))
        await asyncio.sleep(1)

    async def both(desk: Desk) -> None:
        await ahead(desk)
        await right(desk)

    if restarted:
        end.live(ahead).live(right)
    else:
        end.live(both)
    assert end.executed == [f"{number:032x}" for number in ([1, 2] if commanded else [2])]


def test_a_clock_that_goes_back_within_a_day_brings_nothing_to_life(tmp_path: Path) -> None:
    """The memory was lost, and the clock goes back to before its beginning: it may be wrong."""
    end = End(tmp_path).given(issued(1))
    (tmp_path / FILE_NAME).unlink()
    end.clock.ahead_ms = COMMAND_LIFE_MS_MAX // 2
    end.given()
    end.clock.ahead_ms = 0
    assert end.given(issued(1)).outcomes == [(1, "refused", "replayed")]
    assert end.executed == [f"{1:032x}"]


def test_a_memory_that_cannot_be_read_refuses_for_the_disk(tmp_path: Path) -> None:
    """Whatever was issued when; what is late is told as that."""

    class Unreadable(Ledger):
        def read(self) -> tuple[Memory, str]:
            raise OSError(errno.EIO, "Input/output error")

    end = End(tmp_path, ledger=Unreadable(tmp_path / FILE_NAME))
    end.given(issued(1), signed(2, issued_ms=NOW_MS - 9, expires_ms=NOW_MS))
    assert end.executed == []
    assert end.outcomes == [(1, "refused", "storage_unavailable"), (2, "refused", "expired")]


@pytest.mark.parametrize("target", ["Relays/Relay 1", "继电器/开关", "x" * 200])
def test_what_its_centre_signed_and_nobody_can_read_is_named_by_its_digest(
    tmp_path: Path, target: str
) -> None:
    """Its centre hears that it is not done; it may be of a later version."""
    made = msgspec.structs.replace(command(1), target=target)
    message = KEY.sign(msgspec.json.encode(made), COMMAND_TYPE)
    end = End(tmp_path).given((made.id, message))
    [told] = end.told
    assert (told.refusal, told.command_id, told.digest) == ("malformed", "", batches.digest(message))


def test_forged_misdirected_and_malformed_messages_are_refused_and_name_no_command(tmp_path: Path) -> None:
    """Whoever forges an answer to a genuine command would end it at the centre."""
    name, good = issued(1)
    head, payload, _ = good.split(b".")
    other = issued(2)[1].split(b".")[2]
    end = End(tmp_path).given(
        (name, b".".join((head, payload, other))),
        signed(1, STRANGER),
        issued(1, gateway="gw-2"),
        ("a" * 32, good),
        (name, KEY.sign(desired.encode(document(1, gateway="gw-1")))),
        (name, b"A" * (COMMAND_BYTES_MAX + 1)),
        (name, b"noise"),
    )
    assert end.executed == []
    refusals = ["forged", "no_key", "wrong_gateway", "wrong_topic", "too_large", "malformed"]
    assert [each[2] for each in end.outcomes] == refusals
    assert {each[0] for each in end.outcomes} == {0}
    assert [bool(each.digest) for each in end.told] == [False, True, False, False, False, False]


def test_a_flood_is_a_few_events_and_every_message_is_counted(tmp_path: Path) -> None:
    """What does not fit is counted, too."""

    async def story(desk: Desk) -> None:
        for number in range(3_000):
            desk.offer(f"{number:032x}", b"noise")
        await asyncio.sleep(200)
        await desk.tell_all()

    end = End(tmp_path).live(story)
    assert len(end.told) < 300
    assert sum(each.count for each in end.told) == 3_000
    counts = {str(each.refusal): each.count for each in end.told}
    assert set(counts) == {"malformed", "overloaded"}
    assert sum(each.count for each in end.told if each.refusal == "malformed") == MESSAGES_MAX


def test_what_rules_refuse_is_an_answer_and_a_reset_is_done_at_once(tmp_path: Path) -> None:
    """The reason is in their words."""
    end = End(tmp_path, refuses=lambda it: "locked by li" if it.value else "")
    end.given(issued(1), issued(2, kind=CommandKind.RESET_ALARM, target="burst"))
    assert end.outcomes == [(1, "refused", "not_allowed"), (2, "done", "")]
    assert end.told[0].reason == "locked by li"


def test_another_command_under_a_used_id_is_refused(tmp_path: Path) -> None:
    """Whatever the centre's randomness is worth."""
    end = End(tmp_path).given(issued(1), issued(2, id=command(1).id))
    assert end.outcomes[1][2] == "replayed"
    assert end.executed == [f"{1:032x}"]


def test_the_disk_may_take_its_time_but_the_command_does_not_fire_then(tmp_path: Path) -> None:
    """It is noted after it has expired: refused, and answered so for good."""
    end = End(tmp_path)

    class Slow(Ledger):
        def add(self, notes: Sequence[Note], memory: Memory, *, anew: bool = False) -> None:
            super().add(notes, memory, anew=anew)
            if any(isinstance(note, Begun) for note in notes):
                end.clock.ahead_ms += 100_000

    end.ledger = Slow(tmp_path / FILE_NAME)
    end.given(issued(1))
    assert end.executed == []
    assert end.outcomes == [(1, "refused", "expired")]
    end.ledger = None
    assert end.given(issued(1)).outcomes == [(1, "refused", "expired")]


def test_a_command_that_nobody_answers_is_told_as_indeterminate(tmp_path: Path) -> None:
    """Its centre is not left waiting, and an answer that comes after that changes nothing."""

    async def story(desk: Desk) -> None:
        await asyncio.sleep(1)
        desk.offer(*issued(1))
        await asyncio.sleep(ANSWER_S_MAX + 2 * LOOK_S)
        desk.answered(Answer(f"{1:032x}", CommandOutcome.DONE, ""))
        await asyncio.sleep(1)

    end = End(tmp_path, answers=None).live(story)
    assert end.executed == [f"{1:032x}"]
    assert end.outcomes == [(1, "indeterminate", "")]
    assert end.given().outcomes == []


def test_what_is_told_at_the_end_does_not_meet_what_still_arrives(tmp_path: Path) -> None:
    """A stopping gateway tells all while commands go on coming: each is noted whole."""

    async def story(desk: Desk) -> None:
        await asyncio.sleep(1)
        for number in range(1, 40):
            desk.offer(*issued(number, target=f"relays/relay_{number}"))
        await asyncio.gather(desk.tell_all(), desk.tell_all())
        await asyncio.sleep(1)

    end = End(tmp_path).live(story)
    assert end.executed == [f"{number:032x}" for number in range(1, 40)]
    assert end.given().outcomes == []
