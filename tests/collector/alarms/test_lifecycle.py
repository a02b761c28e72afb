"""The tables of an alarm's life say what ISA-18.2 says, and ``step`` puts them together."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.alarms.lifecycle import LifecycleError, Standing, annunciates, phase_of, step
from collector.alarms.transitions import PHASES, SHELVING, Happening, Phase, Shelving, ShelvingTurn, Turn
from contract.events import Priority

ISA_18_2 = """
NORM          raised  UNACK            UNACK         raised  UNACK
ACKED         raised  ACKED            RTNUN         raised  UNACK
LATCHED_UNACK raised  UNACK            LATCHED_ACKED raised  UNACK
NORM          worse   UNACK            UNACK         worse   UNACK
ACKED         worse   UNACK            RTNUN         worse   UNACK
LATCHED_UNACK worse   UNACK            LATCHED_ACKED worse   UNACK
UNACK         cleared RTNUN            ACKED         cleared NORM
UNACK         latches LATCHED_UNACK    ACKED         latches LATCHED_ACKED
UNACK         acked   ACKED            RTNUN         acked   NORM
LATCHED_UNACK acked   LATCHED_ACKED
LATCHED_UNACK reset   RTNUN            LATCHED_ACKED reset   NORM
NORM          returns NORM             UNACK         returns UNACK
ACKED         returns UNACK            RTNUN         returns NORM
LATCHED_UNACK returns LATCHED_UNACK    LATCHED_ACKED returns LATCHED_UNACK
"""
"""Written down a second time, from the standard, so that a slip in the table is seen."""
TURNS = {
    "raised": Turn.RAISED,
    "worse": Turn.WORSE,
    "cleared": Turn.CLEARED,
    "latches": Turn.CLEARED_LATCHING,
    "acked": Turn.ACKNOWLEDGED,
    "reset": Turn.RESET,
    "returns": Turn.RETURNED,
}
OPC_UA = {
    (Shelving.UNSHELVED, ShelvingTurn.TIMED): Shelving.TIMED,
    (Shelving.UNSHELVED, ShelvingTurn.ONE_SHOT): Shelving.ONE_SHOT,
    (Shelving.UNSHELVED, ShelvingTurn.NORMAL): Shelving.UNSHELVED,
    (Shelving.UNSHELVED, ShelvingTurn.ESCALATED): Shelving.UNSHELVED,
    (Shelving.TIMED, ShelvingTurn.TIMED): Shelving.TIMED,
    (Shelving.TIMED, ShelvingTurn.ONE_SHOT): Shelving.ONE_SHOT,
    (Shelving.TIMED, ShelvingTurn.UNSHELVED): Shelving.UNSHELVED,
    (Shelving.TIMED, ShelvingTurn.EXPIRED): Shelving.UNSHELVED,
    (Shelving.TIMED, ShelvingTurn.NORMAL): Shelving.TIMED,
    (Shelving.TIMED, ShelvingTurn.ESCALATED): Shelving.UNSHELVED,
    (Shelving.ONE_SHOT, ShelvingTurn.TIMED): Shelving.TIMED,
    (Shelving.ONE_SHOT, ShelvingTurn.ONE_SHOT): Shelving.ONE_SHOT,
    (Shelving.ONE_SHOT, ShelvingTurn.UNSHELVED): Shelving.UNSHELVED,
    (Shelving.ONE_SHOT, ShelvingTurn.EXPIRED): Shelving.UNSHELVED,
    (Shelving.ONE_SHOT, ShelvingTurn.NORMAL): Shelving.UNSHELVED,
    (Shelving.ONE_SHOT, ShelvingTurn.ESCALATED): Shelving.UNSHELVED,
}


def test_the_phases_are_those_of_isa_18_2() -> None:
    """Nothing is missing, nothing is more."""
    words = ISA_18_2.split()
    written = {
        (Phase(state), TURNS[turn]): Phase(to)
        for state, turn, to in zip(words[::3], words[1::3], words[2::3], strict=True)
    }
    assert written == PHASES


def test_the_shelving_is_that_of_opc_ua_part_9() -> None:
    """One-shot ends with the return to normal, timed with its time, both by hand or by the priority."""
    assert OPC_UA == SHELVING


STANDINGS = st.builds(
    Standing,
    phase=st.sampled_from(Phase),
    priority=st.sampled_from(Priority),
    shelving=st.sampled_from(Shelving),
    suppressed=st.frozensets(st.sampled_from(["maintenance", "tests"]), max_size=2),
    out_of_service=st.booleans(),
)


@given(STANDINGS, st.sampled_from(Happening), st.sampled_from(Priority))
@example(Standing(Phase.ACKED, Priority.HIGHEST, shelving=Shelving.TIMED), Happening.RAISED, Priority.HIGHEST)
def test_whatever_ends_the_last_silence_makes_an_active_alarm_unacknowledged(
    before: Standing, happening: Happening, priority: Priority
) -> None:
    """And one that is at rest is at rest."""
    try:
        after = step(before, happening, priority=priority, until_ms=1, reason="maintenance")
    except LifecycleError:
        return
    if before.quiet and not after.quiet:
        assert after.phase in (Phase.UNACK, Phase.LATCHED_UNACK, Phase.NORM)
        assert annunciates(before, after) is (after.phase is not Phase.NORM)
    if after.quiet:
        assert not annunciates(before, after)


@given(STANDINGS, st.sampled_from([Happening.SHELVED, Happening.SHELVED_ONE_SHOT]))
def test_the_highest_priority_is_never_shelved(before: Standing, how: Happening) -> None:
    """It is refused with words, and what becomes the highest is shelved no more."""
    if before.priority is Priority.HIGHEST:
        with pytest.raises(LifecycleError, match="cannot be shelved"):
            step(before, how, until_ms=1)
    raised = step(before, Happening.RAISED, priority=Priority.HIGHEST)
    assert raised.shelving is Shelving.UNSHELVED


@given(st.sampled_from(Phase))
def test_a_phase_is_what_opc_ua_s_three_say(phase: Phase) -> None:
    """There and back."""
    standing = Standing(phase=phase)
    told = phase_of(active=standing.active, acked=standing.acked, latched=standing.latched)
    assert told is phase
