"""What a timeline tells beside levels: the cause that people read must be the one that made the change."""

import datetime as dt
from pathlib import Path

import pytest

from lighting import checking, nights
from lighting.compiling import Compiler, Fact
from lighting.plan import CalendarRule
from lighting.timeline import Cause, CauseKind

PLAN = checking.load(Path(checking.__file__).with_name("plan.example.toml"))
NIGHT = dt.date(2026, 10, 5)
"""A Monday, in the week of the national holiday."""


@pytest.mark.parametrize(
    ("start_date", "cause"),
    [
        ("--10-05", Cause(CauseKind.FIXED_TIME, "23:30")),  # the holiday goes before the fog
        ("--10-06", Cause(CauseKind.CONDITION_BEGINS, "fog")),
    ],
)
def test_a_condition_that_changes_nothing_is_no_cause(start_date: str, cause: Cause) -> None:
    """Though it begins at the very moment of a fixed control."""
    rules = [
        CalendarRule(program="trunk-road", start_date=start_date, end_date="--10-07"),
        CalendarRule(program="side-street", condition="fog"),
    ]
    calendar = PLAN.calendars[0].model_copy(update={"rules": rules})
    compiler = Compiler(PLAN.model_copy(update={"calendars": [calendar]}))
    from_ms = nights.begins_ms(NIGHT, compiler.zone)
    at_ms = nights.at_ms(NIGHT, dt.time(23, 30), compiler.zone)
    facts = [Fact("fog", at_ms, at_ms + 3_600_000)]
    step = compiler.timeline("trunk", PLAN.place, from_ms, from_ms + 86_400_000, facts).at(at_ms)
    assert (step.start_ms, step.cause) == (at_ms, cause)
