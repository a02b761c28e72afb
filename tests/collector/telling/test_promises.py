"""What telling promises, whatever happens: played with random incidents, people and hours."""

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.telling.facts import HighestAlarm, Kind
from collector.telling.settings import TellingRules
from contract.events import Priority
from tests.collector.telling.telling_world import (
    HOUR,
    MINUTE,
    NOON_MS,
    SECOND,
    World,
    directory,
    incident,
    person,
)

NAMES = ("wang", "li", "zhao", "chief")
SPAN_MS = 5 * HOUR

happenings = st.tuples(
    st.integers(0, SPAN_MS // SECOND),  # when it begins, in seconds
    st.sampled_from([*Priority, Priority.HIGHEST]),
    st.one_of(st.none(), st.integers(1, 7_200)),  # acknowledged so many seconds later
    st.one_of(st.none(), st.integers(1, 7_200)),  # closed
    st.one_of(st.none(), st.tuples(st.integers(0, 600), st.integers(1, 3_600))),  # quiet from, for
    st.integers(1, 30),  # members after a minute
)
quiet_hours = st.lists(
    st.tuples(st.integers(0, 23), st.integers(0, 23)).map(
        lambda pair: {"from": f"{pair[0]:02}:00", "to": f"{pair[1]:02}:30"}
    ),
    max_size=2,
)
people = st.fixed_dictionaries(
    {name: st.tuples(st.integers(1, 6), quiet_hours, st.integers(1, 2)) for name in NAMES}
)
tables = st.lists(
    st.tuples(
        st.sampled_from(["low", "high"]),
        st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), min_size=1, max_size=3),
    ),
    max_size=2,
)


def put_at(world: World, number: int, at_ms: int, priority: Priority) -> None:
    """Let an incident begin."""
    begun = incident(number, at_ms, priority=priority)
    if priority is Priority.HIGHEST:
        begun = replace(begun, highest=(HighestAlarm(f"gw/{number:032x}", at_ms),))
    world.put(begun)


def played(story: list[tuple], who: dict, on_call: list[tuple]) -> World:  # type: ignore[type-arg]
    """Play a story to its end and a day on."""
    made = directory(
        *(
            person(name, messages_per_hour_max=budget, quiet_hours=quiet)
            for name, (budget, quiet, _) in who.items()
        ),
        on_call=[
            {"name": f"table-{number}", "priority_min": least, "levels": levels}
            for number, (least, levels) in enumerate(on_call)
        ],
        fallback="chief",
    )
    world = World(made, TellingRules(flood_incidents=3, escalation_repeats_max=1))
    timeline: dict[int, list] = {}  # type: ignore[type-arg]
    for number, (begins_s, priority, acked_s, closed_s, quiet, members) in enumerate(story, 1):
        at_ms = NOON_MS + begins_s * SECOND
        timeline.setdefault(at_ms, []).append(partial(put_at, world, number, at_ms, priority))
        changes = [(60, {"members": members})]
        changes += [(acked_s, {"acked_ms": at_ms + acked_s * SECOND})] if acked_s else []
        changes += [(closed_s, {"closed_ms": at_ms + closed_s * SECOND, "active": 0})] if closed_s else []
        if quiet and priority is not Priority.HIGHEST:
            changes += [(quiet[0] + 1, {"quiet": "shelved"}), (sum(quiet) + 1, {"quiet": ""})]
        for after_s, values in changes:
            timeline.setdefault(at_ms + after_s * SECOND, []).append(partial(world.change, number, **values))

    def everything(at_ms: int) -> None:
        for happen in timeline[at_ms]:
            happen()

    world.run(NOON_MS + SPAN_MS + 30 * HOUR, {at_ms: partial(everything, at_ms) for at_ms in timeline})
    return world


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(happenings, min_size=1, max_size=25), people, tables)
def test_everybody_is_told_once_within_budgets_and_the_highest_at_once(
    story: list[tuple[Any, ...]],
    who: dict[str, Any],
    on_call: list[tuple[Any, ...]],
) -> None:
    """Six promises in one story, so that they hold together.

    Each first telling once for a person and a subject; each highest alarm told at the moment it begins, by
    itself; in no hour more of the rest than a person's budget, none of it in quiet hours; one all clear for
    whoever was told, and for nobody else; each id once; every incident told, or the reason kept why not.
    """
    world = played(story, who, on_call)
    firsts = Counter(world.firsts())
    assert max(firsts.values(), default=0) <= 1
    assert len({message.id for message in world.sent}) == len(world.sent)
    for name, (budget, quiet, _) in who.items():
        ordinary = sorted(each.at_ms for each in world.sent if each.person == name and not each.highest)
        assert all(after - before >= HOUR for before, after in zip(ordinary, ordinary[budget:], strict=False))
        for at_ms in ordinary:
            assert not any(is_in(at_ms, hours) for hours in quiet)
    for number, (begins_s, priority, *_rest) in enumerate(story, 1):
        incident_id, at_ms = f"{number:032x}", NOON_MS + begins_s * SECOND
        own = world.told[incident_id, ""]
        if priority is Priority.HIGHEST:
            told = [each for each in world.sent if each.incident_id == incident_id and each.alarm]
            assert min(each.at_ms for each in told) == at_ms
            assert all(len(each.items) == 1 for each in told)
        else:
            told_to = {each[0] for each in firsts if each[1] == incident_id}
            waits = {each for each, was in own.people.items() if was.held}
            assert told_to or waits or own.reason
    all_clears = Counter(
        (item.person, item.incident_id)
        for message in world.sent
        for item in message.items
        if item.kind is Kind.ALL_CLEAR
    )
    assert max(all_clears.values(), default=0) <= 1
    assert set(all_clears) <= {(each[0], each[1]) for each in firsts}


def is_in(at_ms: int, hours: dict[str, str]) -> bool:
    """Say whether it lies in quiet hours: reckoned apart from the planner, in minutes of the day."""
    minute = (at_ms // MINUTE + 8 * 60) % 1440
    begins, ends = (int(hours[key][:2]) * 60 + int(hours[key][3:]) for key in ("from", "to"))
    if begins < ends:
        return begins <= minute < ends
    return minute >= begins or minute < ends
