"""Each transition of the tables, made to happen in the room with its database: none is left out."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from collector.alarms.happening import Alarm
from collector.alarms.operating import ConflictError
from collector.alarms.standings import standing_of
from collector.alarms.transitions import PHASES, SHELVING, Happening, Phase, Shelving, ShelvingTurn, Turn
from contract.events import Priority
from tests.collector.alarms.room import Room, opened

ALL_PHASES = [(phase, turn) for phase in Phase for turn in Turn]
ALL_SHELVING = [(shelving, turn) for shelving in Shelving for turn in ShelvingTurn]
OVER = (Phase.NORM, Phase.RTNUN, Phase.LATCHED_UNACK, Phase.LATCHED_ACKED)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """One for all of them: each takes a source of its own."""
    with opened(tmp_path_factory.mktemp("room") / "collector.db") as room:
        yield room


def brought_to(room: Room, phase: Phase, *, latching: bool = False) -> Alarm:
    """Make a new source and bring it to a phase."""
    room.now_ms += 100_000
    latched = latching or phase in (Phase.LATCHED_UNACK, Phase.LATCHED_ACKED)
    source = {"device": f"d-{room.number}", "rule": "latched" if latched else "burst"}
    last = room.raised(**source)
    if phase in (Phase.ACKED, Phase.NORM, Phase.LATCHED_ACKED):
        room.act(last, Happening.ACKNOWLEDGED)
    if phase in OVER:
        room.cleared(last)
    if phase in (Phase.NORM, Phase.RTNUN) and latched:
        room.act(last, Happening.RESET)
    assert standing_of(room.row(last)).phase is phase
    return last


def turned(room: Room, last: Alarm, turn: Turn) -> None:
    """Let a turn happen to a source."""
    again = {"device": last.device, "rule": last.rule}
    match turn:
        case Turn.RAISED:
            room.raised(**again)
        case Turn.WORSE:
            room.raised(**again, priority=Priority.HIGH)
        case Turn.CLEARED | Turn.CLEARED_LATCHING:
            room.cleared(last)
        case Turn.ACKNOWLEDGED:
            room.act(last, Happening.ACKNOWLEDGED)
        case Turn.RESET:
            room.act(last, Happening.RESET)
        case Turn.RETURNED:
            room.act(last, Happening.OUT_OF_SERVICE)
            room.act(last, Happening.IN_SERVICE)


def test_what_happens_to_every_phase_at_every_turn_is_the_table(room: Room) -> None:
    """Whatever moves the row is in the table, and everything in the table moved a row: none is left out."""
    seen = {}
    for phase, turn in ALL_PHASES:
        last = brought_to(room, phase, latching=turn is Turn.CLEARED_LATCHING)
        before = room.row(last)
        with suppress(ConflictError):
            turned(room, last, turn)
        after = room.row(last)
        if after.version != before.version:
            seen[phase, turn] = standing_of(after).phase
        else:
            assert tuple(after) == tuple(before)
    assert seen == PHASES


def test_nothing_can_be_acknowledged_that_nobody_acknowledged_and_is_at_rest(room: Room) -> None:
    """The refusal says so; who has acknowledged is told where somebody has."""
    last = brought_to(room, Phase.RTNUN)
    room.act(last, Happening.OUT_OF_SERVICE)
    room.act(last, Happening.IN_SERVICE)
    assert standing_of(room.row(last)).phase is Phase.NORM
    with pytest.raises(ConflictError, match="nothing to acknowledge"):
        room.act(last, Happening.ACKNOWLEDGED)


def shelved(room: Room, shelving: Shelving) -> Alarm:
    """Make a new source and shelve it so."""
    last = brought_to(room, Phase.UNACK)
    if shelving is Shelving.TIMED:
        room.act(last, Happening.SHELVED, for_ms=3_600_000)
    elif shelving is Shelving.ONE_SHOT:
        room.act(last, Happening.SHELVED_ONE_SHOT)
    return last


def reshelved(room: Room, last: Alarm, turn: ShelvingTurn) -> None:
    """Let a turn happen to a source's shelving."""
    room.now_ms += 1_000
    match turn:
        case ShelvingTurn.TIMED:
            room.act(last, Happening.SHELVED, for_ms=60_000)
        case ShelvingTurn.ONE_SHOT:
            room.act(last, Happening.SHELVED_ONE_SHOT)
        case ShelvingTurn.UNSHELVED:
            room.act(last, Happening.UNSHELVED)
        case ShelvingTurn.EXPIRED:
            room.passes(2 * 3600)
        case ShelvingTurn.NORMAL:
            room.cleared(last)
        case ShelvingTurn.ESCALATED:
            room.raised(device=last.device, priority=Priority.HIGHEST)


def test_what_happens_to_shelving_at_every_turn_is_the_table(room: Room) -> None:
    """By hand, by time, by the return to normal, by a higher priority; nothing of it is left out."""
    seen = {}
    for shelving, turn in ALL_SHELVING:
        last = shelved(room, shelving)
        before = room.row(last)
        with suppress(ConflictError):
            reshelved(room, last, turn)
        after = room.row(last)
        if after.version != before.version:
            seen[shelving, turn] = Shelving(after.shelving)
        assert (after.shelved_until_ms is None) is (after.shelving == Shelving.UNSHELVED)
        assert after.active is (turn is not ShelvingTurn.NORMAL)
    assert seen == SHELVING


def test_what_is_not_shelved_cannot_be_taken_back(room: Room) -> None:
    """It is refused with words."""
    with pytest.raises(ConflictError, match="it is not shelved"):
        room.act(brought_to(room, Phase.UNACK), Happening.UNSHELVED)


@pytest.mark.parametrize("is_suppressed", [False, True])
def test_a_reason_is_given_once_and_taken_back_once(is_suppressed: bool, room: Room) -> None:
    """Twice is refused, and so is what was not given."""
    last = brought_to(room, Phase.ACKED)
    if is_suppressed:
        room.act(last, Happening.SUPPRESSED, reason="tests")
        with pytest.raises(ConflictError, match="suppressed already: tests"):
            room.act(last, Happening.SUPPRESSED, reason="tests")
        room.act(last, Happening.UNSUPPRESSED, reason="tests")
        assert standing_of(room.row(last)).phase is Phase.UNACK
    else:
        with pytest.raises(ConflictError, match="not suppressed by 'tests': it is not suppressed at all"):
            room.act(last, Happening.UNSUPPRESSED, reason="tests")


@pytest.mark.parametrize("is_out", [False, True])
def test_a_source_is_taken_out_once_and_put_back_once(is_out: bool, room: Room) -> None:
    """Twice is refused."""
    last = brought_to(room, Phase.ACKED)
    if is_out:
        room.act(last, Happening.OUT_OF_SERVICE)
        with pytest.raises(ConflictError, match="out of service already"):
            room.act(last, Happening.OUT_OF_SERVICE)
        room.act(last, Happening.IN_SERVICE)
        assert standing_of(room.row(last)).phase is Phase.UNACK
    else:
        with pytest.raises(ConflictError, match="it is in service"):
            room.act(last, Happening.IN_SERVICE)
